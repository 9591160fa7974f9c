package server

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"simplane/core"
)

// What is tried again, and what is not worth it.
func TestRetriesByStatus(t *testing.T) {
	f := start(t)
	for name, c := range map[string]struct {
		status   int
		body     string
		attempts int32
	}{
		"bad input":        {400, `{"why":"bad input"}`, 1},
		"not found":        {404, ``, 1},
		"request timeout":  {408, ``, 3},
		"too early":        {425, ``, 3},
		"too many":         {429, ``, 3},
		"last of 4xx":      {499, ``, 1},
		"broken":           {500, `{"why":"a bug"}`, 3},
		"says so, outside": {500, ` {"retryable": false, "error": "no"}`, 1},
		"says so, inside":  {503, `{"error":{"code":"X","retryable":false}}`, 1},
		"says the reverse": {503, `{"error":{"code":"X","retryable":true}}`, 3},
		"a redirect":       {302, ``, 3},
	} {
		t.Run(name, func(t *testing.T) {
			var attempts atomic.Int32
			url := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
				n := attempts.Add(1)
				if got := r.Header.Get("X-Dispatch-Attempt"); got != fmt.Sprint(n) {
					t.Errorf("attempt %d is called %q", n, got)
				}
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.body)
			})
			fn := fmt.Sprintf("s%d-%d", c.status, len(c.body))
			f.pool(fn, url, `"maxRetries":2,"retryBackoff":{"initialMs":1}`)
			e := f.ended(f.enqueue(fn, `1`).expect(202).str("executionId"))
			if e.str("status") != "error" || e.num("attempt") != float64(c.attempts) || attempts.Load() != c.attempts {
				t.Errorf("%d attempts, want %d: %s", attempts.Load(), c.attempts, e.body)
			}
			if failed, _ := e.value("failedAttempts").([]any); len(failed) != int(c.attempts)-1 {
				t.Errorf("the attempts before the last: %s", e.body)
			}
		})
	}
}

// An endpoint that asks to be left alone is, and the execution says until when.
func TestRetryAfterOfAnEndpointIsHeeded(t *testing.T) {
	f := start(t)
	var calls atomic.Int32
	var first, second atomic.Int64
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			first.Store(time.Now().UnixNano())
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(503)
			return
		}
		second.Store(time.Now().UnixNano())
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `"fine"`)
	})
	f.pool("fn", url, `"retryBackoff":{"initialMs":1}`)
	id := f.enqueue("fn", `1`).expect(202).str("executionId")
	f.eventually("it pauses", func() bool { return f.get("/v1/executions/"+id).raw("retryAtMillis") != "" })
	e := f.get("/v1/executions/" + id).expect(200)
	if e.str("status") != "queued" || e.num("attempt") != 2 {
		t.Errorf("pausing: %s", e.body)
	}
	if st := f.get("/v1/functions/fn/stats").expect(200); st.num("pausing") != 1 || st.num("queueDepth") != 0 || st.num("inFlight") != 0 {
		t.Errorf("pausing: %s", st.body)
	}
	if e := f.ended(id); e.str("status") != "success" || e.raw("retryAtMillis") != "" {
		t.Errorf("in the end: %s", e.body)
	}
	if pause := time.Duration(second.Load() - first.Load()); pause < time.Second {
		t.Errorf("called again after %v", pause)
	}
}

func TestCancelExecution(t *testing.T) {
	f := start(t)
	broken := make(chan struct{}, 4)
	entered := make(chan struct{}, 4)
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // net/http looks for a closed connection only after it
		entered <- struct{}{}
		select {
		case <-r.Context().Done():
		case <-time.After(hangGuard):
		}
		broken <- struct{}{}
	})
	f.pool("fn", url, `"concurrency":1`)
	running := f.enqueue("fn", `1`).expect(202).str("executionId")
	receive(t, "the call", entered)
	queued := f.enqueue("fn", `2`).expect(202).str("executionId")

	for _, id := range []string{queued, running} {
		e := f.post("/v1/executions/"+id+":cancel", "").expect(200)
		if e.str("status") != "error" || e.str("error", "code") != core.CodeCancelled || e.str("executionId") != id {
			t.Errorf("cancelled: %s", e.body)
		}
		f.post("/v1/executions/"+id+":cancel", "").refused(409, "ALREADY_ENDED")
	}
	receive(t, "the end of the running one's call", broken)
	if a := f.get("/v1/functions/fn/dead-letters").expect(200); string(a.body) != `{"deadLetters":[],"dropped":0,"truncated":false}` {
		t.Errorf("dead letters: %s", a.body)
	}
	f.post("/v1/executions/7e0f8f0a-3b86-4c0e-9a34-0f6f0f2f3f11:cancel", "").refused(404, "NOT_FOUND")
	f.post("/v1/executions/nonsense:cancel", "").refused(404, "NOT_FOUND")
	f.do("GET", "/v1/executions/"+running+":cancel", "").refused(405, "METHOD_NOT_ALLOWED")

	// A sync caller's call is broken off, and the caller told.
	sync := make(chan *answer, 1)
	go func() {
		a, _ := f.try(f.api, "POST", "/v1/functions/fn:invoke", `{"input":3}`)
		sync <- a
	}()
	receive(t, "the call", entered)
	list := f.get("/v1/admin/executions?status=running").expect(200)
	found, _ := list.value("executions").([]any)
	if len(found) != 1 {
		t.Fatalf("running: %s", list.body)
	}
	f.post(fmt.Sprintf("/v1/executions/%v:cancel", found[0].(map[string]any)["executionId"]), "").expect(200)
	if a := receive(t, "the answer", sync); a == nil || a.status != 200 || a.str("error", "code") != core.CodeCancelled {
		t.Errorf("the caller was told %+v", a)
	}
	receive(t, "the end of its call", broken)
}

// A completion that names an attempt is of that one only.
func TestCompletionHandlerOfAnEarlierAttempt(t *testing.T) {
	f := start(t)
	entered := make(chan struct{}, 4)
	leave := make(chan int, 4)
	url := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		w.WriteHeader(<-leave)
	})
	f.pool("fn", url, `"retryBackoff":{"initialMs":1}`)
	id := f.enqueue("fn", `1`).expect(202).str("executionId")
	receive(t, "the first call", entered)
	leave <- 500
	receive(t, "the second call", entered)
	f.complete(id, `{"status":"success","output":"late","attempt":1}`).expect(204)
	f.post("/v1/internal/executions/"+id+":complete", `{"success":true,"output":"late"}`, "X-Dispatch-Attempt", "1").expect(204)
	if e := f.get("/v1/executions/" + id).expect(200); e.str("status") != "running" {
		t.Errorf("after results of its first attempt: %s", e.body)
	}
	for _, wrong := range []string{`-1`, `3000000000`, `1.5`, `"1"`} {
		f.complete(id, `{"status":"success","attempt":`+wrong+`}`).expect(400)
	}
	f.post("/v1/internal/executions/"+id+":complete", `{"success":true}`, "X-Dispatch-Attempt", "first").refused(400, "VALIDATION_ERROR")
	f.post("/v1/internal/executions/"+id+":complete", `{"success":true,"output":"in time"}`, "X-Dispatch-Attempt", "2").expect(204)
	if e := f.ended(id); e.str("output") != "in time" {
		t.Errorf("in the end: %s", e.body)
	}
	leave <- 200
}

// An attempt that would be ended as stale before its timeout is no promise to
// make.
func TestTimeoutMustBeBelowStaleTTL(t *testing.T) {
	f := start(t, func(c *Config) { c.Core.StaleTTL = time.Minute })
	const spec = `{"name":"fn","image":"i","executionMode":"LOCAL","timeoutMillis":%d}`
	a := f.post("/v1/functions", fmt.Sprintf(spec, 60_000)).refused(400, "VALIDATION_ERROR")
	if want := "timeoutMillis: must be below staleTtl, which is 1m0s here: an attempt that takes longer would be ended as stale"; a.details() != want {
		t.Errorf("details: %s", a.details())
	}
	f.post("/v1/functions", fmt.Sprintf(spec, 59_999)).expect(201)

	short := start(t, func(c *Config) { c.Core.StaleTTL = time.Second })
	short.post("/v1/functions", fmt.Sprintf(spec, 60_000)).expect(201)
}
