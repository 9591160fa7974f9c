package core

import (
	"math"
	"testing"
	"time"
)

func TestTimeoutOfSyncCallRunsFromArrival(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1), timeout(10*time.Second))
	first, w1 := b.invoke("f")
	b.clock.advance(4 * time.Second)
	second, w2 := b.invoke("f")
	b.clock.advance(5 * time.Second)
	b.work.next(t).Complete(success(`1`)) // the first, at 9 s; the second starts
	b.wantStatus(first, Success)
	b.wantStatus(second, Running)
	b.clock.advance(5*time.Second - 1)
	b.wantStatus(second, Running)
	b.clock.advance(1) // 14 s: ten after the second's arrival
	b.wantStatus(second, Timeout)
	wantEqual(t, "second woken with", w2.only(t).Status, Timeout)
	wantEqual(t, "first woken with", w1.only(t).Status, Success)
	wantEqual(t, "error of a timeout", b.state(second).Err, nil)

	// The dispatch still runs: its slot is not free before it answers or its
	// own deadline (19 s) passes.
	b.wantLoad("f", 0, 1)
	b.clock.advance(5*time.Second - 1)
	b.wantLoad("f", 0, 1)
	b.clock.advance(1)
	b.wantLoad("f", 0, 0)
	b.wantStatus(second, Timeout)
	wantEqual(t, "slot releases", len(b.seen.of(EventSlotReleased)), 2)
}

func TestTimeoutLateAnswerFreesTheSlotAndIsDropped(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1), timeout(10*time.Second))
	first, _ := b.invoke("f")
	b.clock.advance(time.Second)
	second, w := b.invoke("f")
	b.clock.advance(8 * time.Second)
	b.work.next(t).Complete(success(`1`))
	b.clock.advance(2 * time.Second) // 11 s: second's caller gives up
	b.wantStatus(second, Timeout)
	third := b.enqueue("f")
	b.wantStatus(third, Queued)
	b.work.next(t).Complete(success(`"late"`))
	b.wantStatus(second, Timeout)
	wantEqual(t, "output of the timed out", len(b.state(second).Output), 0)
	wantEqual(t, "late results", len(b.seen.of(EventLateResult)), 1)
	b.wantStatus(third, Running)
	wantEqual(t, "wakes", w.count(), 1)
	b.wantStatus(first, Success)
}

func TestTimeoutOfQueuedCallKeepsTheOrderOfTheRest(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1), timeout(time.Hour))
	b.invoke("f")
	var ids []ID
	for i := range 5 {
		d := time.Hour
		if i%2 == 1 {
			d = time.Second
		}
		id, _ := b.invoke("f", func(r *Request) { r.Timeout = d })
		ids = append(ids, id)
	}
	b.clock.advance(time.Second)
	b.wantLoad("f", 3, 1)
	b.wantStatus(ids[1], Timeout)
	b.wantStatus(ids[3], Timeout)
	b.work.next(t).Complete(success(`1`))
	for _, i := range []int{0, 2, 4} {
		task := b.work.next(t)
		wantEqual(t, "next", task.ID, ids[i])
		task.Complete(success(`1`))
	}
	b.wantLoad("f", 0, 0)
}

func TestTimeoutOfAsyncWorkIsPerAttemptFromDispatch(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1), timeout(10*time.Second), retries(1))
	b.enqueue("f")
	waiting := b.enqueue("f")
	b.clock.advance(9 * time.Second)
	b.work.next(t).Complete(success(`1`))
	b.clock.advance(9 * time.Second)
	b.wantStatus(waiting, Running) // 18 s old, 9 s dispatched
	b.work.next(t).Complete(failure("BOOM"))
	b.clock.advance(9 * time.Second)
	b.wantStatus(waiting, Running) // a second attempt, with a deadline of its own
	b.clock.advance(time.Second)
	b.wantStatus(waiting, Timeout)
	b.wantLoad("f", 0, 0)
	wantEqual(t, "timeouts are not retried", len(b.work.dispatched()), 3)
}

func TestTimeoutReportedByTheDispatchIsFinal(t *testing.T) {
	b := newBed(t)
	b.register("f", retries(3))
	id := b.enqueue("f")
	b.work.next(t).Complete(Outcome{Status: Timeout})
	b.wantStatus(id, Timeout)
	wantEqual(t, "dispatches", len(b.work.dispatched()), 1)
	b.wantLoad("f", 0, 0)
}

func TestTimeoutWithoutBoundIsHeldDown(t *testing.T) {
	b := newBed(t, func(cfg *Config) { cfg.StaleTTL, cfg.SweepInterval = 1000*time.Hour, time.Hour })
	b.register("f")
	b.clock.advance(time.Hour)
	id, _ := b.invoke("f", func(r *Request) { r.Timeout = math.MaxInt64 })
	task := b.work.next(t)
	wantEqual(t, "timeout", task.Timeout, MaxTimeoutMillis*time.Millisecond)
	b.wantStatus(id, Running)
	b.clock.advance(MaxTimeoutMillis * time.Millisecond)
	b.wantStatus(id, Timeout)
	b.wantLoad("f", 0, 0)
}

func TestTimeoutOfRequestOverridesTheFunctions(t *testing.T) {
	b := newBed(t)
	b.register("f", timeout(10*time.Second))
	id, _ := b.invoke("f", func(r *Request) { r.Timeout = 2 * time.Second })
	wantEqual(t, "task timeout", b.work.next(t).Timeout, 2*time.Second)
	b.clock.advance(2 * time.Second)
	b.wantStatus(id, Timeout)
}

// An earlier deadline must pull the function's timer forward, a later one must
// not push it back.
func TestTimeoutTimerFollowsTheEarliestDeadline(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(100))
	var ids []ID
	for _, s := range []int{9, 5, 7, 2, 8, 2, 30} {
		id, _ := b.invoke("f", func(r *Request) { r.Timeout = time.Duration(s) * time.Second })
		ids = append(ids, id)
	}
	for now := 1; now <= 30; now++ {
		b.clock.advance(time.Second)
		for i, s := range []int{9, 5, 7, 2, 8, 2, 30} {
			want := Running
			if now >= s {
				want = Timeout
			}
			if got := b.state(ids[i]).Status; got != want {
				t.Fatalf("at %d s the call with timeout %d s is %s", now, s, got)
			}
		}
	}
	b.wantLoad("f", 0, 0)
	b.clock.advance(10 * time.Minute)
	wantEqual(t, "timers once all is over", b.clock.armedTimers(), 0)
}
