package core

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// From many goroutines, with a journal that advances meanwhile: every attempt is
// dispatched after its start is durable and once only, every caller is woken once,
// and what is shown in the end is what the facts come to.
func TestAJournalThatAdvancesConcurrently(t *testing.T) {
	j := &memJournal{}
	cfg := DefaultConfig()
	cfg.RateMaxPerSecond, cfg.Journal, cfg.Specs = 0, j, jsonSpecs{}
	work := &checkedWork{t: t, made: map[string]bool{}}
	c, err := New(recordedConfig(t, cfg), newTestClock(), &seqIDs{}, work, nil)
	if err != nil {
		t.Fatal(err)
	}
	work.core = c
	if err := c.Restore().Done(c.clock.Now(), nil); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if _, err := c.Register(spec(t, name, slots(3), queueSize(10_000), retries(1))); err != nil {
			t.Fatal(err)
		}
	}
	stop := make(chan struct{})
	var advancing, submitting sync.WaitGroup
	for range 2 {
		advancing.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					c.JournalAdvanced(j.sync(1 + rand.IntN(7)))
				}
			}
		})
	}
	const submitters, each = 4, 60
	var mu sync.Mutex
	var ids []ID
	var joins atomic.Int64
	woken := &wakes{}
	for s := range submitters {
		submitting.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(s)))
			for range each {
				req := Request{Function: []string{"a", "b"}[r.IntN(2)], Input: []byte(`1`), IdempotencyKey: []string{"", "x", "y"}[r.IntN(3)]}
				res, err := c.Submit(&req)
				for err == ErrPending {
					res, err = c.Submit(&req)
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				ids = append(ids, res.ID)
				mu.Unlock()
				switch r.IntN(5) {
				case 0:
					_, _ = c.Cancel(res.ID)
				case 1:
					_, _ = c.Complete(res.ID, 0, success(`"outside"`))
				case 2:
					if req.IdempotencyKey != "" {
						req.Sync, req.Waiter = true, woken
						if res, err := c.Submit(&req); err == nil && res.Waiting {
							joins.Add(1)
						}
					}
				case 3:
					c.Search(&Search{Statuses: Statuses(0).With(Running), Limit: 10})
				}
			}
		})
	}
	submitting.Wait()
	for quiet := false; !quiet; {
		queued, inFlight := c.Unfinished()
		quiet = queued+inFlight == 0 && c.Gauges().Held == 0 && j.pending() == 0
		time.Sleep(time.Millisecond)
	}
	close(stop)
	advancing.Wait()
	work.wait.Wait()
	folded := fold(j.facts(t), c.clock.Now().Wall, time.Hour)
	for _, id := range ids {
		s, ok := c.Execution(id)
		if !ok || !s.Status.Terminal() {
			t.Fatalf("%v is %v, %v", id, s.Status, ok)
		}
		if e := folded.executions[id]; e == nil || e.status != s.Status || e.output != string(s.Output) {
			t.Fatalf("%v is %+v, and in the journal %+v", id, s, e)
		}
	}
	if n := int64(woken.count()); n != joins.Load() {
		t.Errorf("%d of %d who joined were woken", n, joins.Load())
	}
	for _, fn := range c.Functions() {
		if fn.InFlight() != 0 || fn.QueueDepth() != 0 || fn.open != 0 {
			t.Errorf("%s: %d in flight, %d queued, %d open", fn.Name(), fn.InFlight(), fn.QueueDepth(), fn.open)
		}
	}
}

// checkedWork answers from goroutines of its own, each third attempt with a
// failure.
type checkedWork struct {
	t    *testing.T
	core *Core
	mu   sync.Mutex
	made map[string]bool
	n    atomic.Int64
	wait sync.WaitGroup
}

func (w *checkedWork) Dispatch(task Task) {
	ex := w.core.store.get(task.ID)
	if ex == nil {
		w.t.Errorf("%v is dispatched and unknown", task.ID)
		return
	}
	ex.fn.mu.Lock()
	lsns := append([]LSN(nil), ex.more.facts.lsns...)
	ended := ex.status.Terminal()
	ex.fn.mu.Unlock()
	if started := lsns[2*task.Attempt-1]; !ended && !w.core.held.reached(started) { // accepted, started, retried, started
		w.t.Errorf("attempt %d of %v is dispatched before fact %d", task.Attempt, task.ID, started)
	}
	w.mu.Lock()
	key := task.ID.String() + string(rune('0'+task.Attempt))
	if w.made[key] {
		w.t.Errorf("attempt %d of %v is dispatched twice", task.Attempt, task.ID)
	}
	w.made[key] = true
	w.mu.Unlock()
	o := success(`"out"`)
	if w.n.Add(1)%3 == 0 {
		o = failure("BOOM")
	}
	w.wait.Go(func() { task.Complete(o) })
}
