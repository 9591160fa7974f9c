package server

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector is an OTLP receiver over HTTP.
type collector struct {
	t   *testing.T
	url string

	mu       sync.Mutex
	status   int // what it answers; 0 = 200
	spans    []*tracepb.Span
	resource map[string]string
	header   http.Header
}

func newCollector(t *testing.T) *collector {
	c := &collector{t: t, resource: map[string]string{}}
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	c.url = s.URL
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status != 0 {
		w.WriteHeader(c.status)
		return
	}
	if r.Method != "POST" || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		c.t.Errorf("not an OTLP request: %s %s %v", r.Method, r.URL, r.Header)
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		body, _ = gzip.NewReader(r.Body)
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		c.t.Errorf("reading an export: %v", err)
	}
	var req collectorpb.ExportTraceServiceRequest
	if err := proto.Unmarshal(raw, &req); err != nil {
		c.t.Errorf("an export is not protobuf: %v", err)
	}
	c.header = r.Header
	for _, rs := range req.ResourceSpans {
		for _, a := range rs.Resource.Attributes {
			c.resource[a.Key] = a.Value.GetStringValue()
		}
		for _, ss := range rs.ScopeSpans {
			c.spans = append(c.spans, ss.Spans...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// exporting makes a server send its spans to c.
func (c *collector) exporting(cfg *Config) { cfg.OTLPEndpoint = c.url }

// of shuts f down, after which all its spans have arrived.
func (c *collector) of(f *fixture) forest {
	c.t.Helper()
	if err := f.shutdown(); err != nil {
		c.t.Errorf("shutdown: %v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	out := forest{t: c.t, spans: slices.Clone(c.spans)}
	slices.SortFunc(out.spans, func(a, b *tracepb.Span) int { return int(int64(a.StartTimeUnixNano) - int64(b.StartTimeUnixNano)) })
	return out
}

// forest is what was exported, in the order of their beginnings.
type forest struct {
	t     *testing.T
	spans []*tracepb.Span
}

// named returns the only span with this name.
func (f forest) named(name string) *tracepb.Span {
	f.t.Helper()
	all := f.all(name)
	if len(all) != 1 {
		f.t.Fatalf("%d spans are named %q; there are:\n%s", len(all), name, f)
	}
	return all[0]
}

func (f forest) all(name string) (found []*tracepb.Span) {
	for _, s := range f.spans {
		if s.Name == name {
			found = append(found, s)
		}
	}
	return found
}

// is compares the trees with their wanted form, see String.
func (f forest) is(want string) {
	f.t.Helper()
	if got := f.String(); strings.TrimSpace(got) != strings.TrimSpace(want) {
		f.t.Errorf("the spans are\n%s\nwant\n%s", got, want)
	}
}

// String draws the trees, a span a line: kind, name, and the status of what
// failed. Times and the trace id of a child must fit its parent's.
func (f forest) String() string {
	var b strings.Builder
	known := map[string]*tracepb.Span{}
	for _, s := range f.spans {
		known[string(s.SpanId)] = s
	}
	var draw func(indent string, s *tracepb.Span)
	draw = func(indent string, s *tracepb.Span) {
		kind := strings.ToLower(strings.TrimPrefix(s.Kind.String(), "SPAN_KIND_"))
		fmt.Fprintf(&b, "%s%s %s%s\n", indent, kind, s.Name, failure(s))
		if s.EndTimeUnixNano < s.StartTimeUnixNano {
			f.t.Errorf("%s ends before it starts", s.Name)
		}
		for _, child := range f.spans {
			if string(child.ParentSpanId) != string(s.SpanId) {
				continue
			}
			if !bytes.Equal(child.TraceId, s.TraceId) {
				f.t.Errorf("%s is in another trace than its parent %s", child.Name, s.Name)
			}
			if child.StartTimeUnixNano < s.StartTimeUnixNano {
				f.t.Errorf("%s starts before its parent %s", child.Name, s.Name)
			}
			draw(indent+"  ", child)
		}
	}
	for _, s := range f.spans {
		if known[string(s.ParentSpanId)] == nil {
			draw("", s)
		}
	}
	return b.String()
}

func failure(s *tracepb.Span) string {
	if s.GetStatus().GetCode() != tracepb.Status_STATUS_CODE_ERROR {
		return ""
	}
	return " !" + attr(s, "error.type")
}

// attr is an attribute as text; "" when it is not there.
func attr(s *tracepb.Span, key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			switch v := a.Value.Value.(type) {
			case *commonpb.AnyValue_StringValue:
				return v.StringValue
			case *commonpb.AnyValue_IntValue:
				return fmt.Sprint(v.IntValue)
			case *commonpb.AnyValue_BoolValue:
				return fmt.Sprint(v.BoolValue)
			case *commonpb.AnyValue_DoubleValue:
				return fmt.Sprint(v.DoubleValue)
			}
		}
	}
	return ""
}

// has checks attributes, given as pairs of key and text.
func (f forest) has(s *tracepb.Span, pairs ...string) {
	f.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if got := attr(s, pairs[i]); got != pairs[i+1] {
			f.t.Errorf("%s: %s is %q, want %q", s.Name, pairs[i], got, pairs[i+1])
		}
	}
}

func lasted(s *tracepb.Span) time.Duration {
	return time.Duration(s.EndTimeUnixNano - s.StartTimeUnixNano)
}

// parentHeader is the traceparent of what hangs beneath s.
func parentHeader(s *tracepb.Span) string {
	return "00-" + hex.EncodeToString(s.TraceId) + "-" + hex.EncodeToString(s.SpanId) + "-01"
}

// Trace context of a caller.
const (
	callerTrace   = "4bf92f3577b34da6a3ce929d0e0e4736"
	callerSpan    = "00f067aa0ba902b7"
	callerParent  = "00-" + callerTrace + "-" + callerSpan + "-01"
	callerDecline = "00-" + callerTrace + "-" + callerSpan + "-00"
	callerState   = "vendor=t61rcWkgMzE,other=00f067"
)

// traceEcho is a function that answers with the trace context it got.
func traceEcho(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"parent":%q,"state":%q}`, r.Header.Get("Traceparent"), r.Header.Get("Tracestate"))
}

// validParent is a traceparent of version 00.
var validParent = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

// spans is the counter of spans with an outcome, also of a server that has
// stopped.
func (f *fixture) spans(outcome string) float64 {
	f.t.Helper()
	families, err := f.s.metrics.Registry.Gather()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "simplane_trace_spans_total" {
			continue
		}
		for _, m := range family.Metric {
			if m.Label[0].GetValue() == outcome {
				return m.Counter.GetValue()
			}
		}
	}
	f.t.Fatalf("no counter of spans that are %s", outcome)
	return 0
}
