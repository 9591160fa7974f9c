package core

import (
	"testing"
	"time"
)

func TestBackoffGrowsUpToItsMaximum(t *testing.T) {
	b := RetryBackoff{InitialMillis: 100, MaxMillis: 1000, Multiplier: 2}
	for attempt, want := range []int{100, 200, 400, 800, 1000, 1000} {
		wantEqual(t, "pause", b.Pause(idOf(1), int32(attempt+1), 0), time.Duration(want)*time.Millisecond)
	}
	wantEqual(t, "pause at the last attempt there can be", b.Pause(idOf(1), MaxRetriesBound, 0), time.Second)
	wantEqual(t, "no pause", RetryBackoff{0, 0, 2, 1}.Pause(idOf(1), 3, 0), 0)
	wantEqual(t, "asked for, longer", b.Pause(idOf(1), 1, 3*time.Second), 3*time.Second)
	wantEqual(t, "asked for, shorter", b.Pause(idOf(1), 1, time.Millisecond), 100*time.Millisecond)
	wantEqual(t, "asked for, absurd", b.Pause(idOf(1), 1, 9000*time.Hour), 5*time.Minute)
	steady := RetryBackoff{InitialMillis: 100, MaxMillis: 10_000, Multiplier: 1}
	wantEqual(t, "steady", steady.Pause(idOf(1), 10_000, 0), 100*time.Millisecond)
}

// The jitter is the same in each replay, within its share, and spread over it.
func TestBackoffJitter(t *testing.T) {
	b := RetryBackoff{InitialMillis: 1000, MaxMillis: 1000, Multiplier: 1, Jitter: 0.2}
	wantEqual(t, "a known value", b.Pause(idOf(1), 1, 0), b.Pause(idOf(1), 1, 0))
	var parts [4]int
	for n := range 4000 {
		p := b.Pause(idOf(uint64(n)), 1+int32(n%3), 0)
		if p < 800*time.Millisecond || p > 1200*time.Millisecond {
			t.Fatalf("a pause of %v", p)
		}
		parts[min(int((p-800*time.Millisecond)/(100*time.Millisecond)), 3)]++
	}
	for i, n := range parts {
		if n < 800 || n > 1200 {
			t.Errorf("%d of 4000 pauses are in quarter %d", n, i)
		}
	}
}

func TestRetryPausesWithoutSlotOrPlace(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1), queueSize(1), pausing(RetryBackoff{100, 1000, 2, 0}))
	id := b.enqueue("f")
	b.work.next(t).Complete(failure("BOOM"))
	s := b.state(id)
	wantEqual(t, "status", s.Status, Queued)
	wantEqual(t, "attempt", s.Attempt, 2)
	wantEqual(t, "retry at", s.RetryAtMillis, epoch/1e6+100)
	wantEqual(t, "failed attempts", len(s.Attempts), 1)
	wantEqual(t, "code of the first", s.Attempts[0].Err.Code, "BOOM")
	b.wantLoad("f", 0, 0)
	wantEqual(t, "pausing", b.Function("f").Pausing(), 1)
	queued, _ := b.Unfinished()
	wantEqual(t, "unfinished", queued, 1)

	b.clock.advance(99 * time.Millisecond)
	wantEqual(t, "dispatched early", b.work.pending(), 0)
	b.clock.advance(time.Millisecond)
	second := b.work.next(t)
	wantEqual(t, "attempt", second.Attempt, 2)
	wantEqual(t, "retry at", b.state(id).RetryAtMillis, 0)
	second.Complete(failure("BOOM"))
	b.clock.advance(199 * time.Millisecond)
	wantEqual(t, "dispatched early", b.work.pending(), 0)
	b.clock.advance(time.Millisecond)
	b.work.next(t).Complete(success(`1`))
	s = b.state(id)
	wantEqual(t, "status", s.Status, Success)
	wantEqual(t, "queue wait, without the pause", s.QueueWait, 0)
	wantEqual(t, "requeued events", len(b.seen.of(EventRequeued)), 2)
	wantEqual(t, "dead letters", b.DeadLetterCount("f"), 0)
}

func TestRetryThatFindsTheQueueFullAfterItsPauseSaysSo(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1), queueSize(1), pausing(RetryBackoff{100, 1000, 2, 0}))
	id := b.enqueue("f")
	b.work.next(t).Complete(failure("BOOM"))
	b.enqueue("f")
	b.enqueue("f")
	b.clock.advance(100 * time.Millisecond)
	s := b.state(id)
	wantEqual(t, "status", s.Status, Error)
	wantEqual(t, "message", s.Err.Message, "retry 1 of 3 refused: the function's queue is full; the attempt failed with BOOM: it broke")
	wantEqual(t, "dead letters", b.DeadLetterCount("f"), 1)
	wantEqual(t, "pausing", b.Function("f").Pausing(), 0)
	b.wantLoad("f", 1, 1)
}

func TestRetryOfWhatIsNotWorthIt(t *testing.T) {
	b := newBed(t)
	b.register("f", pausing(RetryBackoff{100, 1000, 2, 0}), timeout(time.Second))
	o := failure("BAD_INPUT")
	o.Permanent = true
	id := b.enqueue("f")
	b.work.next(t).Complete(o)
	b.wantStatus(id, Error)

	// A sync caller that would be gone before the next attempt is told at once.
	id, w := b.invoke("f")
	o = failure("BUSY")
	o.RetryAfter = time.Second
	b.work.next(t).Complete(o)
	b.wantStatus(id, Error)
	wantEqual(t, "its error", w.only(t).Err.Code, "BUSY")

	id, w = b.invoke("f")
	o.RetryAfter = time.Second - 1
	b.work.next(t).Complete(o)
	b.wantStatus(id, Queued)
	b.clock.advance(time.Second - 1)
	b.work.next(t)
	b.clock.advance(1)
	wantEqual(t, "its end", w.only(t).Status, Timeout)
}

func TestRetryPauseEndsWithWhatEndsTheExecution(t *testing.T) {
	ends := map[string]struct {
		do     func(*bed, ID)
		status Status
		code   string
	}{
		"deletion":   {func(b *bed, _ ID) { _, _ = b.Delete("f") }, Error, CodeFunctionDeleted},
		"cancel":     {func(b *bed, id ID) { _, _ = b.Cancel(id) }, Error, CodeCancelled},
		"completion": {func(b *bed, id ID) { _ = b.Complete(id, 0, success("1")) }, Success, ""},
		"staleTtl":   {func(b *bed, _ ID) { b.clock.jump(601 * time.Second); b.Sweep() }, Timeout, CodeStale},
	}
	for name, c := range ends {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.register("f", pausing(RetryBackoff{100, 1000, 2, 0}))
			id := b.enqueue("f")
			b.work.next(t).Complete(failure("BOOM"))
			fn := b.Function("f")
			c.do(b, id)
			s := b.state(id)
			wantEqual(t, "status", s.Status, c.status)
			if s.Err != nil {
				wantEqual(t, "code", s.Err.Code, c.code)
			}
			wantEqual(t, "pausing", fn.Pausing(), 0)
			wantEqual(t, "deadlines", len(fn.deadlines.items), 0)
			b.clock.advance(time.Second)
			wantEqual(t, "dispatched", b.work.pending(), 0)
			wantEqual(t, "ends", len(b.seen.of(EventEnded)), 1)
		})
	}
}

// What is stale is known by its last transition, and is not gone.
func TestStaleCountsFromTheLastTransitionAndIsKept(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1), timeout(500*time.Second), retries(3))
	id := b.enqueue("f")
	for range 3 {
		b.clock.advance(400 * time.Second)
		b.work.next(t).Complete(failure("BOOM"))
	}
	b.wantStatus(id, Running) // 1,200 s old
	waiting := b.enqueue("f")
	b.clock.jump(601 * time.Second)
	b.Sweep()
	for _, id := range []ID{id, waiting} {
		s := b.state(id)
		wantEqual(t, "status", s.Status, Timeout)
		wantEqual(t, "code", s.Err.Code, CodeStale)
	}
	wantEqual(t, "dead letters", b.DeadLetterCount("f"), 2)
	wantEqual(t, "evicted", len(b.seen.of(EventEvicted)), 0)
	b.clock.jump(301 * time.Second)
	b.Sweep()
	if _, ok := b.Execution(id); ok {
		t.Error("it is past its TTL")
	}
	b.wantLoad("f", 0, 0)
}

func TestCompletionOfAnEarlierAttemptIsDropped(t *testing.T) {
	b := newBed(t)
	b.register("f")
	id := b.enqueue("f")
	b.work.next(t).Complete(failure("BOOM"))
	wantEqual(t, "of the first", b.Complete(id, 1, success(`"old"`)), nil)
	b.wantStatus(id, Running)
	wantEqual(t, "duplicates", len(b.seen.of(EventDuplicateResult)), 1)
	wantEqual(t, "of the second", b.Complete(id, 2, success(`"new"`)), nil)
	wantEqual(t, "output", string(b.state(id).Output), `"new"`)
}

// breaker is a Dispatcher that is told what to break off.
type breaker struct {
	*script
	broken []int
}

func (b *breaker) Cancel(_ ID, attempt int) { b.broken = append(b.broken, attempt) }

func TestCancelBreaksARunningAttemptOff(t *testing.T) {
	b := newBed(t)
	d := &breaker{script: b.work}
	b.Core.dispatcher = d
	b.register("f", slots(1))
	id, w := b.invoke("f")
	next := b.enqueue("f")
	s, err := b.Cancel(id)
	wantEqual(t, "error", err, nil)
	wantEqual(t, "code", s.Err.Code, CodeCancelled)
	wantEqual(t, "the caller's", w.only(t).Err.Code, CodeCancelled)
	wantEqual(t, "broken off", len(d.broken), 1)
	b.wantLoad("f", 1, 1) // the slot is the attempt's until it has answered
	b.work.next(t).Complete(failure("BROKEN_OFF"))
	wantEqual(t, "late", len(b.seen.of(EventLateResult)), 1)
	b.wantStatus(next, Running)
	_, err = b.Cancel(id)
	wantEqual(t, "again", err, error(ErrAlreadyEnded))
	_, err = b.Cancel(idOf(77))
	wantEqual(t, "unknown", err, error(ErrExecutionGone))
	wantEqual(t, "dead letters", b.DeadLetterCount("f"), 0)
}
