//go:build interleave

package interleave

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"simplane/core"
	"simplane/core/concurrent"
	"simplane/core/recording"
)

// world surrounds core in a run: its clock, ids, callers and answers. It is told by core
// as the simulator's is, but from several tasks.
type world struct {
	plan *Plan
	s    *concurrent.Scheduler
	core *core.Core
	j    *judge
	rec  recording.Recording

	mono    int64
	timers  []*timer
	ids     uint64
	calls   map[string]*call // by input
	started []core.ID        // accepted, in order
	every   []*core.Function
	journal *journal
	drained bool             // core has been told to drain
	letters map[core.ID]bool // that were redriven
	fleets  map[*core.Function]*fleet
	later   []func() // answers that come when the tasks are over
	over    bool     // they are
	pumping bool
}

// call is one submission.
type call struct {
	w         *world
	op        Op
	name      string
	attempts  int
	id        core.ID
	woken     int
	told      core.Snapshot
	waits     bool
	forgotten bool
	left      bool
}

// Gone implements core.Leaver.
func (c *call) Gone() bool { return c.left }

// Wake implements core.Waiter.
func (c *call) Wake(s core.Snapshot) {
	c.woken++
	c.told = s
	if j := c.w.journal; j.last(core.FactAccepted, s.ID) > 0 && !j.has(core.FactEnded, s.ID, 0) {
		c.w.j.fail("an end is told once it is durable", "a caller of %v is told %v, and no fact of that is durable", s.ID, s.Status)
	}
}

const epoch = int64(1_700_000_000_000_000_000)

// Now implements core.Clock. Whoever has read it may go on much later.
func (w *world) Now() core.Instant {
	now := core.Instant{Wall: epoch + w.mono, Mono: w.mono}
	w.point()
	return now
}

// point is one of a callback; when the tasks are over there is none.
func (w *world) point() {
	if !w.over {
		w.s.Point()
	}
}

type timer struct {
	w  *world
	at int64 // 0 = not set
	f  func()
}

// AfterFunc implements core.Clock.
func (w *world) AfterFunc(d time.Duration, f func()) core.Timer {
	t := &timer{w: w, f: f}
	w.timers = append(w.timers, t)
	t.Reset(d)
	return t
}

func (t *timer) Stop() bool { was := t.at; t.at = 0; return was != 0 }

func (t *timer) Reset(d time.Duration) bool {
	was := t.at
	t.at = t.w.mono + max(int64(d), 1)
	return was != 0
}

// pass moves time; each timer that is due calls from a task of its own.
func (w *world) pass(d int64) {
	w.mono += d
	for _, t := range slices.Clone(w.timers) {
		if t.at != 0 && t.at <= w.mono {
			t.at = 0
			w.begin("timer", t.f)
		}
	}
}

// begin is a new task, or when the tasks are over one thing more to do.
func (w *world) begin(name string, f func()) {
	if w.over {
		w.later = append(w.later, f)
		return
	}
	w.s.Go(name, f)
}

// NewID implements core.IDSource. The first eight bytes tell executions apart. Four in a
// row are of one shard and of one place that records come from.
func (w *world) NewID() (id core.ID) {
	w.ids++
	binary.BigEndian.PutUint64(id[:], w.ids)
	binary.BigEndian.PutUint16(id[14:], uint16(w.ids/4*40503))
	return id
}

// Dispatch implements core.Dispatcher.
func (w *world) Dispatch(t core.Task) {
	w.point()
	c := w.calls[string(t.Input)]
	if c == nil {
		w.j.fail("attempts get their call's input", "attempt %d of %v gets %q", t.Attempt, t.ID, t.Input)
		return
	}
	w.j.handed(t)
	if t.Durable && !w.journal.has(core.FactStarted, t.ID, int32(t.Attempt)) {
		w.j.fail("a dispatch follows its start", "attempt %d of %v is dispatched, and no fact of its start is durable", t.Attempt, t.ID)
	}
	answer := func() {
		w.point()
		c.attempts++
		o := core.Outcome{Status: core.Success, Output: fmt.Appendf(nil, `"%s/%d"`, c.name, c.attempts)}
		if c.op.Answer == "failing" && t.Attempt < 3 {
			o = core.Outcome{Status: core.Error, Code: "BOOM", Message: "it broke"}
		}
		t.Complete(o)
	}
	switch c.op.Answer {
	case "inside":
		answer()
	case "twice":
		w.begin("answer", answer)
		w.begin("answer", answer)
	case "never":
	default:
		w.begin("answer", answer)
	}
}

// backlog is core's Config.OnBacklog.
func (w *world) backlog() {
	if w.pumping {
		return
	}
	w.pumping = true
	w.begin("pump", func() {
		w.pumping = false
		for w.core.Pump(3) {
		}
	})
}

func (w *world) spec(fn, slots, size int) *core.Spec {
	name, timeout, one, none := fmt.Sprint("f", fn), 20, 1.0, 0.0
	in := core.SpecInput{
		Name: &name, Concurrency: &slots, QueueSize: &size, MaxRetries: &w.plan.Retries, TimeoutMillis: &timeout,
		RetryBackoff: &core.RetryBackoffInput{InitialMillis: &w.plan.Pause, MaxMillis: &w.plan.Pause, Multiplier: &one, Jitter: &none},
	}
	if w.plan.Scaled {
		in.ScalingConfig = w.scaling(slots)
	}
	spec, err := core.ResolveSpec(in)
	if err != nil {
		panic(err)
	}
	return spec
}

func (w *world) register(fn int) {
	f, err := w.core.Register(w.spec(fn, w.plan.Slots, w.plan.QueueSize))
	if err == nil {
		w.every = append(w.every, f)
	} else if !errors.Is(err, core.ErrExists) {
		w.j.fail("create-function", "%v", err)
	}
}

// target is an execution that was accepted not long ago.
func (w *world) target(o Op) (id core.ID) {
	if n := len(w.started); n > 0 {
		id = w.started[max(n-1-o.Target, 0)]
	}
	return id
}

// do makes one call of a plan.
func (w *world) do(task, place int, o Op) {
	name := fmt.Sprint("f", o.Function)
	switch o.Kind {
	case "invoke", "enqueue", "run":
		w.submit(fmt.Sprintf(`"%d.%d"`, task, place), name, o)
	case "complete":
		_, _ = w.core.Complete(w.target(o), 0, core.Outcome{Status: core.Success, Output: []byte(`"outside"`)})
	case "cancel":
		_, _ = w.core.Cancel(w.target(o))
	case "forget":
		for _, c := range w.calls {
			if c.waits && c.id == w.target(o) && !c.forgotten && c.op.Key == 0 {
				c.forgotten = true
				w.core.Forget(c.id, c)
				break
			}
		}
	case "leave":
		for _, c := range w.calls {
			if c.waits && c.id == w.target(o) && c.op.Kind == "invoke" {
				c.left = true
			}
		}
	case "commit":
		w.journal.commit()
	case "redrive":
		w.redrive(name)
	case "purge":
		_, _, _ = w.core.PurgeDeadLetters(name)
	case "drain":
		w.core.Drain()
		w.drained = true
	case "sweep":
		w.core.Sweep()
	case "pass":
		w.pass(int64(o.N) * 1e6)
	case "update":
		_, _ = w.core.Update(w.spec(o.Function, o.N, 4-o.N), 0)
	case "drain-once":
		_, _ = w.core.DrainOnce(name, nil)
	case "replicas":
		_ = w.core.SetReplicas(name, o.N)
	case "ready":
		w.core.ReplicasReady(name, o.N)
	case "recreate":
		_, _ = w.core.Delete(name)
		w.register(o.Function)
	case "search":
		w.core.Search(&core.Search{Limit: 10})
	}
}

// submit makes a call until it is accepted or refused. Whoever finds a claim on its
// key waits to be called back: one that is not is stuck.
func (w *world) submit(input, name string, o Op) {
	c := &call{w: w, op: o, name: input[1 : len(input)-1]}
	if o.Key > 0 { // those with one key bring one input
		input = fmt.Sprintf(`"key %d"`, o.Key)
	}
	if w.calls[input] == nil {
		w.calls[input] = c
	}
	w.calls[input+c.name] = c
	r := &core.Request{Function: name, Input: []byte(input), Sync: o.Kind != "enqueue", CallerRuns: o.Kind == "run"}
	if r.Sync {
		r.Waiter = c
	}
	if o.Key > 0 {
		r.IdempotencyKey = fmt.Sprint("key", o.Key)
	}
	for {
		settled, drained := 0, w.drained
		r.OnSettled = func() { settled++ }
		res, err := w.core.Submit(r)
		if errors.Is(err, core.ErrPending) {
			w.s.Until("the end of a claim on its key", func() bool { return settled > 0 })
			continue
		}
		if err != nil {
			if c.woken > 0 {
				w.j.fail("callers are answered", "call %s was refused (%v) and woken", c.name, err)
			}
			return
		}
		if drained {
			w.j.fail("nothing is accepted while core drains", "call %s was", c.name)
		}
		if need := w.journal.last(core.FactAccepted, res.ID); res.LSN < need {
			w.j.fail("answers say what they rest on", "that %v is there rests on fact %d, and not on fact %d", res.ID, res.LSN, need)
		}
		c.id, c.waits = res.ID, res.Waiting
		if !res.Existing {
			w.started = append(w.started, res.ID)
			w.j.fresh(name, o.Key, res.ID)
		}
		if res.Run.Attempt > 0 {
			w.Dispatch(res.Run)
		}
		return
	}
}

// redrive submits the oldest dead letter of a function again.
func (w *world) redrive(name string) {
	ids, err := w.core.DeadLetterIDs(name)
	if err != nil || len(ids) == 0 {
		return
	}
	drained := w.drained
	res, err := w.core.Redrive(name, ids[0], 0)
	switch {
	case err != nil:
		return
	case drained:
		w.j.fail("nothing is accepted while core drains", "a redrive was")
	case w.letters[ids[0]]:
		w.j.fail("dead letters", "the letter of %v is redriven twice", ids[0])
	}
	w.letters[ids[0]] = true
	w.started = append(w.started, res.ID)
}

// wasLeft says that a caller of an execution has left.
func (w *world) wasLeft(id core.ID) bool {
	for _, c := range w.calls {
		if c.id == id && c.left {
			return true
		}
	}
	return false
}
