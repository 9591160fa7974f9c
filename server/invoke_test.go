package server

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"simplane/core"
)

var uuidV4 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestInvocationControllerInvoke(t *testing.T) {
	f := start(t)
	f.register("echo", "LOCAL")
	for _, input := range []string{`{"a":[1,2.50,"x"],"b":null}`, `[]`, `"text"`, `0`, `false`, `1e400`, `"\u0000 é 😀"`, `{"a":1,"a":2}`} {
		a := f.invoke("echo", input).expect(200)
		id := a.header.Get("X-Execution-Id")
		if !uuidV4.MatchString(id) {
			t.Errorf("X-Execution-Id %q is no UUID", id)
		}
		// Byte for byte: what goes in comes out.
		if want := fmt.Sprintf(`{"executionId":%q,"status":"success","output":%s}`, id, input); string(a.body) != want {
			t.Errorf("got  %s\nwant %s", a.body, want)
		}
		e := f.get("/v1/executions/" + id).expect(200)
		if e.str("status") != "success" || e.str("functionName") != "echo" || e.num("attempt") != 1 || e.raw("coldStart") != "false" {
			t.Errorf("execution: %s", e.body)
		}
		created, started, finished := e.num("createdAtMillis"), e.num("startedAtMillis"), e.num("finishedAtMillis")
		if created == 0 || started < created || finished < started {
			t.Errorf("times out of order: %s", e.body)
		}
	}
}

func TestInvocationControllerEnqueue(t *testing.T) {
	f := start(t)
	f.register("echo", "LOCAL")
	a := f.enqueue("echo", `{"n":1}`).expect(202)
	id := a.header.Get("X-Execution-Id")
	if want := fmt.Sprintf(`{"executionId":%q,"status":"queued"}`, id); string(a.body) != want {
		t.Errorf("got  %s\nwant %s", a.body, want)
	}
	if e := f.ended(id); e.str("status") != "success" || e.raw("output") != `{"n":1}` {
		t.Errorf("execution: %s", e.body)
	}
}

func TestUnknownFunctionsAndExecutions(t *testing.T) {
	f := start(t)
	f.invoke("none", `1`).refused(404, "NOT_FOUND")
	f.enqueue("none", `1`).refused(404, "NOT_FOUND")
	f.post("/v1/functions/none:invoke", `{`).refused(404, "NOT_FOUND") // the more useful answer of the two
	f.post("/v1/functions/:invoke", `{"input":1}`).refused(404, "NOT_FOUND")
	for _, id := range []string{"7e0f8f0a-3b86-4c0e-9a34-0f6f0f2f3f11", "no-id", "%20", strings.Repeat("a", 2000)} {
		f.get("/v1/executions/"+id).refused(404, "NOT_FOUND")
	}
}

func TestInputMustNotBeNull(t *testing.T) {
	f := start(t)
	f.register("echo", "LOCAL")
	for _, action := range []string{"invoke", "enqueue"} {
		for _, body := range []string{`{}`, `{"input":null}`, `{"input": null }`, `{"metadata":{}}`, `{"input":1,"input":null}`} {
			a := f.post("/v1/functions/echo:"+action, body).refused(400, "VALIDATION_ERROR")
			if a.details() != "input: input must not be null" {
				t.Errorf("%s: details %q", body, a.details())
			}
		}
	}
}

func TestMetadataIsAnObjectOfStrings(t *testing.T) {
	f := start(t)
	f.register("echo", "LOCAL")
	for _, m := range []string{`1`, `"a"`, `[]`, `{"a":1}`, `{"a":"b","c":null}`, `{"a":{}}`} {
		a := f.post("/v1/functions/echo:invoke", `{"input":1,"metadata":`+m+`}`).refused(400, "VALIDATION_ERROR")
		if a.details() != "metadata: must be an object of strings" {
			t.Errorf("%s: details %q", m, a.details())
		}
	}
	for _, m := range []string{`{}`, `null`, `{"a":"b"}`} {
		f.post("/v1/functions/echo:invoke", `{"metadata":`+m+`,"input":1}`).expect(200)
	}
	both := f.post("/v1/functions/echo:invoke", `{"metadata":[]}`).refused(400, "VALIDATION_ERROR")
	if !strings.Contains(both.details(), "input:") || !strings.Contains(both.details(), "metadata:") {
		t.Errorf("not both violations: %s", both.body)
	}
}

// What a function is given is what the caller sent, also when the caller's
// connection has long been used for other requests.
func TestTaskCarriesTheRequest(t *testing.T) {
	f := start(t)
	g := f.hold("fn")
	f.register("fn", "LOCAL", `"concurrency":1,"timeoutMillis":20000`)
	first := f.post("/v1/functions/fn:enqueue", `{"input":{"n":1},"metadata":{"k":"v"},"extra":1}`,
		"X-Trace-Id", "trace-1", "Idempotency-Key", "key-1", "X-Timeout-Ms", "10000").expect(202).str("executionId")
	second := f.post("/v1/functions/fn:enqueue", `{"input":{"n":2}}`).expect(202).str("executionId")
	f.enqueue("fn", `"`+strings.Repeat("other", 50)+`"`, "X-Trace-Id", "zzzzzzz", "Idempotency-Key", "zzzzz")

	got := g.arrival(t)
	if got.ID.String() != first || string(got.Input) != `{"n":1}` || string(got.Metadata) != `{"k":"v"}` || got.TraceID != "trace-1" ||
		got.IdempotencyKey != "key-1" || got.Timeout.Milliseconds() != 10000 || got.Attempt != 1 {
		t.Errorf("task: %+v", got)
	}
	g.one(t)
	got = g.arrival(t)
	if got.ID.String() != second || string(got.Input) != `{"n":2}` || got.Metadata != nil || got.TraceID != "" || got.Timeout.Milliseconds() != 20000 {
		t.Errorf("second task: %+v", got)
	}
	g.open()
}

func TestTimeoutHeader(t *testing.T) {
	f := start(t)
	f.register("echo", "LOCAL")
	for _, v := range []string{"", "0", "-1", "1.5", "1e3", "abc", "9223372036854775808", "0x10", "1_000", "604800001"} {
		for _, action := range []string{"invoke", "enqueue"} {
			a := f.post("/v1/functions/echo:"+action, `{"input":1}`, "X-Timeout-Ms", v).refused(400, "VALIDATION_ERROR")
			if !strings.HasPrefix(a.details(), "X-Timeout-Ms: ") {
				t.Errorf("%s: details %q", v, a.details())
			}
		}
	}
	for _, v := range []string{"1000", "604800000"} {
		f.invoke("echo", `1`, "X-Timeout-Ms", v).expect(200)
	}
	for _, head := range []string{"X-Timeout-Ms:\r\n", "X-Timeout-Ms: 1000\r\nX-Timeout-Ms: 2000\r\n", "X-Timeout-Ms: 1000\r\nX-Timeout-Ms:\r\n", "X-Timeout-Ms:\r\nX-Timeout-Ms: 1000\r\n"} {
		for _, line := range []string{"POST /v1/functions/echo:invoke", "POST /v1/functions/echo:enqueue", "PUT /function/echo"} {
			c := f.caller()
			c.say("%s HTTP/1.1\r\nHost: 127.0.0.1\r\n%sContent-Length: 11\r\n\r\n{\"input\":1}", line, head)
			if resp, body := c.response("POST"); resp.StatusCode != 400 || !strings.Contains(string(body), "X-Timeout-Ms: ") {
				t.Errorf("%s with %q: %d %s", line, head, resp.StatusCode, body)
			}
		}
	}
}

func TestHeaderBounds(t *testing.T) {
	f := start(t)
	f.register("echo", "LOCAL")
	for _, h := range []string{"Idempotency-Key", "X-Trace-Id"} {
		f.invoke("echo", `1`, h, strings.Repeat("k", 512)).expect(200)
		a := f.invoke("echo", `1`, h, strings.Repeat("k", 513)).refused(400, "VALIDATION_ERROR")
		if !strings.HasPrefix(a.details(), h+": ") {
			t.Errorf("details %q", a.details())
		}
	}
}

// A timeout is an answer and not an HTTP error: 200 with status timeout.
func TestInvocationTimesOutWithTheCallersDeadline(t *testing.T) {
	f := start(t)
	g := f.hold("fn")
	f.register("fn", "LOCAL", `"concurrency":1`)
	fn := f.s.only.core.Function("fn")

	running := f.invoke("fn", `1`, "X-Timeout-Ms", "50").expect(200)
	// The dispatch has had its time too: the slot is free for others.
	f.eventually("the slot is free", func() bool { return fn.InFlight() == 0 })
	f.enqueue("fn", `2`).expect(202)
	queued := f.invoke("fn", `3`, "X-Timeout-Ms", "50").expect(200)
	for _, a := range []*answer{running, queued} {
		if want := fmt.Sprintf(`{"executionId":%q,"status":"timeout"}`, a.header.Get("X-Execution-Id")); string(a.body) != want {
			t.Errorf("got  %s\nwant %s", a.body, want)
		}
	}
	if e := f.get("/v1/executions/" + queued.str("executionId")); e.raw("startedAtMillis") != "" {
		t.Errorf("timed out in the queue, yet started: %s", e.body)
	}
	if fn.QueueDepth() != 0 {
		t.Errorf("queue depth %d after the timeout", fn.QueueDepth())
	}
	g.open()
	f.eventually("the late result is in", func() bool {
		return fn.InFlight() == 0 && f.series(`function_late_result_total{function="fn"}`)+f.series(`function_duplicate_result_total{function="fn"}`) == 1
	})
	if e := f.get("/v1/executions/" + running.str("executionId")); e.str("status") != "timeout" || e.raw("output") != "" {
		t.Errorf("a late result overwrote the timeout: %s", e.body)
	}
}

func TestSpecTimeoutHoldsForAsyncAttempts(t *testing.T) {
	f := start(t)
	f.hold("fn")
	f.register("fn", "LOCAL", `"timeoutMillis":30`)
	id := f.enqueue("fn", `1`).expect(202).str("executionId")
	if e := f.ended(id); e.str("status") != "timeout" || e.num("attempt") != 1 || e.raw("error") != "" {
		t.Errorf("execution: %s", e.body)
	}
}

func TestQueueFull(t *testing.T) {
	f := start(t)
	g := f.hold("fn")
	f.register("fn", "LOCAL", `"concurrency":1,"queueSize":2`)
	for i := range 3 {
		f.enqueue("fn", fmt.Sprint(i)).expect(202)
	}
	for _, a := range []*answer{f.enqueue("fn", `9`), f.invoke("fn", `9`)} {
		a.refused(429, "QUEUE_FULL")
		if a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	for i := range 3 { // first in, first out
		if got := string(g.arrival(t).Input); got != fmt.Sprint(i) {
			t.Errorf("call %d was given %s", i, got)
		}
		g.one(t)
	}
	f.eventually("all done", func() bool { return f.s.only.core.Function("fn").InFlight() == 0 })
}

func TestConcurrencyHoldsForSyncAndAsync(t *testing.T) {
	f := start(t)
	var mu sync.Mutex
	running, most := 0, 0
	f.s.HandleLocal("fn", func(task core.Task) ([]byte, error) {
		mu.Lock()
		running++
		most = max(most, running)
		mu.Unlock()
		defer func() {
			mu.Lock()
			running--
			mu.Unlock()
		}()
		return task.Input, nil
	})
	f.register("fn", "LOCAL", `"concurrency":3,"queueSize":1000`)
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			action := []string{"invoke", "enqueue"}[i%2]
			if a, err := f.try(f.api, "POST", "/v1/functions/fn:"+action, `{"input":1}`); err != nil || a.status/100 != 2 {
				t.Errorf("%v %+v", err, a)
			}
		})
	}
	all.Wait()
	f.eventually("all done", func() bool { q, r := f.s.only.core.Unfinished(); return q+r == 0 })
	mu.Lock()
	defer mu.Unlock()
	if most > 3 || most == 0 {
		t.Errorf("%d ran at once, concurrency is 3", most)
	}
}

func TestRateLimit(t *testing.T) {
	f := start(t, func(c *Config) { c.Core.RateMaxPerSecond = 1 })
	f.register("echo", "LOCAL")
	// Two of three requests within one second are over the limit; in at most
	// one place does a new second begin between them.
	var refused *answer
	for range 3 {
		if a := f.invoke("echo", `1`); a.status == 429 {
			refused = a
		}
	}
	if refused == nil {
		t.Fatal("nothing was refused")
	}
	refused.refused(429, "RATE_LIMITED")
	if refused.header.Get("Retry-After") != "1" || refused.header.Get("X-Execution-Id") != "" || refused.header.Get("X-Queue-Reject-Reason") != "" {
		t.Errorf("headers: %v", refused.header)
	}
	f.get("/v1/functions/echo").expect(200) // reading is not limited
}

func TestRateLimitOfOneFunction(t *testing.T) {
	f := start(t)
	f.register("slow", "LOCAL", `"rateMaxPerSecond":1`)
	f.register("free", "LOCAL")
	refused := 0
	for range 3 {
		if a := f.enqueue("slow", `1`); a.status == 429 {
			a.refused(429, "RATE_LIMITED")
			refused++
		}
		f.enqueue("free", `1`).expect(202)
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
}

func TestStoreFull(t *testing.T) {
	f := start(t, func(c *Config) { c.Core.MaxExecutions = 2 })
	f.register("echo", "LOCAL")
	f.invoke("echo", `1`).expect(200)
	id := f.invoke("echo", `2`).expect(200).str("executionId")
	a := f.invoke("echo", `3`, "Idempotency-Key", "k").refused(503, "STORE_FULL")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	f.enqueue("echo", `3`).refused(503, "STORE_FULL")
	f.get("/v1/executions/" + id).expect(200) // nothing was dropped for it
}

func TestPayloadBound(t *testing.T) {
	f := start(t, func(c *Config) { c.Core.MaxPayloadBytes = 100 })
	f.register("echo", "LOCAL")
	large := `"` + strings.Repeat("x", 80) + `"`
	first := f.invoke("echo", large).expect(200).str("executionId")
	second := f.invoke("echo", large).expect(200).str("executionId") // the first one's goes
	if a := f.get("/v1/executions/" + first).expect(200); a.str("status") != "success" || a.raw("cleanedUp") != "true" || a.raw("output") != "" {
		t.Errorf("the first: %s", a.body)
	}
	if a := f.get("/v1/executions/" + second).expect(200); a.raw("output") != large {
		t.Errorf("the second: %s", a.body)
	}
	queued := f.enqueue("echo", large).expect(202).str("executionId")
	f.ended(queued)
	f.invoke("echo", large).refused(503, "STORE_FULL") // async work keeps its
	f.invoke("echo", `1`).expect(200)
	if a := f.get("/v1/executions/" + queued).expect(200); a.raw("output") != large {
		t.Errorf("the async one: %s", a.body)
	}
}

func TestAsyncSwitchedOff(t *testing.T) {
	f := start(t, func(c *Config) { c.AsyncEnabled = false })
	f.register("echo", "LOCAL")
	f.enqueue("echo", `1`).refused(501, "ASYNC_DISABLED")
	f.invoke("echo", `1`).expect(200)
}

func TestExpiry(t *testing.T) {
	f := start(t, func(c *Config) {
		c.Core.CleanupTTL, c.Core.TTL, c.Core.StaleTTL = 20*ms, 400*ms, 200*ms
	})
	f.register("echo", "LOCAL", `"timeoutMillis":199`)
	g := f.hold("stuck")
	f.register("stuck", "LOCAL", `"timeoutMillis":199`)
	stuck := make(chan *answer, 1)
	go func() {
		a, _ := f.try(f.api, "POST", "/v1/functions/stuck:invoke", `{"input":1}`, "X-Timeout-Ms", "30000")
		stuck <- a
	}()
	g.arrival(t)
	id := f.invoke("echo", `1`).expect(200).str("executionId")

	var last *answer
	f.eventually("cleaned up, then evicted", func() bool {
		a := f.get("/v1/executions/" + id)
		if a.status == 404 {
			return true
		}
		last = a.expect(200)
		return false
	})
	// The last look before eviction: status readable, output gone.
	if last != nil && (last.str("status") != "success" || last.raw("cleanedUp") == "true" && last.raw("output") != "") {
		t.Errorf("before eviction: %s", last.body)
	}
	a := receive(t, "the stale execution's waiter", stuck)
	if a == nil || a.status != 200 || a.str("status") != "timeout" || a.str("error", "code") != "STALE" {
		t.Errorf("stale: %+v", a)
	}
	if id := a.str("executionId"); !strings.Contains(f.log.String(), id) {
		t.Errorf("the log does not say that %s became stale", id)
	}
	if n := f.s.only.core.Function("stuck").InFlight(); n != 0 {
		t.Errorf("the stale execution still holds a slot (%d)", n)
	}
}

// Paths that mean the same lead to the same function, whether they can be
// taken as they come or not; those that lead elsewhere do not.
func TestPathsOfAFunction(t *testing.T) {
	f := start(t)
	f.register("a.b-c_D9", "LOCAL")
	for path, status := range map[string]int{
		"/v1/functions/a.b-c_D9:invoke":             200,
		"/v1/functions/a.b-c_D9:invoke?x=/y":        200,
		"/v1/functions/a%2Eb-c_D9%3Ainvoke":         200,
		"/v1//functions/a.b-c_D9:invoke":            200,
		"/v1/functions/x/../a.b-c_D9:invoke":        200,
		"http://other/v1/functions/a.b-c_D9:invoke": 200,
		"/v1/functions/a.b-c_D9:invoke/":            404,
		"/v1/functions/a.b-c_D9/:invoke":            404,
		"/v1/functions/":                            404,
	} {
		request := "POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n{\"input\":1}"
		a, _, _ := f.talk(strings.NewReader(request))
		if a.status != status {
			t.Errorf("%s: %d %s, want %d", path, a.status, a.body, status)
		}
	}
}

// Of a header that comes twice the first counts.
func TestTheFirstOfTwoHeadersCounts(t *testing.T) {
	f := start(t)
	f.register("echo", "LOCAL")
	send := func(headers string) string {
		a, _, _ := f.talk(strings.NewReader("POST /v1/functions/echo:invoke HTTP/1.1\r\nHost: x\r\n" + headers + "Content-Length: 11\r\n\r\n{\"input\":1}"))
		return a.expect(200).str("executionId")
	}
	first := send("Idempotency-Key: one\r\nIdempotency-Key: two\r\n")
	if again := send("Idempotency-Key: one\r\n"); again != first {
		t.Error("the first key did not count")
	}
	if other := send("idempotency-key: two\r\n"); other == first {
		t.Error("the second key counted")
	}
}
