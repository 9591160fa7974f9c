package telemetry

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"simplane/core"
)

// Tracing records spans of sampled requests and hands them to an exporter. A
// nil *tracing records nothing.
type Tracing struct {
	spans  trace.Tracer
	ratio  float64          // of requests without a caller's decision
	clock  func() time.Time // core's wall clock
	export *spanExport
	close  func(context.Context) error
}

// NewTracing makes the tracing to an endpoint, a full URL; nil when that is
// empty. ratio is the share of requests that are traced when their caller has
// not decided. The error says which variable or endpoint is wrong.
func NewTracing(endpoint string, ratio float64, clock func() time.Time, registry *prometheus.Registry, log *slog.Logger) (*Tracing, error) {
	if endpoint == "" {
		return nil, nil
	}
	resource, err := traceResource()
	if err != nil {
		return nil, fmt.Errorf("traces: OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	export, err := newSpanExport(endpoint, registry, log)
	if err != nil {
		return nil, fmt.Errorf("traces: exporter for %s: %w", endpoint, err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithResource(resource),
		sdktrace.WithSampler(sdktrace.AlwaysSample()), // begin has decided
		sdktrace.WithSpanProcessor(export),
	)
	log.Info("traces are exported", "endpoint", endpoint, "sampleRatio", ratio)
	return &Tracing{
		spans: provider.Tracer("simplane/server", trace.WithSchemaURL(semconv.SchemaURL)),
		ratio: ratio, clock: clock, export: export, close: provider.Shutdown,
	}, nil
}

// Shutdown exports what is left, and waits for that as long as flush.
func (t *Tracing) Shutdown(flush time.Duration) {
	if t == nil {
		return
	}
	enough := time.AfterFunc(flush, t.export.giveUp)
	defer enough.Stop()
	// Exporting has ended by then, unless the exporter hangs.
	ctx, cancel := context.WithTimeout(context.Background(), flush+time.Second)
	defer cancel()
	if err := t.close(ctx); err != nil {
		t.export.log.Warn("traces were not exported in full", "error", err)
	}
}

// sampled decides whether a request is traced: as its caller decided, else by
// the ratio.
func (t *Tracing) sampled(parent string) bool {
	if parent != "" {
		return traceFlags(parent)&flagSampled != 0
	}
	return t.ratio >= 1 || rand.Float64() < t.ratio
}

// now is core's time, so that spans and core's records agree.
func (t *Tracing) now() time.Time { return t.clock() }

func spanTime(at core.Instant) time.Time { return time.Unix(0, at.Wall) }

// remoteParent is the span context of a valid traceparent.
func remoteParent(c core.TraceContext) trace.SpanContext {
	parent := trace.SpanContextConfig{TraceFlags: trace.TraceFlags(traceFlags(c.Parent)), Remote: true}
	_, _ = hex.Decode(parent.TraceID[:], []byte(c.Parent[3:35]))
	_, _ = hex.Decode(parent.SpanID[:], []byte(c.Parent[36:52]))
	// A list that the SDK cannot read is forwarded nevertheless.
	parent.TraceState, _ = trace.ParseTraceState(c.State)
	return trace.NewSpanContext(parent)
}

// Bounds of texts in spans, in bytes.
const (
	maxSpanText = 256
	maxSpanCode = 64
)

// spanText makes untrusted text fit for a span: short, and valid UTF-8,
// without which a whole batch could not be encoded. It copies.
func spanText[T string | []byte](s T, limit int) string {
	if len(s) > limit {
		s = s[:limit]
	}
	return strings.ToValidUTF8(string([]byte(s)), "\uFFFD")
}

// fail marks span as failed with an error code of the API, or "timeout".
func fail(span trace.Span, code, message string) {
	code = spanText(code, maxSpanCode)
	span.SetAttributes(semconv.ErrorTypeKey.String(code))
	if message != "" {
		code += ": " + spanText(message, maxSpanText)
	}
	span.SetStatus(codes.Error, code)
}

// errorTimeout is the error type of an execution or an attempt that timed out.
const errorTimeout = "timeout"
