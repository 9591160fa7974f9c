package core

import (
	"testing"
	"time"
)

// shortLives sets TTLs that tests can step over: cleanup 10 s, eviction 30 s,
// stale 60 s, a sweep each second.
func shortLives(cfg *Config) {
	cfg.CleanupTTL, cfg.TTL, cfg.StaleTTL = 10*time.Second, 30*time.Second, 60*time.Second
	cfg.IdempotencyTTL = 30 * time.Second
	cfg.SweepInterval = time.Second
}

func TestExecutionStoreEvictionBoundariesAreStrict(t *testing.T) {
	b := newBed(t, shortLives)
	b.register("f")
	id := b.enqueue("f")
	b.clock.advance(5 * time.Second) // age counts from the finish, not from creation
	b.work.next(t).Complete(success(`"out"`))

	b.clock.advance(10 * time.Second)
	b.Sweep()
	s := b.state(id)
	wantEqual(t, "output at age = cleanupTtl", string(s.Output), `"out"`)
	wantEqual(t, "cleaned at age = cleanupTtl", s.CleanedUp, false)

	b.clock.advance(1)
	s = b.state(id)
	wantEqual(t, "output just past cleanupTtl, no sweep yet", len(s.Output), 0)
	wantEqual(t, "cleaned just past cleanupTtl, no sweep yet", s.CleanedUp, true)
	b.Sweep()
	s = b.state(id)
	wantEqual(t, "status stays readable", s.Status, Success)
	wantEqual(t, "cleaned", s.CleanedUp, true)
	wantEqual(t, "payload bytes held", b.Gauges().PayloadBytes, 0)
	wantEqual(t, "cleaned events", len(b.seen.of(EventCleaned)), 1)

	b.clock.advance(20*time.Second - 1)
	b.Sweep()
	b.wantStatus(id, Success) // age = ttl
	wantEqual(t, "stored at age = ttl", b.Gauges().StoredExecutions, 1)

	b.clock.advance(1)
	b.wantGone(id) // though no sweep has met it
	wantEqual(t, "complete of an evicted execution", b.Complete(id, 0, success(`1`)), error(ErrExecutionGone))
	b.Sweep()
	wantEqual(t, "stored past ttl", b.Gauges(), Gauges{})
	wantEqual(t, "evicted events", len(b.seen.of(EventEvicted)), 1)
}

func TestExecutionStoreSweepsByItselfAndStopsWhenEmpty(t *testing.T) {
	b := newBed(t, shortLives)
	b.register("f")
	b.work.run = echoTask
	wantEqual(t, "timers of an idle core", b.clock.armedTimers(), 0)
	for range 300 { // more than a batch
		b.enqueue("f")
		b.clock.advance(time.Millisecond)
	}
	// Each must be gone within one sweep interval of its TTL.
	b.clock.advance(30*time.Second + b.Config().SweepInterval)
	wantEqual(t, "held", b.Gauges(), Gauges{})
	wantEqual(t, "evicted", len(b.seen.of(EventEvicted)), 300)
	b.clock.advance(time.Minute) // the functions' own timers run out
	wantEqual(t, "timers once empty", b.clock.armedTimers(), 0)

	b.enqueue("f")
	wantEqual(t, "timers with work stored again", b.clock.armedTimers() > 0, true)
}

func TestExecutionStoreCleanupNotBeforeTTL(t *testing.T) {
	b := newBed(t, shortLives, func(cfg *Config) { cfg.CleanupTTL = 50 * time.Second })
	b.register("f")
	b.work.run = echoTask
	id := b.enqueue("f")
	b.clock.advance(30 * time.Second)
	b.Sweep()
	wantEqual(t, "output", string(b.state(id).Output), `{"n":1}`)
	b.clock.advance(2 * time.Second)
	b.wantGone(id)
	wantEqual(t, "held", b.Gauges(), Gauges{})
}

func TestStaleRunningExecutionEndsAndFreesItsSlot(t *testing.T) {
	b := newBed(t, shortLives)
	b.register("f", slots(1), timeout(time.Hour))
	id, w := b.invoke("f")
	next := b.enqueue("f")
	b.wantLoad("f", 1, 1)

	b.clock.advance(59 * time.Second)
	b.work.held = nil // the dispatch never answers
	b.wantStatus(id, Running)
	b.clock.advance(time.Second)
	b.Sweep()
	b.wantStatus(id, Running) // age = staleTtl
	b.clock.advance(1)
	b.Sweep()
	s := w.only(t)
	wantEqual(t, "status", s.Status, Timeout)
	wantEqual(t, "code", s.Err.Code, CodeStale)
	b.wantStale(id)
	// next was created at the same moment and is stale as well; it must have
	// been ended too, queued or not.
	b.wantStale(next)
	b.wantLoad("f", 0, 0)
	wantEqual(t, "evicted", len(b.seen.of(EventEvicted)), 0)
	wantEqual(t, "ended events", len(b.seen.of(EventEnded)), 2)
	wantEqual(t, "dispatches", len(b.work.dispatched()), 1) // none of what is stale itself
}

func TestStaleSlotGoesToYoungerWork(t *testing.T) {
	b := newBed(t, shortLives)
	b.register("f", slots(1), timeout(time.Hour))
	old := b.enqueue("f")
	b.clock.advance(30 * time.Second)
	young := b.enqueue("f")
	late := b.work.next(t)
	b.clock.advance(31*time.Second + 1)
	b.wantStale(old)
	b.wantStatus(young, Running)
	b.wantLoad("f", 0, 1)

	late.Complete(success(`1`)) // for an execution that has ended: counted, dropped
	wantEqual(t, "late results", len(b.seen.of(EventLateResult)), 1)
	b.wantLoad("f", 0, 1)
	b.work.next(t).Complete(success(`1`))
	b.wantStatus(young, Success)
	b.wantLoad("f", 0, 0)
}

func TestStaleQueuedExecutionLeavesTheQueue(t *testing.T) {
	b := newBed(t, shortLives, func(cfg *Config) { cfg.SchedulerOff = true })
	b.register("f")
	first := b.enqueue("f")
	b.clock.advance(30 * time.Second)
	second := b.enqueue("f")
	b.clock.advance(31 * time.Second)
	b.wantStale(first)
	b.wantLoad("f", 1, 0)
	ok, err := b.DrainOnce("f", nil)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	wantEqual(t, "drained", b.work.next(t).ID, second)
}

// A run that ends in time is not stale however long after it is looked at,
// and one that outlives the first expiry steps of its neighbours is kept.
func TestLongRunningExecutionOutlivesTTLOfOthers(t *testing.T) {
	b := newBed(t, shortLives)
	b.register("f", timeout(time.Hour))
	long := b.enqueue("f")
	task := b.work.next(t)
	b.work.run = echoTask
	b.enqueue("f")
	b.clock.advance(55 * time.Second)
	wantEqual(t, "stored", b.Gauges().StoredExecutions, 1)
	b.wantStatus(long, Running)
	task.Complete(success(`"late but fine"`))
	b.clock.advance(10 * time.Second)
	wantEqual(t, "output", string(b.state(long).Output), `"late but fine"`)
	b.clock.advance(2 * time.Second)
	wantEqual(t, "cleaned", b.state(long).CleanedUp, true)
	wantEqual(t, "bytes", b.Gauges().PayloadBytes, 0)
	b.clock.advance(20 * time.Second)
	wantEqual(t, "held", b.Gauges(), Gauges{})
}

func TestClockJumpForwardExpiresAtOnce(t *testing.T) {
	b := newBed(t, shortLives)
	b.register("f", slots(1), timeout(time.Hour))
	b.enqueue("f")
	b.work.next(t).Complete(success(`1`))
	running, w := b.invoke("f")
	b.enqueue("f")
	b.clock.jump(24 * time.Hour)
	b.clock.advance(time.Second)
	wantEqual(t, "stored", b.Gauges().StoredExecutions, 2) // those that had not ended
	b.wantStale(running)
	wantEqual(t, "code", w.only(t).Err.Code, CodeStale)
	b.wantLoad("f", 0, 0)

	id := b.enqueue("f")
	b.clock.advance(20 * time.Second)
	b.wantStatus(id, Running)
}

func TestClockJumpBackKeepsThenExpires(t *testing.T) {
	b := newBed(t, shortLives)
	b.register("f")
	b.work.run = echoTask
	id := b.enqueue("f")
	b.clock.jump(-time.Hour)
	after := b.enqueue("f")
	b.clock.advance(31 * time.Second)
	b.wantStatus(id, Success) // younger than it seems
	b.wantGone(after)
	b.clock.advance(time.Hour + time.Second)
	b.wantGone(id)
	wantEqual(t, "held", b.Gauges(), Gauges{})
}

// Deadlines follow elapsed time: setting the clock neither hastens nor delays
// them.
func TestClockJumpLeavesDeadlinesAlone(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		b := newBed(t) // default TTLs; stale is 600 s, so a sweep would end it
		b.register("f", timeout(500*time.Millisecond))
		id, w := b.invoke("f")
		b.clock.jump(jump)
		b.clock.advance(500*time.Millisecond - 1)
		b.wantStatus(id, Running)
		b.clock.advance(1)
		b.wantStatus(id, Timeout)
		wantEqual(t, "woken with", w.only(t).Status, Timeout)
	}
}

// A sweep that gets no time leaves the work to those who submit: the store must
// not fill up behind it. Here time passes and no timer fires.
func TestSubmittersHelpALateSweep(t *testing.T) {
	b := newBed(t, func(cfg *Config) {
		cfg.TTL, cfg.CleanupTTL, cfg.SweepInterval, cfg.Shards = time.Second, time.Second, 10*time.Millisecond, 1
	})
	b.register("f")
	run := func(n int) {
		for range n {
			if err := b.Complete(b.enqueue("f"), 0, Outcome{Status: Success}); err != nil {
				t.Fatal(err)
			}
		}
	}
	pass := func(d time.Duration) {
		b.clock.mu.Lock()
		b.clock.moveTo(b.clock.mono + int64(d))
		b.clock.mu.Unlock()
	}
	run(500)
	pass(70 * time.Millisecond) // late, but nothing is due
	run(1)
	wantEqual(t, "stored", b.Gauges().StoredExecutions, 501)
	pass(2 * time.Second)
	run(5)
	wantEqual(t, "stored once submitters have helped", b.Gauges().StoredExecutions, 5)
	b.clock.advance(3 * time.Second)
	wantEqual(t, "stored in the end", b.Gauges().StoredExecutions, 0)
}

// The age of what starts after the clock was set back counts from its start: a
// sweep must not wait for the time at which it would have looked before.
func TestClockSetBackBeforeAStart(t *testing.T) {
	b := newBed(t, shortLives)
	b.register("f", slots(1), timeout(50*time.Second))
	b.enqueue("f")
	id := b.enqueue("f")
	b.clock.jump(-time.Hour)
	b.work.next(t).Complete(success(`1`))
	b.wantStatus(id, Running)
	b.clock.jump(time.Minute)
	b.clock.advance(2 * time.Second)
	b.wantStatus(id, Timeout)
	wantEqual(t, "code", b.state(id).Err.Code, CodeStale)
}
