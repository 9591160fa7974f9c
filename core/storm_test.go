package core

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// counts is an Observer that counts, cheap enough for storms.
type counts struct{ n [64]atomic.Int64 }

func (c *counts) FunctionAdded(*Function) any { return nil }
func (c *counts) Observe(e Event)             { c.n[e.Kind].Add(1) }

func (c *counts) of(k EventKind) int64 { return c.n[k].Load() }

// Everything at once on the machine's clock: whatever the interleaving, each
// accepted execution ends once and its waiter is woken once, slots and
// accounts come back to zero, and no function is left with work and a slot.
func TestConservationInAStorm(t *testing.T) {
	const functions, submitters, each = 6, 6, 500
	seen := &counts{}
	w := startWorkers(3, func(task Task) {
		switch task.ID[15] % 8 {
		case 0:
			task.Complete(failure("BOOM"))
		case 1:
			task.Complete(success(`"out"`))
			task.Complete(success(`"again"`))
		case 2:
			// never answers: its deadline ends it
		case 3:
			time.Sleep(time.Duration(task.ID[14]%3) * time.Millisecond)
			task.Complete(success(`"slow"`))
		default:
			task.Complete(Outcome{Status: Success, Output: task.Input})
		}
	})
	inline := dispatchFunc(func(task Task) {
		if task.ID[15]%16 > 11 {
			task.Complete(Outcome{Status: Success, Output: task.Input})
			return
		}
		w.Dispatch(task)
	})
	var c *Core
	backlog := make(chan struct{}, 1)
	cfg := Config{
		TTL: 30 * time.Millisecond, CleanupTTL: 10 * time.Millisecond, StaleTTL: 60 * time.Millisecond, SweepInterval: time.Millisecond,
		Shards: 4, OnBacklog: func() {
			select {
			case backlog <- struct{}{}:
			default:
			}
		},
	}
	c, err := New(cfg, newRealClock(), &seqIDs{}, inline, seen)
	if err != nil {
		t.Fatal(err)
	}
	specOf := func(i int, change ...func(*SpecInput)) *Spec {
		first := []func(*SpecInput){slots(1 + i%3), queueSize(5 + i*10), retries(i % 3), timeout(15 * time.Millisecond)}
		return spec(t, fmt.Sprint("f", i), append(first, change...)...)
	}
	register := func(i int) (*Function, error) { return c.Register(specOf(i)) }
	var every sync.Map
	for i := range functions {
		fn, err := register(i)
		if err != nil {
			t.Fatal(err)
		}
		every.Store(fn, true)
	}
	var stop atomic.Bool
	var helpers, callers sync.WaitGroup
	helpers.Go(func() {
		for range backlog {
			for c.Pump(100) {
			}
		}
	})
	loop := func(f func(r *rand.Rand)) {
		helpers.Go(func() {
			r := rand.New(rand.NewPCG(1, 2))
			for !stop.Load() {
				f(r)
				runtime.Gosched()
			}
		})
	}
	loop(func(*rand.Rand) { c.Sweep() })
	loop(func(r *rand.Rand) {
		_, _ = c.Update(specOf(r.IntN(functions), queueSize(1+r.IntN(60)), slots(1+r.IntN(4))), 0)
		time.Sleep(100 * time.Microsecond)
	})
	loop(func(r *rand.Rand) {
		i := r.IntN(functions)
		if _, err := c.Delete(fmt.Sprint("f", i)); err == nil {
			fn, err := register(i)
			if err != nil {
				t.Error(err)
				return
			}
			every.Store(fn, true)
		}
		time.Sleep(2 * time.Millisecond)
	})
	loop(func(r *rand.Rand) { _, _ = c.DrainOnce(fmt.Sprint("f", r.IntN(functions)), nil) })

	var accepted, woken atomic.Int64
	for caller := range submitters {
		callers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(caller), 7))
			for mine := 0; mine < each; {
				var wakes atomic.Int64
				req := &Request{
					Function: fmt.Sprint("f", r.IntN(functions)), Sync: r.IntN(2) == 0, Input: []byte(`"input"`),
					Waiter: wakeFunc(func(s Snapshot) {
						if wakes.Add(1) > 1 {
							t.Error("woken twice")
						}
						if !s.Status.Terminal() {
							t.Errorf("woken while %s", s.Status)
						}
						woken.Add(1)
					}),
				}
				res, err := c.Submit(req)
				if err != nil {
					time.Sleep(20 * time.Microsecond)
					continue
				}
				mine++
				accepted.Add(1)
				switch r.IntN(6) {
				case 0:
					_, _ = c.Complete(res.ID, 0, success(`"outside"`))
				case 1:
					_, _ = c.Execution(res.ID)
				}
			}
		})
	}
	callers.Wait()
	// All of it ends by itself: by its deadline or as stale, at the latest.
	for seen.of(EventEnded) < accepted.Load() || c.Gauges() != (Gauges{}) {
		time.Sleep(time.Millisecond)
	}
	stop.Store(true)
	w.stop(c)
	close(backlog)
	helpers.Wait()

	wantEqual(t, "accepted events", seen.of(EventAccepted), accepted.Load())
	wantEqual(t, "ended", seen.of(EventEnded), accepted.Load())
	wantEqual(t, "evicted", seen.of(EventEvicted), accepted.Load())
	wantEqual(t, "woken", woken.Load(), accepted.Load())
	wantEqual(t, "slots taken and released", seen.of(EventSlotReleased), seen.of(EventDispatched))
	wantEqual(t, "held", c.Gauges(), Gauges{})
	every.Range(func(key, _ any) bool {
		fn := key.(*Function)
		if fn.QueueDepth() != 0 || fn.InFlight() != 0 || fn.queue.live != 0 || len(fn.deadlines.items) != 0 {
			t.Errorf("%s: %d queued, %d in flight, %d deadlines", fn.Name(), fn.QueueDepth(), fn.InFlight(), len(fn.deadlines.items))
		}
		return true
	})
}
