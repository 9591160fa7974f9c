package server

import (
	"encoding/hex"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/internal/httpjson"
)

func TestTraceOfASyncLocalInvocation(t *testing.T) {
	c := newCollector(t)
	f := launch(t, c.exporting)
	f.register("fn", "LOCAL")
	id := f.invoke("fn", `1`, "User-Agent", "curl/8").expect(200).str("executionId")
	spans := c.of(f)
	spans.is(`
server invoke fn
  internal dispatch fn`)
	server, attempt := spans.named("invoke fn"), spans.named("dispatch fn")
	spans.has(server, "http.request.method", "POST", "http.route", "/v1/functions/{name}:invoke", "http.response.status_code", "200",
		"url.path", "/v1/functions/fn:invoke", "url.scheme", "http", "server.address", "127.0.0.1", "client.address", "127.0.0.1",
		"user_agent.original", "curl/8", "faas.invoked_name", "fn", "faas.invocation_id", id, "error.type", "")
	spans.has(attempt, "faas.invoked_name", "fn", "faas.invoked_provider", "simplane", "faas.invocation_id", id, "faas.coldstart", "false",
		"simplane.attempt", "1", "simplane.queue_wait_ms", "0", "simplane.execution_mode", "LOCAL", "error.type", "")
	if attempt.EndTimeUnixNano > server.EndTimeUnixNano {
		t.Error("the attempt ends after its request")
	}
	if c.resource["service.name"] != "simplane" || c.resource["service.instance.id"] == "" || c.resource["telemetry.sdk.language"] != "go" {
		t.Errorf("resource: %v", c.resource)
	}
	if n := f.spans("exported"); n != 2 {
		t.Errorf("%v spans are counted as exported", n)
	}
}

// The chain is the caller's span, the request's, the attempt's, and what the
// function does.
func TestTraceOfAPoolInvocationGoesOnFromTheCaller(t *testing.T) {
	c := newCollector(t)
	f := launch(t, c.exporting)
	url := endpoint(t, traceEcho)
	f.pool("fn", strings.Replace(url, "http://", "http://user:secret@", 1)+"/run?key=secret")
	a := f.invoke("fn", `1`, "Traceparent", callerParent, "Tracestate", callerState).expect(200)
	spans := c.of(f)
	spans.is(`
server invoke fn
  client dispatch fn`)
	server, attempt := spans.named("invoke fn"), spans.named("dispatch fn")
	if hex.EncodeToString(server.TraceId) != callerTrace || hex.EncodeToString(server.ParentSpanId) != callerSpan {
		t.Errorf("the request's span does not continue %s: trace %x, parent %x", callerParent, server.TraceId, server.ParentSpanId)
	}
	if got := a.str("output", "parent"); got != parentHeader(attempt) {
		t.Errorf("the function got %s, want %s", got, parentHeader(attempt))
	}
	if got := a.str("output", "state"); got != callerState || server.TraceState != callerState {
		t.Errorf("tracestate: forwarded %q, exported %q", got, server.TraceState)
	}
	spans.has(attempt, "http.request.method", "POST", "http.response.status_code", "200", "url.full", url+"/run",
		"server.address", "127.0.0.1", "server.port", url[strings.LastIndexByte(url, ':')+1:], "http.request.resend_count", "")
}

func TestTraceShowsEachRetry(t *testing.T) {
	c := newCollector(t)
	f := launch(t, c.exporting)
	parents := make(chan string, 10)
	var calls atomic.Int32
	f.pool("fn", endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		parents <- r.Header.Get("Traceparent")
		if calls.Add(1) == 1 {
			http.Error(w, "no luck", http.StatusServiceUnavailable)
		}
	}))
	if a := f.invoke("fn", `1`).expect(200); a.str("status") != "success" {
		t.Fatalf("%s", a.body)
	}
	spans := c.of(f)
	spans.is(`
server invoke fn
  client dispatch fn !POOL_ERROR
  internal queue fn
  client dispatch fn`)
	attempts := spans.all("dispatch fn")
	spans.has(attempts[0], "simplane.attempt", "1", "http.response.status_code", "503")
	spans.has(attempts[1], "simplane.attempt", "2", "http.response.status_code", "200", "http.request.resend_count", "1")
	spans.has(spans.named("queue fn"), "simplane.attempt", "2")
	if m := attempts[0].Status.Message; !strings.HasPrefix(m, "POOL_ERROR: http://") || !strings.Contains(m, "503") {
		t.Errorf("status message %q", m)
	}
	for i, s := range attempts {
		if got := receive(t, "a call", parents); got != parentHeader(s) {
			t.Errorf("attempt %d: the function got %s, want %s", i+1, got, parentHeader(s))
		}
	}
}

func TestTraceOfWorkThatFailsForGood(t *testing.T) {
	c := newCollector(t)
	f := launch(t, c.exporting)
	f.pool("fn", endpoint(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }), `"maxRetries":1`)
	f.invoke("fn", `1`).expect(200)
	c.of(f).is(`
server invoke fn !POOL_ERROR
  client dispatch fn !POOL_ERROR
  internal queue fn
  client dispatch fn !POOL_ERROR`)
}

func TestTraceShowsTheWaitInTheQueue(t *testing.T) {
	c := newCollector(t)
	f := launch(t, c.exporting)
	f.register("fn", "LOCAL", `"concurrency":1`)
	g := f.hold("fn")
	first := f.enqueue("fn", `1`).expect(202).str("executionId")
	g.arrival(t)
	second := f.enqueue("fn", `2`).expect(202).str("executionId")
	g.open()
	f.ended(first)
	f.ended(second)
	spans := c.of(f)
	spans.is(`
server enqueue fn
  internal dispatch fn
server enqueue fn
  internal queue fn
  internal dispatch fn`)
	wait := spans.named("queue fn")
	spans.has(wait, "faas.invocation_id", second)
	attempts := spans.all("dispatch fn")
	if wait.EndTimeUnixNano != attempts[1].StartTimeUnixNano || lasted(wait) <= 0 {
		t.Errorf("the wait of %v does not end where the attempt begins", lasted(wait))
	}
	if attr(attempts[1], "simplane.queue_wait_ms") == "0" {
		t.Error("the attempt says that it has not waited")
	}
}

// A caller's deadline ends the span of an attempt that does not answer, so
// that a function which hangs for good shows.
func TestTraceOfATimeout(t *testing.T) {
	c := newCollector(t)
	f := launch(t, c.exporting)
	f.register("local", "LOCAL", `"concurrency":1`)
	g := f.hold("local")
	release := make(chan struct{})
	f.pool("pool", endpoint(t, func(http.ResponseWriter, *http.Request) { <-release }))
	f.invoke("local", `1`, "X-Timeout-Ms", "50").expect(200)
	g.arrival(t)
	f.register("queued", "LOCAL", `"concurrency":1`)
	q := f.hold("queued")
	f.enqueue("queued", `1`).expect(202)
	q.arrival(t)
	f.invoke("queued", `1`, "X-Timeout-Ms", "50").expect(200)
	if a := f.invoke("pool", `1`, "X-Timeout-Ms", "50").expect(200); a.str("status") != "timeout" {
		t.Errorf("%s", a.body)
	}
	close(release)
	q.open()
	g.open()
	spans := c.of(f)
	spans.is(`
server invoke local !timeout
  internal dispatch local !timeout
server enqueue queued
  internal dispatch queued
server invoke queued !timeout
  internal queue queued !timeout
server invoke pool !timeout
  client dispatch pool !timeout`)
	spans.has(spans.named("dispatch pool"), "http.response.status_code", "")
}

// A refused request has a span of its own and no other; what the caller did
// wrong is no error of the server.
func TestTraceOfRefusals(t *testing.T) {
	c := newCollector(t)
	f := launch(t, c.exporting, func(cfg *Config) {
		cfg.Core.SyncQueue.Enabled = true
		cfg.Core.SyncQueue.EstimateDisabled = true
		cfg.Core.SyncQueue.MaxQueueWait = 20 * ms
	})
	f.register("fn", "LOCAL", `"concurrency":1`, `"queueSize":1`)
	g := f.hold("fn")
	f.enqueue("fn", `1`).expect(202)
	g.arrival(t)
	f.invoke("fn", `1`).refused(429, core.CodeQueueWait)
	f.enqueue("fn", `1`).expect(202)
	f.invoke("fn", `1`).refused(429, core.CodeQueueFull)
	f.enqueue("fn", `1`).refused(429, core.CodeQueueFull)
	f.post("/v1/functions/fn:invoke", `{"input":null}`).expect(400)
	f.invoke("made-up", `1`).expect(404)
	f.post("/v1/functions/made-up:enqueue", `{`).expect(404)
	g.open()
	spans := c.of(f)
	spans.is(`
server enqueue fn
  internal dispatch fn
server invoke fn !QUEUE_WAIT
  internal queue fn !QUEUE_WAIT
server enqueue fn
  internal queue fn
  internal dispatch fn
server invoke fn !QUEUE_FULL
server enqueue fn !QUEUE_FULL
server invoke fn
server invoke
server enqueue`)
	spans.has(spans.all("invoke fn")[1], "http.response.status_code", "429", "faas.invocation_id", "", "faas.invoked_name", "fn")
	spans.has(spans.all("invoke fn")[2], "http.response.status_code", "400", "error.type", httpjson.CodeValidation)
	spans.has(spans.named("invoke"), "http.response.status_code", "404", "error.type", core.CodeNotFound, "faas.invoked_name", "")
}

func TestTraceOfARateLimitedRequest(t *testing.T) {
	c := newCollector(t)
	f := launch(t, c.exporting, func(cfg *Config) { cfg.Core.RateMaxPerSecond = 1 })
	f.register("fn", "LOCAL")
	f.eventually("a request is refused", func() bool { return f.invoke("fn", `1`).status == 429 })
	spans := c.of(f)
	last := spans.spans[len(spans.spans)-1]
	if last.Name != "invoke fn" || failure(last) != " !RATE_LIMITED" {
		t.Errorf("the last span is not the refusal's:\n%s", spans)
	}
}

// The enqueue span ends with the 202. What is done later, however much, hangs
// beneath it.
func TestTraceOfEnqueuedWork(t *testing.T) {
	c := newCollector(t)
	f := launch(t, c.exporting, func(cfg *Config) { cfg.Core.SchedulerOff = true })
	f.pool("fn", endpoint(t, traceEcho))
	id := f.enqueue("fn", `1`, "Traceparent", callerParent, "Tracestate", callerState).expect(202).str("executionId")
	f.post("/v1/internal/functions/fn:drain-once", "").expect(200)
	done := f.ended(id)
	spans := c.of(f)
	spans.is(`
server enqueue fn
  internal queue fn
  client dispatch fn`)
	enqueue, attempt := spans.named("enqueue fn"), spans.named("dispatch fn")
	spans.has(enqueue, "http.response.status_code", "202", "faas.invocation_id", id)
	if hex.EncodeToString(attempt.TraceId) != callerTrace || enqueue.EndTimeUnixNano > attempt.StartTimeUnixNano {
		t.Errorf("trace %x; the enqueue span ends %d ns after the attempt began", attempt.TraceId, int64(enqueue.EndTimeUnixNano-attempt.StartTimeUnixNano))
	}
	if got := done.str("output", "parent"); got != parentHeader(attempt) || done.str("output", "state") != callerState {
		t.Errorf("the function got %s", done.body)
	}
}

func TestTraceOfWorkThatNeverRan(t *testing.T) {
	c := newCollector(t)
	f := launch(t, c.exporting)
	f.register("fn", "LOCAL", `"concurrency":1`)
	g := f.hold("fn")
	f.enqueue("fn", `1`).expect(202)
	g.arrival(t)
	f.enqueue("fn", `2`).expect(202)
	f.do("DELETE", "/v1/functions/fn", "").expect(204)
	g.open()
	c.of(f).is(`
server enqueue fn
  internal dispatch fn
server enqueue fn
  internal queue fn !FUNCTION_DELETED`)
}

// A retry that finds no room ends the execution, and its trace says why.
func TestTraceOfARetryWithoutRoom(t *testing.T) {
	c := newCollector(t)
	f := launch(t, c.exporting)
	entered, leave := make(chan struct{}, 10), make(chan struct{})
	f.pool("fn", endpoint(t, func(w http.ResponseWriter, _ *http.Request) {
		entered <- struct{}{}
		<-leave
		w.WriteHeader(500)
	}), `"concurrency":1`, `"queueSize":1`, `"maxRetries":1`, `"retryBackoff":{"initialMs":0}`)
	first := f.enqueue("fn", `1`).expect(202).str("executionId")
	receive(t, "the call", entered)
	f.enqueue("fn", `2`, "Traceparent", callerDecline).expect(202)
	close(leave)
	f.ended(first)
	spans := c.of(f)
	spans.is(`
server enqueue fn
  client dispatch fn !POOL_ERROR
  internal queue fn !QUEUE_FULL`)
}

// A request that joins an earlier one's execution has a span without children
// that names it.
func TestTraceOfAJoinedExecution(t *testing.T) {
	c := newCollector(t)
	f := launch(t, c.exporting)
	f.register("fn", "LOCAL")
	id := f.invoke("fn", `1`, "Idempotency-Key", "k").expect(200).str("executionId")
	f.invoke("fn", `1`, "Idempotency-Key", "k").expect(200)
	spans := c.of(f)
	spans.is(`
server invoke fn
  internal dispatch fn
server invoke fn`)
	spans.has(spans.all("invoke fn")[1], "faas.invocation_id", id, "simplane.joined", "true")
}

// An outside completion ends an attempt too.
func TestTraceOfAnExternalCompletion(t *testing.T) {
	c := newCollector(t)
	f := launch(t, c.exporting)
	f.register("fn", "LOCAL")
	g := f.hold("fn")
	id := f.enqueue("fn", `1`).expect(202).str("executionId")
	g.arrival(t)
	f.post("/v1/internal/executions/"+id+":complete", `{"status":"error","error":{"code":"MINE","message":"m"}}`).expect(204)
	g.open()
	c.of(f).is(`
server enqueue fn
  internal dispatch fn !MINE`)
}

// Functions run by a provider get the trace context in their protocol's way.
func TestTraceOfDeploymentFunctions(t *testing.T) {
	c := newCollector(t)
	f := launch(t, c.exporting, func(cfg *Config) { cfg.Provider = ProviderProcess })
	f.register("file", "DEPLOYMENT", `"runtimeMode":"FILE"`, `"runtimeCommand":"printf '{\"parent\":\"%s\",\"state\":\"%s\"}' $TRACEPARENT $TRACESTATE > $OUTPUT_FILE"`)
	f.register("stdio", "DEPLOYMENT", `"runtimeMode":"STDIO"`, commands("python3", "-c", `import json, sys
for line in iter(sys.stdin.readline, ""):
    r = json.loads(line)
    print(json.dumps({"output": {"parent": r["traceparent"], "state": r["tracestate"]}}), flush=True)`))
	answers := map[string]*answer{}
	for _, name := range []string{"file", "stdio"} {
		answers[name] = f.invoke(name, `1`, "Traceparent", callerParent, "Tracestate", callerState).expect(200)
	}
	spans := c.of(f)
	spans.is(`
server invoke file
  client dispatch file
server invoke stdio
  client dispatch stdio`)
	for name, a := range answers {
		attempt := spans.named("dispatch " + name)
		if a.str("output", "parent") != parentHeader(attempt) || a.str("output", "state") != callerState {
			t.Errorf("%s got %s, want %s", name, a.body, parentHeader(attempt))
		}
		spans.has(attempt, "faas.coldstart", "true", "simplane.execution_mode", "DEPLOYMENT")
		if attr(attempt, "simplane.init_duration_ms") == "" {
			t.Errorf("%s: no time of its cold start", name)
		}
	}
}

// Text from outside that is no UTF-8 must not cost a batch its encoding.
func TestTraceSurvivesForeignText(t *testing.T) {
	c := newCollector(t)
	f := launch(t, c.exporting)
	long := strings.Repeat("ü", 400)
	f.pool("fn", endpoint(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(500)
		_, _ = w.Write([]byte("\xff\xfe" + long))
	}), `"maxRetries":0`)
	f.invoke("fn", `1`, "User-Agent", "a\xffb"+long, "Host", "h\xff:1").expect(200)
	f.invoke("%ff%fe", `1`).expect(404)
	spans := c.of(f)
	spans.is(`
server invoke fn !POOL_ERROR
  client dispatch fn !POOL_ERROR
server invoke`)
	if agent := attr(spans.named("invoke fn"), "user_agent.original"); !strings.HasPrefix(agent, "a\uFFFDb") || len(agent) > 256+4 {
		t.Errorf("user agent %q", agent)
	}
}

func TestTraceOfAPanic(t *testing.T) {
	c := newCollector(t)
	f := launch(t, c.exporting)
	func() {
		defer func() { _ = recover() }()
		var ctx fasthttp.RequestCtx
		span := f.s.tracing.Begin("invoke", "fn", &core.TraceContext{})
		defer span.End(&ctx)
		panic("a bug")
	}()
	spans := c.of(f)
	spans.is(`server invoke fn !INTERNAL_ERROR`)
	spans.has(spans.named("invoke fn"), "http.response.status_code", "500")
}
