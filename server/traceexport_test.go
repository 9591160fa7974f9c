package server

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// The exporter follows the standard variables.
func TestTraceExportReadsTheEnvironment(t *testing.T) {
	t.Setenv("OTEL_SERVICE_NAME", "edge")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret")
	t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
	c := newCollector(t)
	f := launch(t, c.exporting)
	f.register("fn", "LOCAL")
	f.invoke("fn", `1`).expect(200)
	c.of(f).named("invoke fn")
	if c.resource["service.name"] != "edge" || c.resource["deployment.environment.name"] != "test" || c.header.Get("Api-Key") != "secret" {
		t.Errorf("resource %v, headers %v", c.resource, c.header)
	}

	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "no-value")
	cfg := DefaultConfig()
	c.exporting(&cfg)
	if _, err := New(cfg, discardLog()); err == nil || !strings.Contains(err.Error(), "OTEL_RESOURCE_ATTRIBUTES") {
		t.Errorf("a broken variable: %v", err)
	}
}

// Without a collector everything goes on, and the log says so once.
func TestTraceExportWithoutACollector(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + ln.Addr().String()
	ln.Close()
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")
	f := launch(t, func(cfg *Config) { cfg.OTLPEndpoint = closed })
	f.register("fn", "LOCAL")
	for range 10 {
		f.invoke("fn", `1`).expect(200)
	}
	export := f.s.tracing.export
	f.eventually("exports fail", func() bool { return f.series(`simplane_trace_spans_total{outcome="failed"}`) > 2 })
	if err := f.shutdown(); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if n := counted(t, export.failed) + counted(t, export.dropped); n != 20 || counted(t, export.exported) != 0 {
		t.Errorf("%v of 20 spans are counted as lost, %v as exported", n, counted(t, export.exported))
	}
	if n := strings.Count(f.log.String(), "traces cannot be exported"); n != 1 {
		t.Errorf("the log says it %d times:\n%s", n, f.log)
	}
}

// A collector that takes requests and does not answer fills the queue. Nobody
// waits: neither invocations nor, beyond its limit, the shutdown.
func TestTraceExportToACollectorThatHangs(t *testing.T) {
	entered, leave := make(chan struct{}, 100), make(chan struct{})
	url := endpoint(t, func(http.ResponseWriter, *http.Request) {
		entered <- struct{}{}
		<-leave
	})
	defer close(leave)
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5")
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000")
	t.Setenv("OTEL_BSP_EXPORT_TIMEOUT", "3600000")
	f := launch(t, func(cfg *Config) { cfg.OTLPEndpoint = url })
	f.s.tracing.flush = 20 * ms
	export := f.s.tracing.export
	f.register("fn", "LOCAL")
	for range 3 {
		f.invoke("fn", `1`).expect(200)
	}
	receive(t, "an export", entered)
	for range 97 {
		f.invoke("fn", `1`).expect(200)
	}
	if n := f.series(`simplane_trace_spans_total{outcome="dropped"}`); n != 190 {
		t.Errorf("%v spans are dropped of 200 with a queue of 10", n)
	}
	if err := f.shutdown(); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if n := counted(t, export.failed); n != 10 {
		t.Errorf("%v spans are given up at the end, not the 10 that were queued", n)
	}
	if n := strings.Count(f.log.String(), "spans are dropped"); n != 1 {
		t.Errorf("the log says it %d times:\n%s", n, f.log)
	}
}

func TestTraceExportRecovers(t *testing.T) {
	c := newCollector(t)
	c.status = http.StatusBadRequest
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
	f := launch(t, c.exporting)
	f.register("fn", "LOCAL")
	f.invoke("fn", `1`).expect(200)
	f.eventually("the export fails", func() bool { return counted(t, f.s.tracing.export.failed) == 2 })
	c.mu.Lock()
	c.status = 0
	c.mu.Unlock()
	f.invoke("fn", `1`).expect(200)
	c.of(f).named("invoke fn")
	for _, line := range []string{"traces cannot be exported", "traces are exported again"} {
		if n := strings.Count(f.log.String(), line); n != 1 {
			t.Errorf("%q %d times in the log:\n%s", line, n, f.log)
		}
	}
}

func TestTraceSampling(t *testing.T) {
	for _, tc := range []struct {
		ratio    float64
		parent   string
		exported bool
	}{
		{1, "", true},
		{1, callerParent, true},
		{1, callerDecline, false},
		{1, "not-valid", true},
		{0, "", false},
		{0, callerParent, true},
		{0, callerDecline, false},
		{0, "not-valid", false},
	} {
		t.Run(fmt.Sprintf("%v/%s", tc.ratio, tc.parent), func(t *testing.T) {
			c := newCollector(t)
			f := launch(t, c.exporting, func(cfg *Config) { cfg.TraceSampleRatio = tc.ratio })
			f.pool("fn", endpoint(t, traceEcho))
			a := f.invoke("fn", `1`, "Traceparent", tc.parent, "Tracestate", callerState).expect(200)
			spans, got := c.of(f), a.str("output", "parent")
			if tc.exported {
				if len(spans.spans) != 2 || got != parentHeader(spans.named("dispatch fn")) {
					t.Errorf("function got %s; spans:\n%s", got, spans)
				}
				return
			}
			if len(spans.spans) != 0 {
				t.Errorf("exported:\n%s", spans)
			}
			want := tc.parent // as it came
			if !validTraceParent([]byte(want)) {
				// Decided here: the function is told not to sample either.
				id := strings.ReplaceAll(a.str("executionId"), "-", "")
				want = "00-" + id + "-" + id[16:] + "-00"
			}
			if got != want || !validTraceParent([]byte(got)) {
				t.Errorf("the function got %q, want %q", got, want)
			}
			if state := a.str("output", "state"); (state == callerState) != (tc.parent == callerDecline) {
				t.Errorf("tracestate %q", state)
			}
		})
	}
}

func TestTraceSampleRatioIsAShare(t *testing.T) {
	tr := &tracing{ratio: 0.25}
	const rounds = 100_000
	n := 0
	for range rounds {
		if tr.sampled("") {
			n++
		}
	}
	if n < rounds/5 || n > rounds*3/10 { // 60 standard deviations
		t.Errorf("%d of %d sampled", n, rounds)
	}
}

// Without an exporter the context is handed on as it came.
func TestTraceContextIsForwardedWithoutAnExporter(t *testing.T) {
	f := start(t)
	f.pool("fn", endpoint(t, traceEcho))
	for _, tc := range []struct {
		parent, state        string
		gotParent, gotStatus string
	}{
		{callerParent, callerState, callerParent, callerState},
		{callerDecline, "", callerDecline, ""},
		{"", callerState, "", ""},
		{"00-not-valid", callerState, "", ""},
		{callerParent, strings.Repeat("x", maxHeaderValue+1), callerParent, ""},
		{callerParent, "a=\xff", callerParent, ""},
	} {
		a := f.invoke("fn", `1`, "Traceparent", tc.parent, "Tracestate", tc.state).expect(200)
		if a.str("output", "parent") != tc.gotParent || a.str("output", "state") != tc.gotStatus {
			t.Errorf("%q %q: the function got %s", tc.parent, tc.state, a.raw("output"))
		}
	}
	if f.s.tracing != nil || f.series(`simplane_trace_spans_total{outcome="exported"}`) != -1 {
		t.Error("it traces without an exporter")
	}
}

func TestTraceStateInSeveralHeadersIsOneList(t *testing.T) {
	var ctx fasthttp.RequestCtx
	h := &ctx.Request.Header
	h.Set("Traceparent", callerParent)
	h.Add("Tracestate", "a=1")
	h.Add("Tracestate", "b=2")
	if c := traceContext(h); c.Parent != callerParent || c.State != "a=1,b=2" {
		t.Errorf("%+v", c)
	}
}

func TestTraceLogIsSeldom(t *testing.T) {
	var s seldom
	if !s.due() || s.due() {
		t.Error("not once")
	}
	s.next.Store(time.Now().UnixNano())
	if !s.due() {
		t.Error("not again when its time has come")
	}
}

// A server that cannot start leaves no exporter behind.
func TestTraceExportOfAServerThatDoesNotStart(t *testing.T) {
	c := newCollector(t)
	taken := start(t)
	cfg := DefaultConfig()
	cfg.Addr, cfg.MgmtAddr, cfg.Provider = taken.s.Addr(), "127.0.0.1:0", ProviderNone
	c.exporting(&cfg)
	if _, err := New(cfg, discardLog()); err == nil {
		t.Fatal("a taken port is no error")
	}
	taken.eventually("the exporter's goroutine is gone", func() bool {
		stacks := make([]byte, 1<<20)
		return !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("batchSpanProcessor"))
	})
}
