package core

import (
	"testing"
	"time"
)

// A long queue ends in batches. Between two of them others run, among them a
// function of the same name; the payload is given back as it goes, and nothing
// is lost or mixed.
func TestDeletionEndsTheQueueInBatches(t *testing.T) {
	b := newBed(t, func(cfg *Config) { cfg.SchedulerOff = true })
	const queued = 3*endAtOnce + 5
	old := b.register("f", queueSize(queued))
	var ids []ID
	for range queued {
		ids = append(ids, b.enqueue("f"))
	}
	caller, w := b.invoke("other", func(r *Request) { b.register("other", slots(1)) })
	size := int64(len(`{"n":1}`))
	others := b.Gauges().PayloadBytes - queued*size

	d, err := b.Retire("f")
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "deleted function", d.Function, old)
	wantEqual(t, "found", b.Function("f"), nil)
	wantEqual(t, "deletions seen", len(b.seen.of(EventFunctionDeleted)), 1)
	_, err = b.Retire("f")
	wantEqual(t, "again", err, error(ErrNotFound))
	_, err = b.Submit(&Request{Function: "f", Input: []byte(`1`)})
	wantEqual(t, "new work", err, error(ErrNotFound))
	ended := len(b.seen.of(EventEnded))
	wantEqual(t, "ended at once", ended, 0)

	successor := b.register("f", queueSize(queued))
	fresh := b.enqueue("f")
	batches := 0
	for more := true; more; batches++ {
		more = d.Next()
		now := len(b.seen.of(EventEnded))
		if now-ended > endAtOnce || (more && now-ended != endAtOnce) {
			t.Fatalf("batch %d ended %d", batches, now-ended)
		}
		ended = now
		wantEqual(t, "payload", b.Gauges().PayloadBytes, int64(queued-ended)*size+size+others)
		left, _ := b.Unfinished()
		wantEqual(t, "unfinished", left, queued-ended+1)
		b.wantLoad("f", 1, 0)
		if batches == 1 { // an execution of which the deletion has not heard yet
			b.clock.advance(time.Second)
			b.wantStatus(ids[queued-1], Queued)
		}
	}
	wantEqual(t, "batches", batches, 4)
	wantEqual(t, "ended", ended, queued)
	wantEqual(t, "old queue", old.QueueDepth(), 0)
	for _, id := range ids {
		s := b.state(id)
		wantEqual(t, "status", s.Status, Error)
		wantEqual(t, "error", s.Err, errFunctionDeleted)
	}
	wantEqual(t, "a batch after the last", d.Next(), false)
	b.wantStatus(fresh, Queued)
	wantEqual(t, "the successor's", b.Function("f"), successor)
	b.wantStatus(caller, Running)
	b.work.next(t).Complete(success(`1`))
	wantEqual(t, "another function's caller", w.only(t).Status, Success)
}

// What pauses between two attempts ends with the queue, though it has no place
// in it, and though the heap that it is in is reordered meanwhile.
func TestDeletionEndsWhatPauses(t *testing.T) {
	b := newBed(t)
	const waiting, running = 3*endAtOnce + 5, lookAtOnce
	fn := b.register("f", slots(waiting+running), queueSize(10), retries(1), pausing(RetryBackoff{60_000, 60_000, 1, 0}), timeout(time.Hour))
	for range waiting + running {
		b.enqueue("f")
	}
	// Every third keeps running, as long as there are enough of them.
	var tasks []Task
	failed := 0
	for i := range waiting + running {
		task := b.work.next(t)
		if failed == waiting || (i%3 == 0 && len(tasks) < running) {
			tasks = append(tasks, task)
			continue
		}
		failed++
		task.Complete(failure("BOOM"))
	}
	wantEqual(t, "pausing", fn.Pausing(), waiting)
	d, err := b.Retire("f")
	if err != nil {
		t.Fatal(err)
	}
	for more := true; more; {
		more = d.Next()
		for range min(7, len(tasks)) { // their deadlines leave the heap
			tasks[0].Complete(success(`1`))
			tasks = tasks[1:]
		}
	}
	wantEqual(t, "pausing after the deletion", fn.Pausing(), 0)
	ended := map[string]int{}
	for _, ev := range b.seen.of(EventEnded) {
		ended[ev.Code]++
	}
	wantEqual(t, "ended by the deletion", ended[CodeFunctionDeleted], waiting)
	for _, task := range tasks {
		task.Complete(success(`1`))
	}
	queued, inFlight := b.Unfinished()
	wantEqual(t, "unfinished", queued+inFlight, 0)
}

// The pause of one that the deletion has not come to yet may end first.
func TestPauseThatEndsDuringADeletion(t *testing.T) {
	b := newBed(t)
	b.register("f", retries(1), pausing(RetryBackoff{1000, 1000, 1, 0}))
	id := b.enqueue("f")
	b.work.next(t).Complete(failure("BOOM"))
	d, _ := b.Retire("f")
	b.clock.advance(2 * time.Second)
	s := b.state(id)
	wantEqual(t, "error", s.Err, errFunctionDeleted)
	wantEqual(t, "more", d.Next(), false)
	wantEqual(t, "ended", len(b.seen.of(EventEnded)), 1)
	wantEqual(t, "dead letters", b.DeadLetterCount("f"), 0)
}
