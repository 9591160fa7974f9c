package core

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// A cancellation, an answer and a completion from outside race: one of them ends the
// execution, its caller is told that end once, and the slot comes back once.
func TestCancelRacesWithCompletion(t *testing.T) {
	b := newBed(t)
	fn := b.register("f", slots(1000), retries(0))
	cancelled, answered := 0, 0
	for range 2000 {
		w := &wakes{}
		res, err := b.Submit(&Request{Function: "f", Sync: true, Waiter: w, Input: []byte(`1`)})
		if err != nil {
			t.Fatal(err)
		}
		task := b.work.next(t)
		var why error
		var wg sync.WaitGroup
		wg.Go(func() { _, why = b.Cancel(res.ID) })
		wg.Go(func() { task.Complete(success(`"answer"`)) })
		wg.Go(func() { _ = b.Complete(res.ID, 0, success(`"outside"`)) })
		wg.Wait()
		s := b.state(res.ID)
		if told := w.only(t); told.Status != s.Status {
			t.Fatalf("told %s, and it is %s", told.Status, s.Status)
		}
		switch {
		case why == nil && s.Status == Error && s.Err.Code == CodeCancelled:
			cancelled++
		case why == error(ErrAlreadyEnded) && s.Status == Success:
			answered++
		default:
			t.Fatalf("cancel: %v, and it is %s, %v", why, s.Status, s.Err)
		}
		wantEqual(t, "in flight", fn.InFlight(), 0)
	}
	wantEqual(t, "ends", len(b.seen.of(EventEnded)), cancelled+answered)
	t.Logf("%d cancelled, %d answered", cancelled, answered)
}

// Redrives of the same letters from several sides race with updates that make the queue
// small and large: each letter is redriven once or stays, and what was redriven runs once.
func TestRedriveRacesWithUpdate(t *testing.T) {
	var heal atomic.Bool
	runs := map[ID]int{}
	var mu sync.Mutex
	w := startWorkers(3, func(task Task) {
		if !heal.Load() {
			task.Complete(failure("BOOM"))
			return
		}
		mu.Lock()
		runs[task.ID]++
		mu.Unlock()
		task.Complete(success(`1`))
	})
	c, err := New(recordedConfig(t, Config{MaxDeadLetters: 1000}), newRealClock(), &seqIDs{}, w, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Register(spec(t, "f", slots(4), queueSize(1000), retries(0))); err != nil {
		t.Fatal(err)
	}
	const letters = 400
	for range letters {
		if _, err := c.Submit(&Request{Function: "f", Input: []byte(`1`)}); err != nil {
			t.Fatal(err)
		}
	}
	for c.DeadLetterCount("f") < letters {
		runtime.Gosched()
	}
	heal.Store(true)
	ids, err := c.DeadLetterIDs("f")
	if err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	var updaters, redrivers sync.WaitGroup
	for n := range 2 {
		updaters.Go(func() {
			for i := n; !stop.Load(); i++ {
				if _, err := c.Update(spec(t, "f", slots(1+i%3), queueSize(1+i%5), retries(i%2)), 0); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	taken := make([]map[ID]ID, 3) // letter to execution
	for n := range taken {
		taken[n] = map[ID]ID{}
		redrivers.Go(func() {
			for _, id := range ids {
				res, err := c.Redrive("f", id, 0)
				switch err {
				case nil:
					taken[n][id] = res.ID
				case error(ErrNotFound), error(ErrQueueFull):
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	redrivers.Wait()
	stop.Store(true)
	updaters.Wait()
	w.stop(c)
	by := map[ID]ID{}
	for _, mine := range taken {
		for letter, ex := range mine {
			if other, twice := by[letter]; twice {
				t.Fatalf("a letter was redriven as %v and as %v", ex, other)
			}
			by[letter] = ex
		}
	}
	wantEqual(t, "letters that stay", c.DeadLetterCount("f"), letters-len(by))
	wantEqual(t, "that ran", len(runs), len(by))
	for _, ex := range by {
		wantEqual(t, "runs", runs[ex], 1)
	}
	if len(by) == 0 {
		t.Error("none was redriven")
	}
}
