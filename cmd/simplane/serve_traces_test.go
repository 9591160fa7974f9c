package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// The program takes its collector from OpenTelemetry's variables, and the last
// spans have arrived when it exits.
func TestServeExportsTracesBeforeItEnds(t *testing.T) {
	names := make(chan string, 100)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		var req collectorpb.ExportTraceServiceRequest
		if err := proto.Unmarshal(raw, &req); err != nil {
			t.Errorf("an export is not OTLP: %v", err)
		}
		for _, rs := range req.ResourceSpans {
			for _, a := range rs.Resource.Attributes {
				if a.Key == "service.name" {
					names <- a.Value.GetStringValue()
				}
			}
			for _, ss := range rs.ScopeSpans {
				for _, span := range ss.Spans {
					names <- span.Name
				}
			}
		}
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("OTEL_SERVICE_NAME", "edge")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
	fn, s := startFunction(t), serve(t)
	s.register("fn", fn.url+"/echo", "")
	if status, body := s.call("POST", "/v1/functions/fn:invoke", `{"input":1}`); status != 200 {
		t.Fatalf("%d %v", status, body)
	}
	s.signal(syscall.SIGTERM)
	if code := s.exit(); code != 0 {
		t.Errorf("exit code %d; stderr: %s", code, s.stderr)
	}
	close(names)
	seen := map[string]bool{}
	for name := range names {
		seen[name] = true
	}
	for _, want := range []string{"edge", "invoke fn", "dispatch fn"} {
		if !seen[want] {
			t.Errorf("%q did not arrive, only %v", want, seen)
		}
	}
}
