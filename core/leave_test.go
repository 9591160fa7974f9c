package core

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// caller is a waiter that may leave.
type caller struct {
	wakes
	gone  atomic.Bool
	asked atomic.Int32
	then  func() // called by Gone, before it answers
}

func (c *caller) Gone() bool {
	c.asked.Add(1)
	gone := c.gone.Load()
	if c.then != nil {
		c.then()
	}
	return gone
}

// call submits a sync call of a caller that may leave.
func (b *bed) call(name string, change ...func(*Request)) (ID, *caller) {
	b.t.Helper()
	w := &caller{}
	id, _ := b.invoke(name, append(change, func(r *Request) { r.Waiter = w })...)
	return id, w
}

func keyed(key string) func(*Request) { return func(r *Request) { r.IdempotencyKey = key } }

// wantLeft checks that an execution ended without running because nobody was there.
func (b *bed) wantLeft(id ID) {
	b.t.Helper()
	s := b.state(id)
	if s.Status != Error || s.Err.Code != CodeCancelled || s.Err.Message != errLeft.Message || s.StartedAtMillis != 0 {
		b.t.Fatalf("execution %d is %s, %v, started at %d; want it cancelled without a start", id[15], s.Status, s.Err, s.StartedAtMillis)
	}
}

// The queued call of a caller that has left ends at its turn without running; those
// behind it get the turn at once and in order, and a running call goes on.
func TestCallersThatLeave(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1))
	running, first := b.call("f")
	var ids []ID
	var callers []*caller
	for range 5 {
		id, w := b.call("f")
		ids, callers = append(ids, id), append(callers, w)
	}
	for _, w := range []*caller{first, callers[0], callers[1], callers[3]} {
		w.gone.Store(true)
	}
	for _, id := range ids {
		b.wantStatus(id, Queued) // nobody looks before its turn
	}
	b.wantStatus(running, Running)
	b.work.next(t).Complete(success(`1`))
	b.wantStatus(running, Success)
	b.wantLeft(ids[0])
	b.wantLeft(ids[1])
	b.wantStatus(ids[2], Running)
	b.wantStatus(ids[3], Queued)
	b.wantLoad("f", 2, 1)
	b.work.next(t).Complete(success(`1`))
	b.wantLeft(ids[3])
	b.wantStatus(ids[4], Running)
	b.work.next(t).Complete(success(`1`))
	b.wantLoad("f", 0, 0)
	wantEqual(t, "asked of one that started at once", first.asked.Load(), 0)
	for i, w := range callers {
		wantEqual(t, "asked", w.asked.Load(), 1)
		wantEqual(t, "told", w.only(t).ID, ids[i])
	}
	wantEqual(t, "dispatches", len(b.work.dispatched()), 3)
	letters, err := b.DeadLetters("f", 0, 10)
	if err != nil || len(letters.Letters) != 0 {
		t.Fatalf("dead letters: %v, %v", letters, err)
	}
}

// What a caller that has left sent is given back at once.
func TestWhatALeaverSentIsGivenBack(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1))
	b.call("f")
	held := b.Gauges().PayloadBytes
	id, w := b.call("f", func(r *Request) { r.Metadata = []byte(`{"a":"b"}`) })
	w.gone.Store(true)
	b.work.next(t).Complete(Outcome{Status: Timeout})
	b.wantLeft(id)
	wantEqual(t, "payload", b.Gauges().PayloadBytes, held)
}

// A retry is asked about at its turn, too.
func TestCallerLeavesBetweenTwoAttempts(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1), retries(3))
	id, w := b.call("f", keyed("k"))
	w.gone.Store(true)
	b.work.next(t).Complete(failure("BOOM"))
	s := b.state(id)
	if s.Status != Error || s.Err.Code != CodeCancelled || s.Attempt != 2 {
		t.Fatalf("%s, %v at attempt %d", s.Status, s.Err, s.Attempt)
	}
	// It has run: its key still leads to it.
	res, err := b.Submit(&Request{Function: "f", Input: []byte(`{"n":1}`), IdempotencyKey: "k"})
	if err != nil || !res.Existing || res.ID != id {
		t.Fatalf("%+v, %v", res, err)
	}
}

// The key of one that never ran leads to a new execution.
func TestCallerThatComesAgainIsServed(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1))
	b.call("f")
	id, w := b.call("f", keyed("k"))
	w.gone.Store(true)
	b.work.next(t).Complete(success(`1`))
	b.wantLeft(id)
	again, _ := b.call("f", keyed("k"))
	if again == id {
		t.Fatal("it was led to the execution that it had left")
	}
	b.wantStatus(again, Running)
}

// An execution runs while anybody waits for it.
func TestJoinedCallersKeepAnExecution(t *testing.T) {
	for name, tt := range map[string]struct {
		gone []bool // of the callers of one execution
		runs bool
	}{
		"the first stays":  {[]bool{false, true, true}, true},
		"a joined stays":   {[]bool{true, true, false}, true},
		"all have left":    {[]bool{true, true, true}, false},
		"the only one has": {[]bool{true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.register("f", slots(1))
			b.call("f")
			var id ID
			for i, gone := range tt.gone {
				joined, w := b.call("f", keyed("k"))
				if i > 0 && joined != id {
					t.Fatal("not joined")
				}
				id = joined
				w.gone.Store(gone)
			}
			b.work.next(t).Complete(success(`1`))
			if tt.runs {
				b.wantStatus(id, Running)
			} else {
				b.wantLeft(id)
			}
		})
	}
	t.Run("one who cannot leave", func(t *testing.T) {
		b := newBed(t)
		b.register("f", slots(1))
		b.call("f")
		id, w := b.call("f", keyed("k"))
		w.gone.Store(true)
		b.invoke("f", keyed("k"))
		b.work.next(t).Complete(success(`1`))
		b.wantStatus(id, Running)
	})
	t.Run("one who has forgotten", func(t *testing.T) {
		b := newBed(t)
		b.register("f", slots(1))
		b.call("f")
		id, w := b.call("f", keyed("k"))
		_, other := b.call("f", keyed("k"))
		w.gone.Store(true)
		b.Forget(id, other)
		b.work.next(t).Complete(success(`1`))
		b.wantLeft(id)
	})
}

// Async work is nobody's: it runs whoever has joined it and left.
func TestAsyncWorkIsNotLeft(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1))
	b.call("f")
	res, err := b.Submit(&Request{Function: "f", Input: []byte(`{"n":1}`), IdempotencyKey: "k"})
	if err != nil {
		t.Fatal(err)
	}
	joined, w := b.call("f", keyed("k"))
	wantEqual(t, "joined", joined, res.ID)
	w.gone.Store(true)
	b.work.next(t).Complete(success(`1`))
	b.wantStatus(res.ID, Running)
	wantEqual(t, "asked", w.asked.Load(), 0)
}

// While the callers of a head are asked, anything may happen to it.
func TestWhileCallersAreAsked(t *testing.T) {
	setUp := func(t *testing.T, change ...func(*SpecInput)) (b *bed, id, next ID, w *caller) {
		b = newBed(t)
		b.register("f", append([]func(*SpecInput){slots(1)}, change...)...)
		b.call("f")
		id, w = b.call("f", keyed("k"))
		next, _ = b.call("f")
		w.gone.Store(true)
		return b, id, next, w
	}
	t.Run("somebody joins", func(t *testing.T) {
		b, id, next, w := setUp(t)
		w.then = func() { b.invoke("f", keyed("k")) }
		b.work.next(t).Complete(success(`1`))
		b.wantStatus(id, Running)
		b.wantStatus(next, Queued)
	})
	t.Run("it is cancelled", func(t *testing.T) {
		b, id, next, w := setUp(t)
		w.then = func() { _, _ = b.Cancel(id) }
		b.work.next(t).Complete(success(`1`))
		wantEqual(t, "message", b.state(id).Err.Message, errCancelled.Message)
		b.wantStatus(next, Running)
		w.only(t)
	})
	t.Run("its deadline passes", func(t *testing.T) {
		b, id, next, w := setUp(t, timeout(time.Second))
		w.then = func() { b.clock.advance(time.Second) }
		b.work.next(t).Complete(success(`1`))
		b.wantStatus(id, Timeout)
		b.wantStatus(next, Timeout)
		b.wantLoad("f", 0, 0)
	})
	t.Run("the slot goes", func(t *testing.T) {
		b := newBed(t)
		b.register("f", slots(2))
		b.call("f")
		b.call("f")
		id, w := b.call("f")
		w.gone.Store(true)
		w.then = func() {
			w.then = nil
			if _, err := b.Update(spec(t, "f", slots(1)), 0); err != nil {
				t.Error(err)
			}
		}
		b.work.next(t).Complete(success(`1`))
		b.wantStatus(id, Queued) // its turn has not come
		b.work.next(t).Complete(success(`1`))
		b.wantLeft(id)
		wantEqual(t, "asked", w.asked.Load(), 2)
	})
	t.Run("the function is deleted", func(t *testing.T) {
		b, id, next, w := setUp(t)
		w.then = func() {
			if _, err := b.Delete("f"); err != nil {
				t.Error(err)
			}
		}
		b.work.next(t).Complete(success(`1`))
		for _, id := range []ID{id, next} {
			wantEqual(t, "code", b.state(id).Err.Code, CodeFunctionDeleted)
		}
	})
	t.Run("another takes the turn", func(t *testing.T) {
		b, id, next, w := setUp(t)
		w.gone.Store(false)
		w.then = func() {
			w.then = nil
			if ok, err := b.DrainOnce("f", func() {}); !ok || err != nil {
				t.Error(ok, err)
			}
		}
		b.work.next(t).Complete(success(`1`))
		b.wantStatus(id, Running)
		b.wantStatus(next, Queued)
		wantEqual(t, "dispatches", len(b.work.dispatched()), 2)
	})
}

// Drain-once passes over those who have left until it finds work.
func TestDrainOncePassesLeavers(t *testing.T) {
	b := newBed(t, func(cfg *Config) { cfg.SchedulerOff = true })
	b.register("f", slots(1))
	b.call("f")
	one, w := b.call("f")
	two, w2 := b.call("f")
	last := b.enqueue("f")
	w.gone.Store(true)
	w2.gone.Store(true)
	drained := 0
	w.then = func() { // while the scheduler asks: without that, it would get there first
		w.then = nil
		if ok, err := b.DrainOnce("f", func() { drained++ }); !ok || err != nil {
			t.Error(ok, err)
		}
	}
	b.work.next(t).Complete(success(`1`))
	b.wantLeft(one)
	b.wantLeft(two)
	b.wantStatus(last, Running)
	b.work.next(t).Complete(success(`1`))
	wantEqual(t, "drained", drained, 1)
	b.wantLoad("f", 0, 0)
	if ok, err := b.DrainOnce("f", nil); ok || err != nil {
		t.Fatal(ok, err)
	}
}

// Callers leave, join, and are pooled as the server's are, while calls end in every
// way: each execution either runs or ends as left, slots and queue come back to
// nothing, and nobody is woken twice.
func TestCallersLeaveUnderLoad(t *testing.T) {
	begin := make(chan struct{})
	w := startWorkers(3, func(task Task) { <-begin; task.Complete(success(`1`)) })
	c, err := New(recordedConfig(t, Config{}), newRealClock(), &seqIDs{}, w, nil)
	if err != nil {
		t.Fatal(err)
	}
	fn, err := c.Register(spec(t, "f", slots(2), queueSize(1000)))
	if err != nil {
		t.Fatal(err)
	}
	var ran, left atomic.Int64
	var callers sync.WaitGroup
	for i := range 16 {
		callers.Go(func() {
			pooled := &pooledCaller{woken: make(chan Snapshot, 1)}
			settled := make(chan struct{}, 1)
			for n := range 300 {
				pooled.gone.Store((i+n)%3 == 0)
				r := &Request{Function: "f", Sync: true, Waiter: pooled, Input: []byte(`1`)}
				r.OnSettled = func() { settled <- struct{}{} }
				if n%5 == 4 {
					r.IdempotencyKey = idOf(uint64(n)).String()
				}
				res, err := c.Submit(r)
				for err == error(ErrPending) {
					<-settled
					res, err = c.Submit(r)
				}
				switch {
				case err != nil:
					t.Error(err)
					return
				case !res.Waiting:
					continue
				}
				s := <-pooled.woken // a lost turn hangs here
				switch {
				case s.Status == Success:
					ran.Add(1)
				case s.Err != nil && s.Err.Code == CodeCancelled:
					left.Add(1)
				default:
					t.Errorf("%s, %v", s.Status, s.Err)
				}
			}
		})
	}
	// The first calls wait for their turn, however few processors there are:
	// some callers have left by then.
	for fn.QueueDepth() < 14 {
		time.Sleep(time.Millisecond)
	}
	close(begin)
	callers.Wait()
	w.stop(c)
	if ran.Load() == 0 || left.Load() == 0 {
		t.Fatalf("%d ran, %d left", ran.Load(), left.Load())
	}
	if fn.QueueDepth() != 0 || fn.InFlight() != 0 || fn.SyncQueueDepth() != 0 {
		t.Fatalf("%d queued, %d in flight, %d sync", fn.QueueDepth(), fn.InFlight(), fn.SyncQueueDepth())
	}
}

// pooledCaller is used for one call after the other.
type pooledCaller struct {
	gone  atomic.Bool
	woken chan Snapshot
}

func (p *pooledCaller) Wake(s Snapshot) { p.woken <- s }
func (p *pooledCaller) Gone() bool      { return p.gone.Load() }

// A caller that comes again runs, also in the moment between the end of the call that
// nobody waited for and the release of its key.
func TestNobodyJoinsACallThatNobodyWaitedFor(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1))
	b.invoke("f")
	id, w := b.call("f", keyed("k"))
	w.gone.Store(true)
	b.finish("f", 1, time.Millisecond)
	b.wantLeft(id)
	now := b.clock.Now().Wall
	if state, token, _ := b.keys.AcquireOrGet("f", "k", FingerprintOf([]byte(`1`), nil), now, nil); state != Claimed {
		t.Fatalf("the key is %v", state)
	} else if err := b.keys.Publish("f", "k", token, id, now); err != nil { // not released yet
		t.Fatal(err)
	}
	res, err := b.Submit(&Request{Function: "f", Sync: true, Waiter: &caller{}, Input: []byte(`1`), IdempotencyKey: "k"})
	if err != nil || res.Existing || res.ID == id {
		t.Errorf("the caller came again: %+v, %v", res, err)
	}
	b.Core.freeKey(b.store.get(id)) // now it is
	if next, ok := b.keys.Get("f", "k", now); !ok || next != res.ID {
		t.Errorf("the key leads to %v, %v", next, ok)
	}
}
