package core

import (
	"fmt"
	"testing"
	"time"
)

func TestRegisterFindListDelete(t *testing.T) {
	b := newBed(t, func(cfg *Config) { cfg.MaxFunctions = 3 })
	for _, n := range []string{"zeta", "alpha", "mid"} {
		b.register(n)
	}
	var names string
	for _, fn := range b.Functions() {
		names += fn.Name() + " "
	}
	wantEqual(t, "list", names, "alpha mid zeta ")
	wantEqual(t, "handle", b.Function("mid").Handle(), any("handle of mid"))
	_, err := b.Register(spec(t, "mid"))
	wantEqual(t, "taken name", err, error(ErrExists))
	_, err = b.Register(spec(t, "more"))
	wantEqual(t, "at the bound", err, error(ErrFunctionLimit))
	_, err = b.Delete("mid")
	wantEqual(t, "delete", err, nil)
	_, err = b.Delete("mid")
	wantEqual(t, "delete again", err, error(ErrNotFound))
	wantEqual(t, "deleted function", b.Function("mid"), nil)
	b.register("more")
	_, err = b.Submit(&Request{Function: "mid", Input: []byte(`1`)})
	wantEqual(t, "submit to a deleted function", err, error(ErrNotFound))
	wantEqual(t, "rejection has no function", b.seen.of(EventRejected)[0].Function, nil)
}

func TestRegistryHoldsManyFunctions(t *testing.T) {
	b := newBed(t)
	for i := range 2000 {
		b.register(fmt.Sprint("f", i))
	}
	for i := range 2000 {
		if fn := b.Function(fmt.Sprint("f", i)); fn == nil || fn.Name() != fmt.Sprint("f", i) {
			t.Fatal("lost", i)
		}
	}
	wantEqual(t, "list", len(b.Functions()), 2000)
}

func TestDeleteEndsQueuedWorkAndLetsRunningWorkFinish(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1), retries(0))
	running, _ := b.invoke("f")
	async := b.enqueue("f")
	sync, w := b.invoke("f")
	if _, err := b.Delete("f"); err != nil {
		t.Fatal(err)
	}
	for _, id := range []ID{async, sync} {
		s := b.state(id)
		wantEqual(t, "status", s.Status, Error)
		wantEqual(t, "code", s.Err.Code, CodeFunctionDeleted)
	}
	wantEqual(t, "waiter woken with", w.only(t).Err.Code, CodeFunctionDeleted)
	b.wantStatus(running, Running)
	b.work.next(t).Complete(success(`1`))
	b.wantStatus(running, Success)
	wantEqual(t, "dispatches", len(b.work.dispatched()), 1)
	wantEqual(t, "sync gauges", b.Gauges().SyncQueueDepth+b.Gauges().SyncInFlight, 0)
}

// A new function of the same name has its own queue and slots; the old one's
// running work does not touch them.
func TestDeleteAndRegisterAgain(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1))
	old := b.enqueue("f")
	b.Delete("f")
	b.register("f", slots(1))
	b.wantLoad("f", 0, 0)
	fresh := b.enqueue("f")
	b.wantLoad("f", 0, 1)
	b.work.next(t).Complete(success(`"old"`))
	b.wantLoad("f", 0, 1)
	b.wantStatus(old, Success)
	b.work.next(t).Complete(success(`"new"`))
	wantEqual(t, "output", string(b.state(fresh).Output), `"new"`)
}

func TestDeletedFunctionsRunningWorkStillTimesOut(t *testing.T) {
	b := newBed(t)
	b.register("f", timeout(time.Second))
	id, w := b.invoke("f")
	b.Delete("f")
	b.clock.advance(time.Second)
	b.wantStatus(id, Timeout)
	wantEqual(t, "wakes", w.count(), 1)
}

func TestUpdateNeverLosesQueuedWork(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(2), queueSize(10))
	var ids []ID
	for range 12 {
		ids = append(ids, b.enqueue("f"))
	}
	b.update("f", slots(1), queueSize(3))
	b.wantLoad("f", 10, 2)
	_, err := b.Submit(&Request{Function: "f", Input: []byte(`1`)})
	wantEqual(t, "newcomer above the smaller size", err, error(ErrQueueFull))
	b.work.next(t).Complete(success(`1`))
	b.wantLoad("f", 10, 1) // two ran, one may: the freed slot is gone
	for range 8 {
		b.work.next(t).Complete(success(`1`))
	}
	b.wantLoad("f", 2, 1)
	ids = append(ids, b.enqueue("f"))
	b.update("f", slots(5), queueSize(3))
	b.wantLoad("f", 0, 4) // the new slots took the queued work at once
	for b.work.pending() > 0 {
		b.work.next(t).Complete(success(`1`))
	}
	for _, id := range ids {
		b.wantStatus(id, Success)
	}
	s := b.Function("f").Spec()
	wantEqual(t, "spec queueSize", s.QueueSize, 3)
	wantEqual(t, "spec concurrency", s.Concurrency, 5)
	wantEqual(t, "reconfigured events", len(b.seen.of(EventReconfigured)), 2)
}
