package core

import (
	"testing"
	"time"
)

// submitRun submits a sync call whose caller makes the first attempt itself.
func (b *bed) submitRun(name string, change ...func(*Request)) (Result, *wakes) {
	b.t.Helper()
	w := &wakes{}
	r := &Request{Function: name, Sync: true, Input: []byte(`{"n":1}`), Waiter: w, CallerRuns: true}
	for _, f := range change {
		f(r)
	}
	res, err := b.Submit(r)
	if err != nil {
		b.t.Fatal(err)
	}
	return res, w
}

func TestCallerRunsItsFirstAttemptWhenASlotIsFree(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1))
	res, w := b.submitRun("f")
	wantEqual(t, "attempt in hand", res.Run.Attempt, 1)
	wantEqual(t, "its execution", res.Run.ID, res.ID)
	wantEqual(t, "its input", string(res.Run.Input), `{"n":1}`)
	wantEqual(t, "left to the dispatcher", b.work.pending(), 0)
	wantEqual(t, "told of", len(b.seen.of(EventDispatched)), 1)
	b.wantStatus(res.ID, Running)
	b.wantLoad("f", 0, 1)

	queued, later := b.submitRun("f")
	wantEqual(t, "attempt in hand without a slot", queued.Run.Attempt, 0)
	res.Run.Complete(success(`1`))
	wantEqual(t, "output", string(w.only(t).Output), `1`)
	task := b.work.next(t) // the queued one is the dispatcher's
	wantEqual(t, "dispatched", task.ID, queued.ID)
	task.Complete(success(`2`))
	wantEqual(t, "output of the queued one", string(later.only(t).Output), `2`)
	b.wantLoad("f", 0, 0)
}

func TestCallerRunsIsForSyncCallsAndForFirstAttempts(t *testing.T) {
	b := newBed(t)
	b.register("f", retries(1))
	res, err := b.Submit(&Request{Function: "f", Input: []byte(`1`), CallerRuns: true})
	if err != nil || res.Run.Attempt != 0 {
		t.Fatalf("async work in hand: %+v %v", res.Run, err)
	}
	b.work.next(t).Complete(success(`1`))

	call, w := b.submitRun("f")
	call.Run.Complete(failure("FIRST"))
	task := b.work.next(t)
	wantEqual(t, "the retry is the dispatcher's", task.Attempt, 2)
	task.Complete(success(`2`))
	wantEqual(t, "attempt", w.only(t).Attempt, 2)
}

// Whatever ends an execution wakes its caller then, though the caller still has
// the attempt in hand; what that brings later is dropped and frees nothing twice.
func TestCallerIsWokenWhileItsAttemptIsOpen(t *testing.T) {
	for name, tc := range map[string]struct {
		end  func(b *bed, id ID)
		want Status
		code string
		held int // slots still taken by the open attempt
	}{
		"a completion":          {func(b *bed, id ID) { _ = b.Complete(id, 0, success(`"early"`)) }, Success, "", 0},
		"the sweep":             {func(b *bed, _ ID) { b.clock.jump(601 * time.Second); b.Sweep() }, Timeout, CodeStale, 0},
		"its deadline":          {func(b *bed, _ ID) { b.clock.advance(time.Second) }, Timeout, "", 0},
		"its caller's deadline": {func(b *bed, _ ID) { b.clock.advance(500 * time.Millisecond) }, Timeout, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.register("f", slots(1), timeout(time.Second))
			res, w := b.submitRun("f", func(r *Request) {
				if name == "its caller's deadline" {
					r.Timeout = 500 * time.Millisecond
				}
			})
			tc.end(b, res.ID)
			got := w.only(t)
			wantEqual(t, "status", got.Status, tc.want)
			if code := ""; got.Err != nil {
				code = got.Err.Code
				wantEqual(t, "code", code, tc.code)
			}
			b.wantLoad("f", 0, tc.held)
			next, _ := b.submitRun("f")
			wantEqual(t, "the slot is free for the next one", next.Run.Attempt, 1)
			res.Run.Complete(success(`"late"`))
			wantEqual(t, "wakes", w.count(), 1)
			wantEqual(t, "dropped", len(b.seen.of(EventLateResult))+len(b.seen.of(EventDuplicateResult)), 1)
			b.wantLoad("f", 0, 1)
		})
	}
}

// While a function is deleted its queued work ends in steps of its own, and
// none of it starts any more.
func TestDeletionStartsNothing(t *testing.T) {
	b := newBed(t)
	fn := b.register("f", slots(1), queueSize(10))
	running := b.enqueue("f")
	task := b.work.next(t)
	for range 3 {
		b.enqueue("f")
	}
	d, err := b.Retire("f")
	if err != nil {
		t.Fatal(err)
	}
	task.Complete(success(`1`)) // frees the slot in the middle of it
	b.wantStatus(running, Success)
	wantEqual(t, "started", b.work.pending(), 0)
	wantEqual(t, "more", d.Next(), false)
	ended := b.seen.of(EventEnded)
	wantEqual(t, "ended", len(ended), 4)
	for _, ev := range ended[1:] {
		wantEqual(t, "code", ev.Code, CodeFunctionDeleted)
	}
	wantEqual(t, "queued", fn.QueueDepth(), 0)
}
