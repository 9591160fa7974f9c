package core

import (
	"testing"
	"time"
)

// admitting switches sync admission on with small bounds.
func admitting(maxConcurrency, maxDepth int) func(*Config) {
	return func(cfg *Config) {
		cfg.SyncQueue = SyncQueueConfig{
			Enabled: true, MaxConcurrency: maxConcurrency, MaxDepth: maxDepth,
			MaxEstimatedWait: 2 * time.Second, MaxQueueWait: 3 * time.Second, RetryAfter: time.Second,
		}
	}
}

func (b *bed) tryInvoke(name string) error {
	_, err := b.Submit(&Request{Function: name, Sync: true, Input: []byte(`1`), Waiter: &wakes{}})
	return err
}

func TestSyncQueueAdmitsUnderMaxConcurrency(t *testing.T) {
	b := newBed(t, admitting(2, 1))
	b.register("busy", slots(1), queueSize(100))
	b.register("free", slots(100), queueSize(100))
	for range 2 { // one runs, one waits: the sync queue is at its depth
		wantEqual(t, "invoke", b.tryInvoke("busy"), nil)
	}
	// One in flight, under 2: a function with a free slot takes the next, whatever
	// the depth.
	wantEqual(t, "invoke", b.tryInvoke("free"), nil)
	wantEqual(t, "at max concurrency", b.tryInvoke("free"), error(ErrDepth))
	wantEqual(t, "gauges", b.Gauges().SyncQueueDepth, 1)
	wantEqual(t, "gauges", b.Gauges().SyncInFlight, 2)
}

// The callers of a function without a free slot are judged, however few
// executions are in flight in all.
func TestSyncQueueJudgesAtOneFunctionsLimit(t *testing.T) {
	b := newBed(t, admitting(100, 100))
	b.register("f", slots(1), queueSize(100))
	b.finish("f", 3, time.Second) // one a second
	wantEqual(t, "takes the slot", b.tryInvoke("f"), nil)
	admitted := 0
	for range 20 {
		if b.tryInvoke("f") == nil {
			admitted++
		}
	}
	wantEqual(t, "waiting within 2 s", admitted, 4) // three in two seconds: estimates of 0, 0.67, 1.33 and 2 s
}

func TestSyncQueueDepthIsBoundedAboveMaxConcurrency(t *testing.T) {
	b := newBed(t, admitting(1, 2))
	b.register("f", slots(1), queueSize(100))
	for range 3 { // one runs, two wait: no completion yet, so no estimate
		wantEqual(t, "invoke", b.tryInvoke("f"), nil)
	}
	wantEqual(t, "at max depth", b.tryInvoke("f"), error(ErrDepth))
	b.enqueue("f") // async work is not judged
	wantEqual(t, "rejected with", b.seen.of(EventRejected)[0].Code, CodeDepth)
	b.work.next(t).Complete(success(`1`))
	wantEqual(t, "after one was done", b.tryInvoke("f"), nil)
}

// finish runs n calls of name one after the other, each taking d.
func (b *bed) finish(name string, n int, d time.Duration) {
	b.t.Helper()
	for range n {
		b.enqueue(name)
		b.clock.advance(d)
		b.work.next(b.t).Complete(success(`1`))
	}
}

func TestSyncQueueEstimatePerFunctionFromThreeCompletions(t *testing.T) {
	b := newBed(t, admitting(1, 100))
	b.register("slow", slots(1), queueSize(100))
	b.register("fast", slots(1), queueSize(100))
	b.finish("slow", 3, time.Second) // first completion at 1 s: 3 in 2 s
	for range 300 {
		b.finish("fast", 1, 0)
	}
	wantEqual(t, "slow runs", b.tryInvoke("slow"), nil)
	wantEqual(t, "slow, depth 0", b.tryInvoke("slow"), nil)
	wantEqual(t, "slow, depth 1", b.tryInvoke("slow"), nil)
	wantEqual(t, "slow, depth 2", b.tryInvoke("slow"), nil)
	wantEqual(t, "slow, depth 3: 3 * 2 s / 3 = 2 s", b.tryInvoke("slow"), nil)
	wantEqual(t, "slow, depth 4: over 2 s", b.tryInvoke("slow"), error(ErrEstWait))
	wantEqual(t, "fast has a rate of its own", b.tryInvoke("fast"), nil)
}

func TestSyncQueueEstimateGlobalBelowThreeCompletions(t *testing.T) {
	b := newBed(t, admitting(1, 100))
	b.register("busy", slots(1), queueSize(100))
	b.register("new", slots(1), queueSize(100))
	b.finish("busy", 2, time.Second) // 2 in 1 s, both functions below three
	wantEqual(t, "busy runs", b.tryInvoke("busy"), nil)
	for i := range 5 { // depth 0..4 over both; 4 * 1 s / 2 = 2 s
		wantEqual(t, "waiting", b.tryInvoke([]string{"busy", "new"}[i%2]), nil)
	}
	// "new" runs one of them: three wait in busy, one in new.
	wantEqual(t, "depth", b.Gauges().SyncQueueDepth, 4)
	wantEqual(t, "depth 4", b.tryInvoke("new"), nil)
	wantEqual(t, "depth 5: 2.5 s", b.tryInvoke("new"), error(ErrEstWait))
	b.clock.advance(15 * time.Second) // the window empties; queue waits run out
	wantEqual(t, "no completions to estimate from", b.tryInvoke("new"), nil)
}

func TestSyncQueueEstimateCanBeSwitchedOff(t *testing.T) {
	b := newBed(t, admitting(1, 5), func(cfg *Config) { cfg.SyncQueue.EstimateDisabled = true })
	b.register("f", slots(1), queueSize(100))
	b.finish("f", 3, time.Second)
	for range 6 {
		wantEqual(t, "invoke", b.tryInvoke("f"), nil)
	}
	wantEqual(t, "depth still holds", b.tryInvoke("f"), error(ErrDepth))
}

// An attempt that fails and is requeued took nothing off the queue.
func TestSyncQueueEstimateIgnoresRetriedAttempts(t *testing.T) {
	b := newBed(t, admitting(1, 100))
	b.register("f", slots(1), queueSize(100), retries(100))
	b.enqueue("f")
	for range 50 {
		b.work.next(t).Complete(failure("BOOM"))
	}
	b.clock.advance(time.Second)
	fn := b.Function("f")
	count, _ := fn.completions.recent(b.clock.Now())
	wantEqual(t, "completions while it retries", count, 0)
	b.work.next(t).Complete(success(`1`))
	count, _ = fn.completions.recent(b.clock.Now())
	wantEqual(t, "completions once it is done", count, 1)
}

func TestSyncQueueMaxQueueWaitRejectsTheCaller(t *testing.T) {
	b := newBed(t, admitting(10, 10))
	b.register("f", slots(1), queueSize(100))
	b.invoke("f")
	id, w := b.invoke("f")
	async := b.enqueue("f")
	b.clock.advance(3*time.Second - 1)
	b.wantStatus(id, Queued)
	b.clock.advance(1)
	s := w.only(t)
	wantEqual(t, "status", s.Status, Error)
	wantEqual(t, "code", s.Err.Code, CodeQueueWait)
	b.wantStatus(async, Queued) // async work has no such limit
	wantEqual(t, "sync depth", b.Gauges().SyncQueueDepth, 0)
}

func TestSyncQueueMaxQueueWaitEndsWithTheWait(t *testing.T) {
	b := newBed(t, admitting(10, 10))
	b.register("f", slots(1), queueSize(100), timeout(20*time.Second))
	b.invoke("f")
	id, _ := b.invoke("f")
	b.clock.advance(2 * time.Second)
	b.work.next(t).Complete(success(`1`))
	b.clock.advance(10 * time.Second)
	b.wantStatus(id, Running)
}

// What has run is not refused any more, though it waits again for its retry:
// QUEUE_WAIT tells a caller that nothing ran. Only its own deadline ends it.
func TestSyncQueueMaxQueueWaitIsAboutTheFirstAttempt(t *testing.T) {
	for _, ranFor := range []time.Duration{0, 2 * time.Second, 5 * time.Second} { // max is 3 s
		b := newBed(t, admitting(10, 10))
		b.register("f", slots(1), queueSize(100), timeout(20*time.Second))
		id, w := b.invoke("f", func(r *Request) { r.IdempotencyKey = "k" })
		b.enqueue("f")
		b.clock.advance(ranFor)
		b.work.next(t).Complete(failure("BOOM")) // behind the other one now
		b.clock.advance(20*time.Second - ranFor - 1)
		b.wantStatus(id, Queued)
		b.clock.advance(1)
		s := w.only(t)
		wantEqual(t, "status", s.Status, Timeout)
		wantEqual(t, "attempt it waited for", s.Attempt, 2)
		again, err := b.once("k")
		wantEqual(t, "error", err, nil)
		wantEqual(t, "the key keeps what ran", again.ID, id)
	}
}

func TestSyncQueueCallerDeadlineBeforeQueueWait(t *testing.T) {
	b := newBed(t, admitting(10, 10))
	b.register("f", slots(1), timeout(3*time.Second)) // the same as maxQueueWait
	b.invoke("f")
	_, w := b.invoke("f")
	b.clock.advance(3 * time.Second)
	wantEqual(t, "status", w.only(t).Status, Timeout)
}

func TestSyncQueueConfigIsCheckedAndChanged(t *testing.T) {
	b := newBed(t)
	was := b.SyncQueue()
	err := b.SetSyncQueue(SyncQueueConfig{})
	v, ok := err.(*ValidationError)
	if !ok || len(v.Details) != 5 {
		t.Fatal("want five violations, got", err)
	}
	wantEqual(t, "after a refused change", b.SyncQueue(), was)
	was.Enabled = true
	wantEqual(t, "change", b.SetSyncQueue(was), nil)
	wantEqual(t, "after", b.SyncQueue(), was)
}

func TestThroughputWindow(t *testing.T) {
	var tp throughput
	at := func(s int64) Instant { return Instant{Mono: s * sec} }
	n, _ := tp.recent(at(5))
	wantEqual(t, "empty", n, 0)
	tp.add(at(5))
	n, span := tp.recent(at(5))
	wantEqual(t, "one", n, 1)
	wantEqual(t, "span of a first burst", span, time.Second)
	for s := int64(6); s < 12; s++ {
		tp.add(at(s))
	}
	n, span = tp.recent(at(12))
	wantEqual(t, "seven", n, 7)
	wantEqual(t, "span", span, 7*time.Second)
	n, span = tp.recent(at(16))
	wantEqual(t, "the oldest two have left", n, 5)
	wantEqual(t, "span at most the window", span, 10*time.Second)
	n, _ = tp.recent(at(21))
	wantEqual(t, "all but none", n, 0)
	n, _ = tp.recent(at(1_000_000))
	wantEqual(t, "long after", n, 0)
	tp.add(at(1_000_000))
	n, span = tp.recent(at(1_000_001))
	wantEqual(t, "fresh", n, 1)
	wantEqual(t, "span starts anew", span, time.Second)
}
