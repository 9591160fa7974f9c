package sim

import (
	"testing"
	"time"

	"simplane/core"
	"simplane/sim/internal/loop"
	"simplane/sim/internal/world"
)

// planted is a witness of a core in which nothing happens: what it observes is
// made up. Function f has one slot, a queue of two and one retry; load 0 calls
// it.
type planted struct {
	t    *testing.T
	w    *witness
	loop *loop.Loop
	fn   *core.Function
}

func plant(t *testing.T) *planted {
	t.Helper()
	sc := parse(t, `
name: planted
duration: 1s
core: {rateMaxPerSecond: 5}
functions: [{name: f, concurrency: 1, queueSize: 2, maxRetries: 1, retryBackoff: {initialMs: 0}, timeoutMillis: 1000}]
load: [{function: f, arrivals: {process: burst, count: 1}}]
`)
	l := loop.New(1, nil)
	around, err := world.New(sc, l, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := newWitness(sc, Options{}, l, around)
	c, err := core.New(coreConfig(sc, around), around.Clock(), w, around, w)
	if err != nil {
		t.Fatal(err)
	}
	w.watch(c)
	if err := around.Start(c, w); err != nil {
		t.Fatal(err)
	}
	return &planted{t, w, l, c.Function("f")}
}

// call is the tag of load 0's call; key < 0 is none.
func call(key int) uint64 { return uint64(1<<32 | (key + 1)) }

// see has the witness observe an event at the present time.
func (p *planted) see(kind core.EventKind, id core.ID, change ...func(*core.Event)) {
	ev := core.Event{Kind: kind, ID: id, Function: p.fn, At: p.w.clock.Now(), Attempt: 1, Init: -1}
	if rec, _ := p.w.find(id); rec != nil {
		ev.Sync = rec.sync
	}
	for _, c := range change {
		c(&ev)
	}
	p.w.Observe(ev)
}

func tagged(key int) func(*core.Event) { return func(ev *core.Event) { ev.Tag = call(key) } }
func sync(ev *core.Event)              { ev.Sync = true }
func because(code string) func(*core.Event) {
	return func(ev *core.Event) { ev.Code, ev.Tag = code, call(-1) }
}

// took sets an end's status and latencies.
func took(s core.Status, service, e2e time.Duration) func(*core.Event) {
	return func(ev *core.Event) { ev.Status, ev.Service, ev.E2E = s, service, e2e }
}

func (p *planted) accept(change ...func(*core.Event)) core.ID {
	id := p.w.NewID()
	p.see(core.EventAccepted, id, append([]func(*core.Event){tagged(-1)}, change...)...)
	return id
}

func (p *planted) start(id core.ID) { p.see(core.EventDispatched, id) }
func (p *planted) free(id core.ID)  { p.see(core.EventSlotReleased, id) }

// answered has core given an attempt's answer, and what is observed meanwhile.
func (p *planted) answered(id core.ID, attempt int, o core.Outcome, meanwhile func()) {
	p.w.Answering(id, attempt, o)
	meanwhile()
	p.w.Answered()
}

var (
	succeeds = core.Outcome{Status: core.Success, Output: []byte("1")}
	fails    = core.Outcome{Status: core.Error, Code: world.CodeFailed, Message: "why"}
)

// end is the end by an answer, which frees the slot.
func (p *planted) end(id core.ID, change ...func(*core.Event)) {
	p.answered(id, 1, succeeds, func() {
		p.see(core.EventEnded, id, append(change, took(core.Success, 0, 0))...)
		p.free(id)
	})
}

// retry is a retry after the failure of an attempt, which frees the slot.
func (p *planted) retry(id core.ID, attempt int32, change ...func(*core.Event)) {
	next := func(ev *core.Event) { ev.Attempt, ev.Code = attempt+1, world.CodeFailed }
	p.answered(id, int(attempt), fails, func() {
		p.see(core.EventRetried, id, append([]func(*core.Event){next}, change...)...)
		p.free(id)
	})
}

// run takes an execution from its acceptance to its end.
func (p *planted) run() core.ID {
	id := p.accept()
	p.start(id)
	p.end(id)
	return id
}

// spec is the one in force, changed.
func (p *planted) spec(change func(*core.Spec)) *core.Spec {
	s := *p.fn.Spec()
	change(&s)
	return &s
}

// shown is what core ought to show of an execution that has succeeded.
func (p *planted) shown(id core.ID) *core.Snapshot {
	rec, _ := p.w.find(id)
	return &core.Snapshot{
		ID: id, Function: "f", Status: core.Success, Output: succeeds.Output, Attempt: 1, InitMillis: -1,
		CreatedAtMillis: rec.created / 1e6, StartedAtMillis: rec.moved / 1e6, FinishedAtMillis: rec.finished / 1e6,
		QueueWait: time.Duration(rec.startedMono - rec.queuedMono),
	}
}

func (p *planted) pass(d time.Duration) { p.loop.AdvanceTo(p.loop.Now() + int64(d)) }

// TestWitnessAcceptsWhatIsRight: a stream of legal events breaks nothing.
func TestWitnessAcceptsWhatIsRight(t *testing.T) {
	p := plant(t)
	id := p.run()
	p.answered(id, 1, succeeds, func() { p.see(core.EventDuplicateResult, id) })
	first, second, third := p.accept(), p.accept(sync), core.ID{}
	p.start(first)
	third = p.accept(tagged(3))
	p.see(core.EventRejected, core.ID{}, because(core.CodeQueueFull))
	p.see(core.EventRejected, core.ID{}, because(core.CodeRateLimited))
	p.end(first)
	p.start(second)
	p.end(second, sync)
	p.w.Woken(&world.Caller{Execution: second}, *p.shown(second))
	p.start(third)
	p.retry(third, 1)
	p.see(core.EventDispatched, third, func(ev *core.Event) { ev.Attempt = 2 })
	p.pass(time.Second)
	p.see(core.EventEnded, third, took(core.Timeout, time.Second, time.Second), func(ev *core.Event) { ev.Attempt = 2 })
	p.free(third)
	p.answered(third, 2, succeeds, func() { p.see(core.EventLateResult, third) })
	if v := p.w.violation; v != nil {
		t.Errorf("%v", v)
	}
}

// TestWitnessNamesWhatBroke: of each stream of events that core must not
// produce the witness says which invariant it breaks.
func TestWitnessNamesWhatBroke(t *testing.T) {
	for name, c := range map[string]struct {
		invariant string
		bad       func(p *planted)
	}{
		"an id from elsewhere": {"ids are the source's", func(p *planted) {
			p.see(core.EventAccepted, core.ID{1, 2, 3}, tagged(-1))
		}},
		"accepted without a call": {"accepted work belongs to the function called", func(p *planted) {
			p.see(core.EventAccepted, p.w.NewID())
		}},
		"rejected without a call": {"submissions are accepted or rejected", func(p *planted) {
			p.see(core.EventRejected, core.ID{}, func(ev *core.Event) { ev.Code = core.CodeQueueFull })
		}},
		"a tag of no load": {"accepted work belongs to the function called", func(p *planted) {
			p.accept(func(ev *core.Event) { ev.Tag = 9 << 32 })
		}},
		"a third in a queue of two": {"queue bound", func(p *planted) {
			p.accept()
			p.accept()
			p.accept()
		}},
		"a sixth in a window of five": {"rate window", func(p *planted) {
			for range 6 {
				p.run()
			}
		}},
		"refused early by the rate limit": {"rate window", func(p *planted) {
			p.see(core.EventRejected, core.ID{}, because(core.CodeRateLimited))
		}},
		"refused with room in the queue": {"work is refused for a reason", func(p *planted) {
			p.see(core.EventRejected, core.ID{}, because(core.CodeQueueFull))
		}},
		"not found, though it exists": {"deleted functions are not found", func(p *planted) {
			p.see(core.EventRejected, core.ID{}, because(core.CodeNotFound))
		}},
		"the second before the first": {"FIFO", func(p *planted) {
			p.accept()
			p.start(p.accept())
		}},
		"two on one slot": {"concurrency bound", func(p *planted) {
			p.start(p.accept())
			p.start(p.accept())
		}},
		"dispatched twice": {"status transitions", func(p *planted) {
			id := p.accept()
			p.start(id)
			p.start(id)
		}},
		"a success that never ran": {"status transitions", func(p *planted) {
			p.see(core.EventEnded, p.accept(), took(core.Success, 0, 0))
		}},
		"an answer that never ran": {"attempts", func(p *planted) { p.end(p.accept()) }},
		"an answer that is forgotten": {"answers are taken in", func(p *planted) {
			id := p.accept()
			p.start(id)
			p.answered(id, 1, succeeds, func() {})
		}},
		"an end that nobody answered": {"an attempt is decided by its own answer", func(p *planted) {
			id := p.accept()
			p.start(id)
			p.see(core.EventEnded, id, took(core.Success, 0, 0))
		}},
		"an end by another execution's answer": {"an attempt is decided by its own answer", func(p *planted) {
			id, other := p.run(), p.accept()
			p.start(other)
			p.answered(id, 1, succeeds, func() { p.see(core.EventEnded, other, took(core.Success, 0, 0)) })
		}},
		"an end by a repeated answer of the attempt before": {"an attempt is decided by its own answer", func(p *planted) {
			id := p.accept()
			p.start(id)
			p.retry(id, 1)
			p.see(core.EventDispatched, id, func(ev *core.Event) { ev.Attempt = 2 })
			p.answered(id, 1, succeeds, func() { p.see(core.EventEnded, id, took(core.Success, 0, 0)) })
		}},
		"a success after a failure": {"an attempt is decided by its own answer", func(p *planted) {
			id := p.accept()
			p.start(id)
			p.answered(id, 1, fails, func() { p.see(core.EventEnded, id, took(core.Success, 0, 0)) })
		}},
		"an answer that leaves the slot taken": {"slots", func(p *planted) {
			id := p.accept()
			p.start(id)
			p.answered(id, 1, succeeds, func() { p.see(core.EventEnded, id, took(core.Success, 0, 0)) })
		}},
		"a slot freed by nobody": {"slots", func(p *planted) {
			id := p.accept()
			p.start(id)
			p.free(id)
		}},
		"a first answer taken for a repeated one": {"answers are taken in", func(p *planted) {
			id := p.accept()
			p.start(id)
			p.answered(id, 1, succeeds, func() { p.see(core.EventDuplicateResult, id) })
		}},
		"an attempt with another call's input": {"attempts get their call's input", func(p *planted) {
			p.w.Offering(world.Tag(call(-1)), nil, []byte("mine"), core.ID{})
			id := p.accept()
			p.start(id)
			p.w.Dispatching(core.Task{ID: id, Function: p.fn, Spec: p.fn.Spec(), Attempt: 1, Input: []byte("yours"), Timeout: time.Second})
		}},
		"an attempt handed out twice": {"attempts", func(p *planted) {
			id := p.accept()
			p.start(id)
			for range 2 {
				p.w.Dispatching(core.Task{ID: id, Function: p.fn, Spec: p.fn.Spec(), Attempt: 1, Timeout: time.Second})
			}
		}},
		"a caller told of another execution": {"callers are answered", func(p *planted) {
			first, second := p.accept(sync), p.accept(sync)
			p.start(first)
			p.end(first, sync)
			p.w.Woken(&world.Caller{Execution: second}, *p.shown(first))
		}},
		"a caller told another outcome": {"consistent snapshots", func(p *planted) {
			id := p.accept(sync)
			p.start(id)
			p.end(id, sync)
			s := p.shown(id)
			s.Output = []byte("2")
			p.w.Woken(&world.Caller{Execution: id}, *s)
		}},
		"a caller told another start": {"consistent snapshots", func(p *planted) {
			id := p.accept(sync)
			p.start(id)
			p.end(id, sync)
			s := p.shown(id)
			s.StartedAtMillis++
			p.w.Woken(&world.Caller{Execution: id}, *s)
		}},
		"ended twice": {"an execution ends exactly once", func(p *planted) {
			p.see(core.EventEnded, p.run(), took(core.Error, 0, 0))
		}},
		"an unknown execution ends": {"an execution ends exactly once", func(p *planted) { p.end(core.ID{9}) }},
		"a slot freed twice":        {"slots", func(p *planted) { p.free(p.run()) }},
		"a retry too many": {"attempts", func(p *planted) {
			id := p.accept()
			for attempt := int32(1); attempt <= 2; attempt++ {
				p.see(core.EventDispatched, id, func(ev *core.Event) { ev.Attempt = attempt })
				p.retry(id, attempt)
			}
		}},
		"a retry forgone": {"failures are retried", func(p *planted) {
			id := p.accept()
			p.start(id)
			p.see(core.EventEnded, id, took(core.Error, 0, 0), because(world.CodeFailed))
		}},
		"a retry that pauses though it must not": {"pauses grow", func(p *planted) {
			id := p.accept()
			p.start(id)
			p.retry(id, 1, func(ev *core.Event) { ev.Pause = time.Millisecond })
		}},
		"a retry of what is not worth it": {"only what may succeed is retried", func(p *planted) {
			id := p.accept()
			p.start(id)
			p.retry(id, 1, func(ev *core.Event) { ev.Code = world.CodePermanent })
		}},
		"put back without a pause": {"status transitions", func(p *planted) {
			p.see(core.EventRequeued, p.accept(), func(ev *core.Event) { ev.Attempt = 1 })
		}},
		"cancelled by nobody": {"status transitions", func(p *planted) {
			p.see(core.EventEnded, p.accept(), took(core.Error, 0, 0), because(core.CodeCancelled))
		}},
		"cancelled, and goes on": {"cancel", func(p *planted) {
			id := p.accept()
			p.w.Cancelling(id)
			p.w.Cancelled(id, nil, nil)
		}},
		"could not be cancelled, though it runs": {"cancel", func(p *planted) {
			id := p.accept()
			p.w.Cancelling(id)
			p.w.Cancelled(id, nil, core.ErrAlreadyEnded)
		}},
		"no dead letter of a timeout": {"dead letters", func(p *planted) {
			id := p.accept()
			p.start(id)
			p.pass(time.Second)
			p.see(core.EventEnded, id, took(core.Timeout, time.Second, time.Second))
			p.w.check.letters(p.w.functions[0])
		}},
		"a letter redriven that is none": {"dead letters", func(p *planted) {
			p.w.Offering(world.Tag(call(-1)), nil, nil, core.ID{1})
			p.accept()
		}},
		"a timeout before its time": {"timeouts", func(p *planted) {
			id := p.accept()
			p.start(id)
			p.see(core.EventEnded, id, took(core.Timeout, 0, 0))
		}},
		"latency made up": {"latencies add up", func(p *planted) {
			id := p.accept()
			p.start(id)
			p.pass(time.Millisecond)
			p.see(core.EventEnded, id, took(core.Success, time.Millisecond, 2*time.Millisecond))
		}},
		"late before the end": {"answers are taken in", func(p *planted) {
			id := p.accept()
			p.start(id)
			p.see(core.EventLateResult, id)
		}},
		"cleaned up early": {"nothing is cleaned up early", func(p *planted) { p.see(core.EventCleaned, p.run()) }},
		"evicted early":    {"nothing is evicted early", func(p *planted) { p.see(core.EventEvicted, p.run()) }},
		"two executions of one key": {"one execution per live idempotency key", func(p *planted) {
			p.accept(tagged(7))
			p.accept(tagged(7))
		}},
		"a hit without a key": {"one execution per live idempotency key", func(p *planted) {
			p.see(core.EventIdempotentHit, p.accept(), tagged(-1))
		}},
		"a caller woken twice": {"callers are answered", func(p *planted) {
			id := p.accept(sync)
			p.start(id)
			p.end(id, sync)
			caller := &world.Caller{Execution: id}
			for range 2 {
				p.w.Woken(caller, *p.shown(id))
			}
		}},
		"the queue ended for a deletion that does not come": {"status transitions", func(p *planted) {
			p.see(core.EventEnded, p.accept(), took(core.Error, 0, 0), because(core.CodeFunctionDeleted))
		}},
		"a deletion that leaves one in the queue": {"conservation", func(p *planted) {
			p.accept()
			p.see(core.EventFunctionDeleted, core.ID{})
			p.w.Deleted(0, nil)
			p.w.leave(1)
		}},
		"a deleted function's work started": {"status transitions", func(p *planted) {
			id := p.accept()
			p.see(core.EventFunctionDeleted, core.ID{})
			p.w.Deleted(0, nil)
			p.start(id)
		}},
		"deleted by itself": {"delete-function", func(p *planted) {
			p.see(core.EventFunctionDeleted, core.ID{})
			p.w.leave(1)
		}},
		"deleted without an event": {"delete-function", func(p *planted) { p.w.Deleted(0, nil) }},
		"created twice":            {"create-function", func(p *planted) { p.w.Created(0, nil) }},
		"an update not applied": {"updates", func(p *planted) {
			p.w.Updating(0, p.spec(func(s *core.Spec) { s.QueueSize = 9 }), 0)
			p.see(core.EventReconfigured, core.ID{})
		}},
		"an update not observed": {"updates", func(p *planted) {
			next := p.spec(func(s *core.Spec) { s.MaxRetries = 9 })
			p.w.Updating(0, next, 0)
			p.w.Updated(0, next, nil)
		}},
		"an update that nobody asks for": {"updates", func(p *planted) { p.see(core.EventReconfigured, core.ID{}) }},
		"an update of an older generation taken": {"updates", func(p *planted) {
			p.w.Updating(0, p.spec(func(s *core.Spec) { s.MaxRetries = 9 }), 7)
			p.see(core.EventReconfigured, core.ID{})
		}},
		"an update refused": {"updates", func(p *planted) {
			p.w.Updating(0, p.spec(func(s *core.Spec) { s.MaxRetries = 9 }), 1)
			p.w.Updated(0, nil, core.ErrGenerationConflict)
		}},
		"a submission without an outcome": {"conservation", func(p *planted) {
			p.w.Offered(world.Tag(call(-1)), nil, &core.Result{ID: core.ID{1}}, nil)
		}},
		"accepted, and core has nothing": {"conservation", func(p *planted) {
			p.accept()
			p.w.leave(1)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p := plant(t)
			if v := p.w.violation; v != nil {
				t.Fatalf("before anything happened: %v", v)
			}
			c.bad(p)
			switch v := p.w.violation; {
			case v == nil:
				t.Error("not noticed")
			case v.Invariant != c.invariant:
				t.Errorf("broke %q (%s), want %q", v.Invariant, v.Detail, c.invariant)
			}
		})
	}
}
