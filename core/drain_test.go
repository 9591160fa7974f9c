package core

import (
	"testing"
	"time"
)

func manual(cfg *Config) { cfg.SchedulerOff = true }

func TestDrainOnceDispatchesTheHeadAndReportsItsEnd(t *testing.T) {
	b := newBed(t, manual)
	b.register("f", slots(1))
	_, err := b.DrainOnce("nobody", nil)
	wantEqual(t, "unknown function", err, error(ErrNotFound))

	done := 0
	drain := func() bool {
		t.Helper()
		ok, err := b.DrainOnce("f", func() { done++ })
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	wantEqual(t, "empty queue", drain(), false)
	first, second := b.enqueue("f"), b.enqueue("f")
	b.wantLoad("f", 2, 0)
	wantEqual(t, "head", drain(), true)
	b.wantStatus(first, Running)
	b.wantStatus(second, Queued)
	wantEqual(t, "no slot", drain(), false)
	wantEqual(t, "done before the end", done, 0)
	b.work.next(t).Complete(success(`1`))
	wantEqual(t, "done", done, 1)
	b.wantStatus(second, Queued) // one dispatch only
	b.work.run = echoTask
	wantEqual(t, "inline", drain(), true)
	wantEqual(t, "done", done, 2)
	b.wantStatus(second, Success)
	wantEqual(t, "empty again", drain(), false)
	wantEqual(t, "done", done, 2)
}

// Whatever ends the attempt, the caller of drain-once hears of it once.
func TestDrainOnceIsDoneHoweverTheAttemptEnds(t *testing.T) {
	for name, end := range map[string]func(*bed, Task){
		"failure and requeue": func(b *bed, task Task) { task.Complete(failure("BOOM")) },
		"attempt deadline":    func(b *bed, task Task) { b.clock.advance(30 * time.Second) },
		"external completion": func(b *bed, task Task) { _ = b.Complete(task.ID, 0, success(`1`)) },
		"stale": func(b *bed, task Task) {
			b.clock.jump(time.Hour)
			b.Sweep()
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, manual)
			b.register("f")
			b.enqueue("f")
			done := 0
			if ok, err := b.DrainOnce("f", func() { done++ }); !ok || err != nil {
				t.Fatal(ok, err)
			}
			task := b.work.next(t)
			end(b, task)
			wantEqual(t, "done", done, 1)
			task.Complete(success(`1`))
			wantEqual(t, "done after a late answer", done, 1)
			wantEqual(t, "in flight", b.Function("f").InFlight(), 0)
		})
	}
}

func TestDrainOnceWorksBesideTheScheduler(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1))
	b.enqueue("f")
	ok, err := b.DrainOnce("f", nil)
	if ok || err != nil {
		t.Fatal("the scheduler had already taken it:", ok, err)
	}
}

func TestDrainRefusesNewWorkAndFinishesTheOld(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1))
	b.enqueue("f")
	queued := b.enqueue("f")
	b.Drain()
	_, err := b.Submit(&Request{Function: "f", Input: []byte(`1`)})
	wantEqual(t, "submit", err, error(ErrDraining))
	q, in := b.Unfinished()
	wantEqual(t, "queued", q, 1)
	wantEqual(t, "in flight", in, 1)
	b.work.next(t).Complete(success(`1`))
	b.work.next(t).Complete(success(`1`))
	b.wantStatus(queued, Success)
	q, in = b.Unfinished()
	wantEqual(t, "unfinished", q+in, 0)
}
