package server

import (
	"testing"
	"time"
)

// saturated starts a server whose sync queue admits one invocation in flight
// and judges all others, and fills that place and depth queued ones.
func saturated(t *testing.T, depth int, change func(*Config)) (*fixture, *gate, chan *answer) {
	t.Helper()
	f := start(t, func(c *Config) {
		c.Core.SyncQueue.Enabled = true
		c.Core.SyncQueue.MaxConcurrency = 1
		c.Core.SyncQueue.MaxDepth = 100
		c.Core.SyncQueue.MaxEstimatedWait = time.Hour
		c.Core.SyncQueue.MaxQueueWait = time.Hour
		c.Core.SyncQueue.RetryAfter = 1500 * ms
		change(c)
	})
	g := f.hold("fn")
	f.register("fn", "LOCAL", `"concurrency":1`)
	answers := make(chan *answer, 100)
	call := func() {
		a, _ := f.try(f.api, "POST", "/v1/functions/fn:invoke", `{"input":1}`)
		answers <- a
	}
	go call()
	g.arrival(t)
	for range depth {
		go call()
	}
	f.eventually("the queue has its depth", func() bool { return f.s.only.core.Function("fn").QueueDepth() == depth })
	return f, g, answers
}

func rejectedBySyncQueue(t *testing.T, a *answer, code, reason string) {
	t.Helper()
	a.refused(429, code)
	// 1.5 s, in whole seconds and never too early.
	if got := a.header.Get("Retry-After"); got != "2" {
		t.Errorf("Retry-After %q, want 2", got)
	}
	if got := a.header.Get("X-Queue-Reject-Reason"); got != reason {
		t.Errorf("X-Queue-Reject-Reason %q, want %s", got, reason)
	}
}

func TestSyncQueueBackpressureDepth(t *testing.T) {
	f, g, answers := saturated(t, 2, func(c *Config) { c.Core.SyncQueue.MaxDepth = 2 })
	rejectedBySyncQueue(t, f.invoke("fn", `1`), "DEPTH", "depth")
	// Async work is not the sync queue's business.
	async := f.enqueue("fn", `1`).expect(202).str("executionId")
	if n := f.series(`sync_queue_rejected_total{function="fn",reason="depth"}`); n != 1 {
		t.Errorf("sync_queue_rejected_total is %v", n)
	}
	g.open()
	for range 3 {
		if a := receive(t, "an admitted caller", answers); a == nil || a.str("status") != "success" {
			t.Errorf("admitted: %+v", a)
		}
	}
	f.ended(async)
	f.invoke("fn", `1`).expect(200) // and admits again
}

func TestSyncQueueBackpressureEstimatedWait(t *testing.T) {
	f, g, answers := saturated(t, 1, func(c *Config) { c.Core.SyncQueue.MaxEstimatedWait = time.Nanosecond })
	// Nothing has completed yet, so there was nothing to estimate from: the
	// one that waits was admitted. With a completion there is.
	g.one(t)
	receive(t, "the first caller", answers)
	g.arrival(t)
	waiting := make(chan *answer, 1)
	go func() {
		a, _ := f.try(f.api, "POST", "/v1/functions/fn:invoke", `{"input":1}`)
		waiting <- a
	}()
	// Depth is 0 now, so the estimate is 0 and this one may wait.
	f.eventually("one waits", func() bool { return f.s.only.core.Function("fn").QueueDepth() == 1 })
	rejectedBySyncQueue(t, f.invoke("fn", `1`), "EST_WAIT", "est_wait")
	g.open()
	receive(t, "the second caller", answers)
	if a := receive(t, "the caller that waited", waiting); a == nil || a.str("status") != "success" {
		t.Errorf("waited: %+v", a)
	}
}

func TestSyncQueueBackpressureQueueWait(t *testing.T) {
	f, g, _ := saturated(t, 0, func(c *Config) { c.Core.SyncQueue.MaxQueueWait = 30 * ms })
	a := f.invoke("fn", `1`, "Idempotency-Key", "k")
	rejectedBySyncQueue(t, a, "QUEUE_WAIT", "queue_wait")
	id := a.header.Get("X-Execution-Id")
	if e := f.get("/v1/executions/" + id).expect(200); e.str("status") != "error" || e.str("error", "code") != "QUEUE_WAIT" {
		t.Errorf("execution: %s", e.body)
	}
	if n := f.s.only.core.Function("fn").QueueDepth(); n != 0 {
		t.Errorf("the rejected one is still queued (%d)", n)
	}
	g.open()
	f.eventually("the slot is free", func() bool { return f.s.only.core.Function("fn").InFlight() == 0 })
	// The caller was told to come back, so its key must not be used up.
	if again := f.invoke("fn", `1`, "Idempotency-Key", "k"); again.status != 200 || again.str("status") != "success" {
		t.Errorf("the second try: %d %s", again.status, again.body)
	}
}

func TestSyncQueueOffNeverRejects(t *testing.T) {
	f, g, answers := saturated(t, 5, func(c *Config) {
		c.Core.SyncQueue.Enabled = false
		c.Core.SyncQueue.MaxDepth = 1
		c.Core.SyncQueue.MaxQueueWait = time.Nanosecond
	})
	g.open()
	for range 6 {
		if a := receive(t, "a caller", answers); a == nil || a.str("status") != "success" {
			t.Errorf("%+v", a)
		}
	}
	f.invoke("fn", `1`).expect(200)
}
