package core

import (
	"fmt"
	"testing"
	"time"
)

// Each row of the table of effects: what waits for which fact, and what waits for
// nothing.

func TestAnEnqueueRestsOnItsAcceptance(t *testing.T) {
	d := newDurableBed(t)
	d.register("f", slots(1))
	d.sync()
	first := d.submit(Request{Function: "f", IdempotencyKey: "k"})
	joined := d.submit(Request{Function: "f", IdempotencyKey: "k"})
	if first.LSN == 0 || joined.LSN != first.LSN || !joined.Existing || joined.ID != first.ID {
		t.Fatalf("first %+v, joined %+v", first, joined)
	}
	d.journal.sync(1)
	wantEqual(t, "durable after one fact", d.journal.Durable(), first.LSN)
	f := d.journal.facts(t)[1]
	wantEqual(t, "kind", f.Kind, FactAccepted)
	wantEqual(t, "key", f.Key, "k")
}

func TestADispatchWaitsForItsStart(t *testing.T) {
	d := newDurableBed(t)
	d.register("f")
	d.sync()
	d.enqueue("f")
	wantEqual(t, "dispatched before anything is durable", d.work.pending(), 0)
	d.syncSome(1)
	wantEqual(t, "dispatched once the acceptance is durable", d.work.pending(), 0)
	d.syncSome(1)
	wantEqual(t, "dispatched once the start is durable", d.work.pending(), 1)
	d.work.next(t).Complete(failure("BOOM"))
	wantEqual(t, "the next attempt, not durable", d.work.pending(), 0)
	d.sync()
	wantEqual(t, "attempt", d.work.next(t).Attempt, 2)
}

// The time of an attempt counts from its dispatch.
func TestTheTimeOfAnAttemptCountsFromItsDispatch(t *testing.T) {
	d := newDurableBed(t)
	d.register("f", timeout(time.Second))
	id := d.enqueue("f")
	d.clock.advance(time.Minute)
	d.wantStatus(id, Running)
	d.sync()
	d.clock.advance(999 * time.Millisecond)
	d.wantStatus(id, Running)
	d.clock.advance(time.Millisecond)
	d.sync()
	d.wantStatus(id, Timeout)
}

func TestAnEndIsSeenOnceItIsDurable(t *testing.T) {
	for name, end := range map[string]func(d *durableBed, id ID) LSN{
		"answer": func(d *durableBed, id ID) LSN {
			d.work.next(d.t).Complete(Outcome{Status: Error, Code: "BOOM", Permanent: true})
			return 0
		},
		"completion": func(d *durableBed, id ID) LSN {
			at, _ := d.Core.Complete(id, 0, failure("BOOM"))
			return at
		},
		"cancel": func(d *durableBed, id ID) LSN {
			s, _ := d.Cancel(id)
			return s.LSN
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDurableBed(t)
			d.register("f")
			id := d.submit(Request{Function: "f", IdempotencyKey: "k"}).ID
			d.sync()
			w := &wakes{}
			d.submit(Request{Function: "f", IdempotencyKey: "k", Sync: true, Waiter: w})
			rests := end(d, id)
			joined := &wakes{}
			if res := d.submit(Request{Function: "f", IdempotencyKey: "k", Sync: true, Waiter: joined}); !res.Waiting || res.Snapshot.Status != Running {
				t.Fatalf("joined before it is durable: %+v", res)
			}
			s := d.state(id)
			if s.Status != Running || s.Err != nil || s.Output != nil || s.FinishedAtMillis != 0 {
				t.Fatalf("seen before it is durable: %+v", s)
			}
			wantEqual(t, "found as running", len(d.Search(&Search{Statuses: Statuses(0).With(Running), Limit: 9}).Executions), 1)
			wantEqual(t, "found as failed", len(d.Search(&Search{Statuses: Statuses(0).With(Error), Limit: 9}).Executions), 0)
			wantEqual(t, "found by code", len(d.Search(&Search{Code: "BOOM", Limit: 9}).Executions), 0)
			letters, err := d.DeadLetters("f", 0, 9)
			if err != nil || len(letters.Letters) != 0 {
				t.Fatalf("dead letters before it is durable: %v, %v", letters, err)
			}
			if _, err := d.Redrive("f", id, 0); err != ErrNotFound {
				t.Fatalf("redriven before it is durable: %v", err)
			}
			wantEqual(t, "woken", w.count()+joined.count(), 0)
			if again, err := d.Cancel(id); err != ErrAlreadyEnded || again.LSN == 0 {
				t.Fatalf("cancelled again: %+v, %v", again, err)
			}
			d.syncSome(1)
			wantEqual(t, "status", d.state(id).Status, Error)
			wantEqual(t, "told", w.only(t).Status, Error)
			wantEqual(t, "told", joined.only(t).Status, Error)
			wantEqual(t, "found as failed", len(d.Search(&Search{Statuses: Statuses(0).With(Error), Limit: 9}).Executions), 1)
			if name != "answer" && rests != d.journal.Durable() {
				t.Fatalf("the answer rests on %d, durable is %d", rests, d.journal.Durable())
			}
		})
	}
}

func TestSlotsAndRetriesWaitForNothing(t *testing.T) {
	d := newDurableBed(t)
	d.register("f", slots(1))
	first, second := d.enqueue("f"), d.enqueue("f")
	d.sync()
	d.work.next(t).Complete(success(`1`))
	d.wantStatus(first, Running) // its end is not durable
	d.wantStatus(second, Running)
	d.wantLoad("f", 0, 1)
	wantEqual(t, "observed", len(d.seen.of(EventEnded)), 1)
	wantEqual(t, "held", d.Gauges().Held, 2)
	d.sync()
	d.work.next(t).Complete(failure("BOOM"))
	d.wantLoad("f", 0, 1) // its next attempt has the slot
	wantEqual(t, "retried", len(d.seen.of(EventRetried)), 1)
}

func TestFunctionsRestOnTheirFacts(t *testing.T) {
	d := newDurableBed(t)
	fn := d.register("f")
	wantEqual(t, "registration", fn.Spec().LSN, 1)
	changed, err := d.Update(spec(t, "f", slots(9)), 0)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "update", changed.LSN, 2)
	del, err := d.Retire("f")
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "deletion", del.LSN, 3)
	d.sync()
	wantList(t, "left in the journal", d.kinds(), nil)
}

func TestAHeldDispatchOfWhatHasEndedGivesItsSlotBack(t *testing.T) {
	for name, end := range map[string]func(*durableBed, ID){
		"cancelled":             func(d *durableBed, id ID) { _, _ = d.Cancel(id) },
		"completed":             func(d *durableBed, id ID) { _ = d.Complete(id, 0, success(`1`)) },
		"stale":                 func(d *durableBed, id ID) { d.clock.advance(d.Config().StaleTTL + time.Second) },
		"deleted and cancelled": func(d *durableBed, id ID) { _, _ = d.Delete("f"); _, _ = d.Cancel(id) },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDurableBed(t)
			fn := d.register("f", slots(1))
			id := d.enqueue("f")
			end(d, id)
			wantEqual(t, "slots in use", fn.InFlight(), 0)
			d.sync()
			wantEqual(t, "dispatched", len(d.work.dispatched()), 0)
			wantEqual(t, "slots in use", fn.InFlight(), 0)
			if s := d.state(id); !s.Status.Terminal() {
				t.Fatalf("%+v", s)
			}
		})
	}
}

func TestABreakOffWaitsForTheEnd(t *testing.T) {
	d := newDurableBed(t)
	c := &cancels{script: d.work}
	d.dispatcher = c
	d.register("f")
	id := d.enqueue("f")
	d.sync()
	if _, err := d.Cancel(id); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "broken off", len(c.cancelled), 0)
	d.sync()
	wantList(t, "broken off", c.cancelled, []string{fmt.Sprintf("%v#1", id)})
}

// cancels is a script that is a Canceller.
type cancels struct {
	*script
	cancelled []string
}

func (c *cancels) Cancel(id ID, attempt int) {
	c.cancelled = append(c.cancelled, fmt.Sprintf("%v#%d", id, attempt))
}

func TestDrainOnceIsDoneOnceTheEndIsDurable(t *testing.T) {
	d := newDurableBed(t, func(c *Config) { c.SchedulerOff = true })
	d.register("f")
	d.enqueue("f")
	done := 0
	if ok, err := d.DrainOnce("f", func() { done++ }); !ok || err != nil {
		t.Fatal(ok, err)
	}
	d.sync()
	d.work.next(t).Complete(success(`1`))
	wantEqual(t, "done before", done, 0)
	d.sync()
	wantEqual(t, "done after", done, 1)
}

func TestSyncInvocationsAndMemoryWorkNeverTouchTheJournal(t *testing.T) {
	d := newDurableBed(t)
	d.register("f")
	d.register("m", func(in *SpecInput) { in.Durability = ptr("memory") })
	d.sync()
	before := d.journal.last
	_, w := d.invoke("f", func(r *Request) { r.IdempotencyKey, r.Durability = "k", DurabilityDisk })
	d.work.next(t).Complete(failure("BOOM"))
	d.work.next(t).Complete(success(`1`))
	wantEqual(t, "told", w.only(t).Status, Success)
	for _, r := range []Request{{Function: "f", Durability: DurabilityMemory}, {Function: "m"}} {
		if res := d.submit(r); res.LSN != 0 {
			t.Fatalf("%+v rests on %d", r, res.LSN)
		}
		d.work.next(t).Complete(Outcome{Status: Error, Code: "BOOM", Permanent: true})
	}
	wantEqual(t, "facts", d.journal.last, before)
	if res := d.submit(Request{Function: "m", Durability: DurabilityDisk}); res.LSN == 0 {
		t.Fatal("asked for disk, and it is not durable")
	}
}

func TestWithoutAJournalDiskIsRefused(t *testing.T) {
	b := newBed(t)
	onDisk := func(in *SpecInput) { in.Durability = ptr("disk") }
	if _, err := b.Register(spec(t, "d", onDisk)); err != ErrNoJournal {
		t.Errorf("registered: %v", err)
	}
	b.register("f")
	if _, err := b.Update(spec(t, "f", onDisk), 0); err != ErrNoJournal {
		t.Errorf("updated: %v", err)
	}
	wantEqual(t, "generation", b.Function("f").Spec().Generation, 1)
	if _, err := b.Submit(&Request{Function: "f", Input: []byte("1"), Durability: DurabilityDisk}); err != ErrNoJournal {
		t.Errorf("submitted: %v", err)
	}
	if _, err := ResolveSpec(SpecInput{Name: ptr("f"), Durability: ptr("tape")}); err == nil {
		t.Error("durability tape is resolved")
	}
}

func TestAFullJournalTakesNoNewWork(t *testing.T) {
	d := newDurableBed(t)
	d.register("f", slots(1))
	running := d.enqueue("f")
	d.sync()
	d.journal.full = true
	if _, err := d.Submit(&Request{Function: "f", Input: []byte("1")}); err != ErrJournalFull {
		t.Errorf("submitted: %v", err)
	}
	if _, err := d.Register(spec(t, "g")); err != ErrJournalFull || d.Function("g") != nil {
		t.Errorf("registered: %v", err)
	}
	if _, err := d.Update(spec(t, "f", slots(2)), 0); err != nil {
		t.Errorf("updated: %v", err)
	}
	if res := d.submit(Request{Function: "f", Durability: DurabilityMemory}); res.LSN != 0 {
		t.Errorf("memory work rests on %d", res.LSN)
	}
	d.work.next(t).Complete(failure("BOOM")) // what was accepted goes on
	d.sync()
	d.work.next(t).Complete(success("1"))
	d.sync()
	if _, ok := d.Execution(running); !ok {
		t.Error("gone")
	}
}

func TestFactsAreReleasedAtEviction(t *testing.T) {
	d := newDurableBed(t)
	d.register("f", retries(1))
	d.enqueue("f")
	d.sync()
	d.work.next(t).Complete(failure("BOOM"))
	d.sync()
	d.work.next(t).Complete(success(`1`))
	d.sync()
	wantList(t, "while it is kept", d.kinds(), []string{"function_set", "accepted", "started", "retried", "started", "ended"})
	d.clock.advance(d.Config().TTL + 10*time.Second)
	d.sync()
	wantList(t, "after eviction", d.kinds(), []string{"function_set"})
}

func TestADeadLettersFactsStayWithIt(t *testing.T) {
	for name, goes := range map[string]func(*durableBed, ID){
		"expired": func(d *durableBed, _ ID) { d.clock.advance(d.Config().DeadLetterTTL + time.Minute); d.Sweep() },
		"purged":  func(d *durableBed, _ ID) { _, _ = d.PurgeDeadLetters("f") },
		"pushed out": func(d *durableBed, _ ID) {
			d.submit(Request{Function: "f", Durability: DurabilityMemory})
			d.work.next(d.t).Complete(failure("BOOM"))
		},
		"redriven": func(d *durableBed, id ID) {
			if _, err := d.Redrive("f", id, 0); err != nil {
				d.t.Fatal(err)
			}
			d.sync()
			d.work.next(d.t).Complete(success("1"))
			d.sync()
			d.clock.advance(d.Config().TTL + 10*time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDurableBed(t, func(c *Config) { c.MaxDeadLetters = 1 })
			d.register("f", retries(0))
			id := d.enqueue("f")
			d.sync()
			d.work.next(t).Complete(failure("BOOM"))
			d.sync()
			d.clock.advance(d.Config().TTL + 10*time.Second)
			d.sync()
			d.wantGone(id)
			wantList(t, "with the letter", d.kinds(), []string{"function_set", "accepted", "started", "ended"})
			goes(d, id)
			d.sync()
			wantList(t, "without it", d.kinds(), []string{"function_set"})
		})
	}
}

func TestConfigurationIsKept(t *testing.T) {
	d := newDurableBed(t)
	d.SaveConfig([]byte("one"))
	wantEqual(t, "place", d.SaveConfig([]byte("two")), 2)
	d.sync()
	wantList(t, "kept", d.kinds(), []string{"config"})
	r := newBed(t, d.withJournal).Core.Restore()
	for _, f := range d.journal.facts(t) {
		if err := r.Apply(f.at, &f.Fact); err != nil {
			t.Fatal(err)
		}
	}
	wantEqual(t, "restored", string(r.Config()), "two")
	wantEqual(t, "without a journal", newBed(t).SaveConfig(nil), 0)
}

// What is held as the journal comes as far is let go, by the one or the other: nobody asks
// again.
func TestHeldQueueIsLinearizable(t *testing.T) {
	for seed := range uint64(20_000) {
		q, pushed, popped := &heldQueue{}, false, false
		together(t, seed, 2, func(caller int) {
			if caller == 0 {
				pushed = q.push(&heldEffects{lsn: 1})
			} else {
				q.advance(1)
				_, popped = q.pop()
			}
		})
		if pushed != popped || q.count.Load() != 0 {
			t.Fatalf("seed %d: held %v, let go %v, %d left", seed, pushed, popped, q.count.Load())
		}
	}
}

// A caller that has joined is told the output, however late the end is durable: cleanupTtl
// does not take it before.
func TestWhoJoinedGetsTheOutputOfALateCommit(t *testing.T) {
	d := newDurableBed(t)
	d.register("f")
	d.sync()
	id := d.submit(Request{Function: "f", IdempotencyKey: "k"}).ID
	w := &wakes{}
	d.submit(Request{Function: "f", IdempotencyKey: "k", Sync: true, Waiter: w})
	d.sync()
	d.work.next(t).Complete(Outcome{Status: Success, Output: []byte(`"out"`)})
	for _, past := range []time.Duration{d.Config().CleanupTTL, d.Config().TTL} {
		d.clock.jump(past + time.Second)
		d.Sweep()
	}
	wantEqual(t, "woken before it is durable", w.count(), 0)
	d.sync()
	told := w.only(t)
	wantEqual(t, "told", told.Status, Success)
	wantEqual(t, "output", string(told.Output), `"out"`)
	d.clock.jump(time.Second)
	d.Sweep()
	if _, found := d.Details(id); found {
		t.Error("kept past its TTL once its end is durable")
	}
}
