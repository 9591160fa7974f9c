package core

import (
	"testing"
	"time"
)

func TestCompletionHandlerEndsRunningWork(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1))
	id, w := b.invoke("f")
	next := b.enqueue("f")
	task := b.work.next(t)
	if err := b.Complete(id, 0, success(`"from outside"`)); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "output", string(w.only(t).Output), `"from outside"`)
	b.wantStatus(next, Running) // the slot went on
	task.Complete(success(`"from the dispatch"`))
	wantEqual(t, "output", string(b.state(id).Output), `"from outside"`)
	b.wantLoad("f", 0, 1) // and was not freed twice
	wantEqual(t, "dropped results", len(b.seen.of(EventDuplicateResult))+len(b.seen.of(EventLateResult)), 1)
	wantEqual(t, "endings", len(b.seen.of(EventEnded)), 1)
}

func TestCompletionHandlerEndsQueuedWorkKeepingOrder(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1))
	b.enqueue("f")
	a, middle, z := b.enqueue("f"), b.enqueue("f"), b.enqueue("f")
	if err := b.Complete(middle, 0, failure("CANCELLED")); err != nil {
		t.Fatal(err)
	}
	s := b.state(middle)
	wantEqual(t, "status", s.Status, Error) // final: not retried
	wantEqual(t, "code", s.Err.Code, "CANCELLED")
	b.wantLoad("f", 2, 1)
	b.work.next(t).Complete(success(`1`))
	for _, want := range []ID{a, z} {
		task := b.work.next(t)
		wantEqual(t, "next", task.ID, want)
		task.Complete(success(`1`))
	}
	b.wantLoad("f", 0, 0)
}

func TestCompletionHandlerSecondCompletionChangesNothing(t *testing.T) {
	b := newBed(t)
	b.register("f", timeout(time.Second))
	id, w := b.invoke("f")
	wantEqual(t, "first", b.Complete(id, 0, success(`1`)), nil)
	before := b.state(id)
	for _, o := range []Outcome{success(`2`), failure("X"), {Status: Timeout}} {
		b.clock.advance(time.Second)
		wantEqual(t, "again", b.Complete(id, 0, o), nil)
		after := b.state(id)
		wantEqual(t, "output", string(after.Output), string(before.Output))
		wantEqual(t, "status", after.Status, before.Status)
		wantEqual(t, "finished", after.FinishedAtMillis, before.FinishedAtMillis)
	}
	wantEqual(t, "wakes", w.count(), 1)
	wantEqual(t, "duplicates", len(b.seen.of(EventDuplicateResult)), 3)
	wantEqual(t, "unknown id", b.Complete(idOf(99), 0, success(`1`)), error(ErrExecutionGone))
	b.wantLoad("f", 0, 0)
}

func TestCompletionHandlerLateForTimedOut(t *testing.T) {
	b := newBed(t)
	b.register("f", timeout(time.Second))
	id, w := b.invoke("f")
	b.clock.advance(time.Second)
	wantEqual(t, "late", b.Complete(id, 0, success(`1`)), nil)
	b.wantStatus(id, Timeout)
	wantEqual(t, "wakes", w.count(), 1)
}

func TestForgottenWaiterIsNotWoken(t *testing.T) {
	b := newBed(t)
	b.register("f")
	id, w := b.invoke("f")
	b.Forget(id, &wakes{}) // somebody else's
	b.Forget(idOf(99), w)  // another execution
	b.Forget(id, w)
	b.work.next(t).Complete(success(`1`))
	wantEqual(t, "wakes", w.count(), 0)
	b.wantStatus(id, Success)
}

func TestBorrowedRequestIsCopied(t *testing.T) {
	b := newBed(t)
	b.register("f")
	in, meta := []byte(`{"a":1}`), []byte(`{"m":1}`)
	res, err := b.Submit(&Request{Function: "f", Borrowed: true, Input: in, Metadata: meta, TraceID: "t", IdempotencyKey: "k"})
	if err != nil {
		t.Fatal(err)
	}
	copy(in, "XXXXXXX")
	copy(meta, "XXXXXXX")
	task := b.work.next(t)
	wantEqual(t, "input", string(task.Input), `{"a":1}`)
	wantEqual(t, "metadata", string(task.Metadata), `{"m":1}`)
	wantEqual(t, "key", b.state(res.ID).Idempotency, "k")
}

func TestGivenInputIsKeptWhereItIs(t *testing.T) {
	b := newBed(t)
	b.register("f")
	in, meta := []byte(`{"a":1}`), []byte(`{"m":1}`)
	if _, err := b.Submit(&Request{Function: "f", Borrowed: true, InputGiven: true, Input: in, Metadata: meta}); err != nil {
		t.Fatal(err)
	}
	copy(meta, "XXXXXXX")
	task := b.work.next(t)
	wantEqual(t, "input kept", &task.Input[0] == &in[0], true)
	wantEqual(t, "metadata", string(task.Metadata), `{"m":1}`)
}
