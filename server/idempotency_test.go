package server

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"simplane/core"
)

func TestIdempotencyReturnsTheFirstExecution(t *testing.T) {
	f := start(t)
	var runs atomic.Int32
	f.s.HandleLocal("fn", func(task core.Task) ([]byte, error) {
		return fmt.Appendf(nil, "%d", runs.Add(1)), nil
	})
	f.register("fn", "LOCAL")
	f.register("other", "LOCAL")

	first := f.invoke("fn", `1`, "Idempotency-Key", "k").expect(200)
	again := f.invoke("fn", `1`, "Idempotency-Key", "k").expect(200)
	if string(first.body) != string(again.body) || again.header.Get("X-Execution-Id") != first.str("executionId") {
		t.Errorf("first %s, again %s", first.body, again.body)
	}
	queued := f.enqueue("fn", `1`, "Idempotency-Key", "k").expect(202)
	if queued.str("executionId") != first.str("executionId") || queued.str("status") != "success" {
		t.Errorf("enqueue with the same key: %s", queued.body)
	}
	for _, a := range []*answer{
		f.invoke("fn", `1`, "Idempotency-Key", "K"), f.invoke("fn", `1`, "Idempotency-Key", ""), f.invoke("other", `1`, "Idempotency-Key", "k"),
	} {
		if a.expect(200).str("executionId") == first.str("executionId") {
			t.Errorf("another key or function was given the execution: %s", a.body)
		}
	}
	if n := runs.Load(); n != 3 {
		t.Errorf("%d runs, want 3", n)
	}
}

func TestIdempotencyWith64RacingCallers(t *testing.T) {
	f := start(t)
	var runs atomic.Int32
	f.s.HandleLocal("fn", func(task core.Task) ([]byte, error) {
		runs.Add(1)
		return task.Input, nil
	})
	f.register("fn", "LOCAL", `"concurrency":64,"queueSize":1000`)
	const callers, keys = 64, 8
	for k := range keys {
		var all sync.WaitGroup
		var mu sync.Mutex
		seen := map[string]int{}
		begin := make(chan struct{})
		for i := range callers {
			all.Go(func() {
				<-begin
				action, want := "invoke", 200
				if i%4 == 3 {
					action, want = "enqueue", 202
				}
				a, err := f.try(f.api, "POST", "/v1/functions/fn:"+action, fmt.Sprintf(`{"input":%d}`, k), "Idempotency-Key", fmt.Sprint("key", k))
				if err != nil || a.status != want {
					t.Errorf("%v %+v", err, a)
					return
				}
				mu.Lock()
				seen[a.str("executionId")]++
				mu.Unlock()
			})
		}
		close(begin)
		all.Wait()
		if len(seen) != 1 {
			t.Errorf("key %d led to %d executions", k, len(seen))
		}
	}
	f.eventually("all done", func() bool { q, r := f.s.only.core.Unfinished(); return q+r == 0 })
	if n := runs.Load(); n != keys {
		t.Errorf("%d runs for %d keys", n, keys)
	}
}

// Whoever has or guesses a key, and not its request, gets nothing of the first
// one's, neither before its end nor after it, and changes nothing.
func TestIdempotencyKeyWithAnotherRequest(t *testing.T) {
	f := start(t)
	g := f.hold("fn")
	f.register("fn", "LOCAL")
	body := func(input, metadata string) string { return `{"input":` + input + `,"metadata":` + metadata + `}` }
	first := f.post("/v1/functions/fn:enqueue", body(`{"amount":1}`, `{"a":"b"}`), "Idempotency-Key", "k").expect(202).str("executionId")
	g.arrival(t)
	check := func(when string) {
		t.Helper()
		for _, other := range []string{body(`{"amount":999}`, `{"a":"b"}`), body(`{"amount":1}`, `{"a":"c"}`), `{"input":{"amount":1}}`} {
			for _, action := range []string{"invoke", "enqueue"} {
				a := f.post("/v1/functions/fn:"+action, other, "Idempotency-Key", "k").refused(422, "IDEMPOTENCY_KEY_REUSED")
				if strings.Contains(string(a.body), first) || a.header.Get("X-Execution-Id") != "" || a.header.Get("Retry-After") != "" {
					t.Errorf("%s, %s: %v %s", when, other, a.header, a.body)
				}
			}
		}
	}
	check("running")
	g.open()
	f.ended(first)
	check("ended")
	again := f.post("/v1/functions/fn:invoke", body(`{"amount":1}`, `{"a":"b"}`), "Idempotency-Key", "k").expect(200)
	if again.str("executionId") != first || again.str("status") != "success" {
		t.Errorf("the same request: %s", again.body)
	}
	if n := f.s.only.core.Gauges().StoredExecutions; n != 1 {
		t.Errorf("%d executions", n)
	}
}

// A caller that joins a running execution waits as long as its own deadline
// allows and leaves the execution alone.
func TestIdempotentCallerHasItsOwnDeadline(t *testing.T) {
	f := start(t)
	g := f.hold("fn")
	f.register("fn", "LOCAL")
	id := f.enqueue("fn", `1`, "Idempotency-Key", "k").expect(202).str("executionId")
	g.arrival(t)
	a := f.invoke("fn", `1`, "Idempotency-Key", "k", "X-Timeout-Ms", "30").expect(200)
	if a.str("executionId") != id || a.str("status") != "timeout" {
		t.Errorf("impatient caller: %s", a.body)
	}
	if s := f.get("/v1/executions/" + id).str("status"); s != "running" {
		t.Errorf("the execution is %s", s)
	}
	joined := make(chan *answer, 1)
	go func() {
		a, _ := f.try(f.api, "POST", "/v1/functions/fn:invoke", `{"input":1}`, "Idempotency-Key", "k")
		joined <- a
	}()
	g.open()
	if a := receive(t, "the patient caller", joined); a == nil || a.str("executionId") != id || a.str("status") != "success" {
		t.Errorf("patient caller: %+v", a)
	}
}

// A refused request leaves its key free.
func TestIdempotencyKeyOfARefusedRequestIsFree(t *testing.T) {
	f := start(t)
	g := f.hold("fn")
	f.register("fn", "LOCAL", `"concurrency":1,"queueSize":1`)
	f.enqueue("fn", `1`).expect(202)
	f.enqueue("fn", `2`).expect(202)
	f.enqueue("fn", `3`, "Idempotency-Key", "k").refused(429, "QUEUE_FULL")
	g.open()
	f.eventually("room in the queue", func() bool { return f.s.only.core.Function("fn").QueueDepth() == 0 })
	id := f.enqueue("fn", `3`, "Idempotency-Key", "k").expect(202).str("executionId")
	if e := f.ended(id); e.raw("output") != "3" {
		t.Errorf("execution: %s", e.body)
	}
}

func TestIdempotencyStoreFull(t *testing.T) {
	f := start(t, func(c *Config) { c.Core.MaxIdempotencyKeys = 1 })
	f.register("fn", "LOCAL")
	f.invoke("fn", `1`, "Idempotency-Key", "a").expect(200)
	a := f.invoke("fn", `1`, "Idempotency-Key", "b").refused(503, "IDEMPOTENCY_STORE_FULL")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	f.invoke("fn", `1`, "Idempotency-Key", "a").expect(200)
	f.invoke("fn", `1`).expect(200)
}

func TestIdempotencyKeyIsForwardedAndKept(t *testing.T) {
	f := start(t)
	f.register("fn", "LOCAL")
	// The key's bytes must not be a view of a buffer that the next request
	// overwrites.
	ids := map[string]string{}
	for i := range 100 {
		key := fmt.Sprintf("%s-%d", strings.Repeat("k", i), i)
		ids[key] = f.invoke("fn", `1`, "Idempotency-Key", key).expect(200).str("executionId")
	}
	for key, id := range ids {
		if again := f.invoke("fn", `1`, "Idempotency-Key", key).str("executionId"); again != id {
			t.Errorf("key %q: %s, then %s", key, id, again)
		}
	}
}
