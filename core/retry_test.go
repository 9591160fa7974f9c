package core

import (
	"strings"
	"testing"
	"time"
)

func TestRetryWhileAttemptIsWithinMaxRetries(t *testing.T) {
	b := newBed(t)
	b.register("f", retries(2))
	id, w := b.invoke("f")
	for range 2 {
		b.work.next(t).Complete(failure("BOOM"))
		b.wantStatus(id, Running)
		wantEqual(t, "wakes before the end", w.count(), 0)
	}
	last := b.work.next(t)
	wantEqual(t, "attempt", last.Attempt, 3)
	last.Complete(failure("BOOM"))
	s := w.only(t)
	wantEqual(t, "status", s.Status, Error)
	wantEqual(t, "code", s.Err.Code, "BOOM")
	wantEqual(t, "message", s.Err.Message, "it broke")
	wantEqual(t, "attempt", s.Attempt, 3)
	wantEqual(t, "retried events", len(b.seen.of(EventRetried)), 2)
	wantEqual(t, "ended events", len(b.seen.of(EventEnded)), 1)
	b.wantLoad("f", 0, 0)
}

func TestRetryKeepsIdentityAndClearsTheAttempt(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1))
	id := b.enqueue("f")
	other := b.enqueue("f")
	b.clock.advance(time.Second)
	b.work.next(t).Complete(Outcome{Status: Error, Code: "X", ColdStart: true, Init: time.Second})
	s := b.state(id) // requeued at the tail, behind other
	wantEqual(t, "status", s.Status, Queued)
	wantEqual(t, "created", s.CreatedAtMillis, epoch/1e6)
	wantEqual(t, "started", s.StartedAtMillis, 0)
	wantEqual(t, "finished", s.FinishedAtMillis, 0)
	wantEqual(t, "cold", s.ColdStart, false)
	wantEqual(t, "init", s.InitMillis, -1)
	wantEqual(t, "error", s.Err, nil)
	wantEqual(t, "attempt", s.Attempt, 2)
	b.wantStatus(other, Running)
	b.clock.advance(2 * time.Second)
	b.work.next(t).Complete(success(`1`))
	b.work.next(t).Complete(success(`2`))
	s = b.state(id)
	wantEqual(t, "status", s.Status, Success)
	wantEqual(t, "queue wait of the last attempt", s.QueueWait, 2*time.Second)
}

func TestRetryOnFullQueueEndsInErrorAndSaysSo(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1), queueSize(1))
	id, w := b.invoke("f")
	queued := b.enqueue("f")
	b.work.next(t).Complete(failure("BOOM"))
	s := w.only(t)
	wantEqual(t, "status", s.Status, Error)
	wantEqual(t, "code", s.Err.Code, CodeQueueFull)
	for _, part := range []string{"queue is full", "BOOM", "it broke"} {
		if !strings.Contains(s.Err.Message, part) {
			t.Errorf("message %q does not say %q", s.Err.Message, part)
		}
	}
	b.wantStatus(id, Error)
	b.wantStatus(queued, Running)
}

func TestRetryNeverRevivesAnEndedExecution(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1), timeout(10*time.Second))
	b.invoke("f")
	b.clock.advance(5 * time.Second)
	id, w := b.invoke("f")
	b.clock.advance(4 * time.Second)
	b.work.next(t).Complete(success(`1`))
	b.clock.advance(6 * time.Second)
	b.wantStatus(id, Timeout)
	b.work.next(t).Complete(failure("BOOM"))
	b.wantStatus(id, Timeout)
	wantEqual(t, "attempt", b.state(id).Attempt, 1)
	wantEqual(t, "wakes", w.count(), 1)
	b.wantLoad("f", 0, 0)
}

func TestRetryAnswerOfAnEarlierAttemptIsDropped(t *testing.T) {
	b := newBed(t)
	b.register("f")
	id := b.enqueue("f")
	first := b.work.next(t)
	first.Complete(failure("BOOM"))
	second := b.work.next(t)
	first.Complete(success(`"stale"`))
	b.wantStatus(id, Running)
	second.Complete(success(`"fresh"`))
	second.Complete(failure("BOOM"))
	wantEqual(t, "output", string(b.state(id).Output), `"fresh"`)
	wantEqual(t, "duplicates", len(b.seen.of(EventDuplicateResult)), 2)
	b.wantLoad("f", 0, 0)
}

func TestRetryOfDeletedFunctionIsRefused(t *testing.T) {
	b := newBed(t)
	b.register("f")
	id := b.enqueue("f")
	if _, err := b.Delete("f"); err != nil {
		t.Fatal(err)
	}
	b.wantStatus(id, Running)
	b.work.next(t).Complete(failure("BOOM"))
	b.wantStatus(id, Error)
	wantEqual(t, "code", b.state(id).Err.Code, "BOOM")
}

func TestRetryWithoutCodeGetsOne(t *testing.T) {
	b := newBed(t)
	b.register("f", retries(0))
	id := b.enqueue("f")
	b.work.next(t).Complete(Outcome{Status: Running}) // no outcome at all
	wantEqual(t, "code", b.state(id).Err.Code, CodeDispatchFailed)
}

// Instant failures retry in a loop, not in ever deeper calls.
func TestRetryInlineDoesNotRecurse(t *testing.T) {
	alone(t)
	b := newBed(t)
	b.register("f", retries(MaxRetriesBound), slots(1))
	depth, deepest := 0, 0
	b.work.run = func(task Task) bool {
		depth++
		deepest = max(deepest, depth)
		failTask(task)
		depth--
		return true
	}
	id := b.enqueue("f")
	wantEqual(t, "attempt", b.state(id).Attempt, MaxRetriesBound+1)
	b.wantStatus(id, Error)
	wantEqual(t, "deepest call", deepest, 1)
}
