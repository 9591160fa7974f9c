package server

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
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
	f.eventually("exports fail", func() bool { return f.series(`simplane_trace_spans_total{outcome="failed"}`) > 2 })
	if err := f.shutdown(); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if n := f.spans("failed") + f.spans("dropped"); n != 20 || f.spans("exported") != 0 {
		t.Errorf("%v of 20 spans are counted as lost, %v as exported", n, f.spans("exported"))
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
	f.s.traceFlush = 20 * ms
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
	if n := f.spans("failed"); n != 10 {
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
	f.eventually("the export fails", func() bool { return f.spans("failed") == 2 })
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
			if !validParent.MatchString(want) {
				// Decided here: the function is told not to sample either.
				id := strings.ReplaceAll(a.str("executionId"), "-", "")
				want = "00-" + id + "-" + id[16:] + "-00"
			}
			if got != want || !validParent.MatchString(got) {
				t.Errorf("the function got %q, want %q", got, want)
			}
			if state := a.str("output", "state"); (state == callerState) != (tc.parent == callerDecline) {
				t.Errorf("tracestate %q", state)
			}
		})
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
		{callerParent, strings.Repeat("x", 512+1), callerParent, ""},
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
