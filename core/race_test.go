package core

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// workers answers tasks from goroutines of its own, as a real dispatcher does.
type workers struct {
	tasks   chan Task
	stopped chan struct{}
	wg      sync.WaitGroup
}

func startWorkers(n int, answer func(Task)) *workers {
	w := &workers{tasks: make(chan Task, 1<<16), stopped: make(chan struct{})}
	for range n {
		w.wg.Go(func() {
			for {
				select {
				case task := <-w.tasks:
					answer(task)
				case <-w.stopped:
					return
				}
			}
		})
	}
	return w
}

// Dispatch may come after stop: of an execution that was completed from outside
// between its step and here.
func (w *workers) Dispatch(t Task) {
	select {
	case w.tasks <- t:
	case <-w.stopped:
	}
}

// stop waits until c has nothing left to do.
func (w *workers) stop(c *Core) {
	for queued, inFlight := c.Unfinished(); queued+inFlight > 0; queued, inFlight = c.Unfinished() {
		runtime.Gosched()
	}
	close(w.stopped)
	w.wg.Wait()
}

// A wall clock that leaps makes an execution stale while it is being admitted:
// the sweep must not take it out of a queue that it is not in yet.
func TestStaleSweepDuringAdmission(t *testing.T) {
	for range 50 {
		b := newBed(t, shortLives)
		fn := b.register("f", slots(1))
		fn.mu.Lock() // stops the submission where it needs the function
		done := make(chan error)
		go func() {
			_, err := b.Submit(&Request{Function: "f", Input: []byte(`1`)})
			done <- err
		}()
		for b.Gauges().StoredExecutions == 0 {
			runtime.Gosched()
		}
		time.Sleep(100 * time.Microsecond) // let it come to the lock; too short only makes the test weaker
		b.clock.jump(time.Hour)
		fn.mu.Unlock()
		b.Sweep() // most often gets the lock first
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		b.Sweep()
		b.wantLoad("f", 0, 0)
		wantEqual(t, "endings", len(b.seen.of(EventEnded)), 1)
		b.clock.jump(time.Hour)
		b.Sweep()
		wantEqual(t, "held", b.Gauges(), Gauges{})
	}
}

// The number of tasks out at once never exceeds the slots.
func TestInFlightNeverAboveConcurrency(t *testing.T) {
	const slotCount = 3
	var out, most atomic.Int64
	w := startWorkers(8, func(task Task) {
		out.Add(-1)
		task.Complete(success(`1`))
	})
	c, err := New(recordedConfig(t, Config{}), newRealClock(), &seqIDs{}, dispatchFunc(func(task Task) {
		n := out.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		w.Dispatch(task)
	}), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Register(spec(t, "f", slots(slotCount), queueSize(MaxQueueSize), retries(0))); err != nil {
		t.Fatal(err)
	}
	const each, callers = 2000, 8
	var done sync.WaitGroup
	done.Add(each * callers)
	for range callers {
		go func() {
			for i := range each {
				r := &Request{Function: "f", Sync: i%2 == 0, Input: []byte(`1`), Waiter: wakeFunc(func(Snapshot) { done.Done() })}
				if _, err := c.Submit(r); err != nil {
					t.Error(err)
					done.Done()
				}
			}
		}()
	}
	done.Wait()
	w.stop(c)
	if most.Load() > slotCount {
		t.Fatalf("%d out at once with %d slots", most.Load(), slotCount)
	}
	wantEqual(t, "in flight at the end", c.Function("f").InFlight(), 0)
	wantEqual(t, "most out at once", most.Load(), slotCount)
}

type dispatchFunc func(Task)

func (f dispatchFunc) Dispatch(t Task) { f(t) }

type wakeFunc func(Snapshot)

func (f wakeFunc) Wake(s Snapshot) { f(s) }

// With one slot tasks leave in the order in which their submitter queued them.
func TestFIFOUnderConcurrency(t *testing.T) {
	const callers, each = 4, 3000
	w := startWorkers(2, func(task Task) { task.Complete(success(`1`)) })
	var mu sync.Mutex
	last := map[byte]int{}
	var done sync.WaitGroup
	done.Add(callers * each)
	c, err := New(recordedConfig(t, Config{}), newRealClock(), &seqIDs{}, dispatchFunc(func(task Task) {
		var caller, n int
		fmt.Sscanf(string(task.Input), "%d %d", &caller, &n)
		mu.Lock()
		if prev := last[byte(caller)]; n != prev+1 {
			t.Errorf("caller %d: task %d after %d", caller, n, prev)
		}
		last[byte(caller)] = n
		mu.Unlock()
		w.Dispatch(task)
	}), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Register(spec(t, "f", slots(1), queueSize(MaxQueueSize))); err != nil {
		t.Fatal(err)
	}
	for caller := range callers {
		go func() {
			for n := range each {
				r := &Request{Function: "f", Input: fmt.Appendf(nil, "%d %d", caller, n+1), Waiter: wakeFunc(func(Snapshot) { done.Done() })}
				if _, err := c.Submit(r); err != nil {
					t.Error(err)
					done.Done()
				}
			}
		}()
	}
	done.Wait()
	w.stop(c)
}

// 64 callers with one key make one execution, and each of them gets it. Some
// rounds refuse the first claim, so that it is abandoned under way.
func TestOneExecutionPerKeyWithRacingCallers(t *testing.T) {
	w := startWorkers(2, func(task Task) { task.Complete(success(`1`)) })
	var runs sync.Map // key -> *atomic.Int64
	c, err := New(recordedConfig(t, Config{}), newRealClock(), &seqIDs{}, dispatchFunc(func(task Task) {
		n, _ := runs.LoadOrStore(task.IdempotencyKey, new(atomic.Int64))
		n.(*atomic.Int64).Add(1)
		w.Dispatch(task)
	}), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Register(spec(t, "f", slots(1), queueSize(2))); err != nil {
		t.Fatal(err)
	}
	const rounds, callers = 100, 64
	for round := range rounds {
		key := fmt.Sprint("key", round)
		var wg sync.WaitGroup
		ids := make([]ID, callers)
		var fresh atomic.Int64
		for i := range callers {
			wg.Go(func() {
				woken := make(chan struct{}, 1)
				settled := make(chan struct{}, 1)
				r := &Request{
					Function: "f", IdempotencyKey: key, Input: []byte(`1`), Sync: i%2 == 0,
					Waiter:    wakeFunc(func(Snapshot) { woken <- struct{}{} }),
					OnSettled: func() { settled <- struct{}{} },
				}
				for {
					res, err := c.Submit(r)
					switch err {
					case error(ErrPending):
						<-settled // a lost callback hangs here
						continue
					case error(ErrQueueFull):
						continue // its claim was abandoned: anybody may try
					case nil:
					default:
						t.Error(err)
						return
					}
					ids[i] = res.ID
					if !res.Existing {
						fresh.Add(1)
					}
					if res.Waiting {
						<-woken // a lost wake-up hangs here
					}
					return
				}
			})
		}
		// Fill the queue now and then, so that claims are refused.
		wg.Go(func() {
			for range 8 {
				_, _ = c.Submit(&Request{Function: "f", Input: []byte(`1`)})
			}
		})
		wg.Wait()
		wantEqual(t, "fresh executions of "+key, fresh.Load(), 1)
		for i := range ids {
			wantEqual(t, "execution", ids[i], ids[0])
		}
	}
	w.stop(c)
	for round := range rounds {
		n, ok := runs.Load(fmt.Sprint("key", round))
		if !ok || n.(*atomic.Int64).Load() != 1 {
			t.Fatalf("key %d did not run once", round)
		}
	}
}

// Wake and Forget race: after Forget has returned and no wake was under way
// before, none comes.
func TestForgetRacesWithTheEnd(t *testing.T) {
	var mu sync.Mutex
	held := map[ID]Task{}
	c, err := New(recordedConfig(t, Config{}), newRealClock(), &seqIDs{}, dispatchFunc(func(task Task) {
		mu.Lock()
		held[task.ID] = task
		mu.Unlock()
	}), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Register(spec(t, "f", slots(1000))); err != nil {
		t.Fatal(err)
	}
	for range 3000 {
		w := &wakes{}
		res, err := c.Submit(&Request{Function: "f", Sync: true, Waiter: w, Input: []byte(`1`)})
		if err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		task := held[res.ID]
		delete(held, res.ID)
		mu.Unlock()
		var wg sync.WaitGroup
		wg.Go(func() { task.Complete(success(`1`)) })
		wg.Go(func() { c.Forget(res.ID, w) })
		wg.Wait()
		if n := w.count(); n > 1 {
			t.Fatalf("woken %d times", n)
		}
	}
}

// A reader never sees half of a transition.
func TestSnapshotsAreNeverHalfApplied(t *testing.T) {
	w := startWorkers(2, func(task Task) {
		switch task.ID[15] % 3 {
		case 0:
			task.Complete(Outcome{Status: Success, Output: []byte(`"out"`), ColdStart: true, Init: time.Second})
		case 1:
			task.Complete(failure("BOOM"))
		default:
			task.Complete(Outcome{Status: Timeout})
		}
	})
	c, err := New(recordedConfig(t, Config{}), newRealClock(), &seqIDs{}, w, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Register(spec(t, "f", slots(4), queueSize(MaxQueueSize), retries(1))); err != nil {
		t.Fatal(err)
	}
	check := func(s Snapshot) {
		ok := true
		switch s.Status {
		case Queued:
			ok = s.StartedAtMillis == 0 && s.FinishedAtMillis == 0 && s.Output == nil && s.Err == nil && !s.ColdStart
		case Running:
			ok = s.StartedAtMillis > 0 && s.FinishedAtMillis == 0 && s.Output == nil && s.Err == nil
		case Success:
			ok = s.FinishedAtMillis > 0 && string(s.Output) == `"out"` && s.Err == nil && s.ColdStart && s.InitMillis == 1000
		case Error:
			ok = s.FinishedAtMillis > 0 && s.Output == nil && s.Err != nil && s.Attempt == 2
		case Timeout:
			ok = s.FinishedAtMillis > 0 && s.Output == nil && s.Err == nil
		}
		if !ok {
			t.Errorf("half-applied: %+v", s)
		}
	}
	const total = 6000
	var newest atomic.Uint64
	var stop atomic.Bool
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for !stop.Load() {
				n := newest.Load()
				for i := n; i > 0 && i+20 > n; i-- {
					if s, ok := c.Execution(idOf(i)); ok {
						check(s)
					}
				}
			}
		})
	}
	var done sync.WaitGroup
	done.Add(total)
	for range total {
		res, err := c.Submit(&Request{Function: "f", Sync: true, Input: []byte(`1`), Waiter: wakeFunc(func(s Snapshot) {
			check(s)
			done.Done()
		})})
		if err != nil {
			t.Fatal(err)
		}
		newest.Store(uint64(res.ID[15]) | uint64(res.ID[14])<<8)
	}
	done.Wait()
	stop.Store(true)
	readers.Wait()
	w.stop(c)
}
