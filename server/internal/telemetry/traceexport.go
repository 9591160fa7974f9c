package telemetry

import (
	"context"
	"log/slog"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdkresource "go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// spanExport wraps the SDK's batch processor and its exporter. It drops spans
// before the processor's queue is full, so that every lost span is counted,
// and it isolates the server from failures of the collector.
type spanExport struct {
	sdktrace.SpanProcessor // batches
	log                    *slog.Logger
	endpoint               string

	limit    int64
	pending  atomic.Int64 // spans in the queue or being exported
	exported prometheus.Counter
	failed   prometheus.Counter // the collector did not accept them
	dropped  prometheus.Counter // the queue was full

	dropLog, failLog seldom
	failing          atomic.Bool

	exporter sdktrace.SpanExporter
	life     context.Context // ends when a shutdown has waited long enough
	giveUp   func()
}

// maxPendingSpans bounds the spans that wait for export, unless
// OTEL_BSP_MAX_QUEUE_SIZE does. A span takes one to two KiB.
const maxPendingSpans = 8192

// newSpanExport makes the exporter to endpoint, a full URL. Headers, timeout,
// certificates and batch sizes follow OpenTelemetry's standard variables.
func newSpanExport(endpoint string, registry *prometheus.Registry, log *slog.Logger) (*spanExport, error) {
	exporter, err := otlptracehttp.New(context.Background(), otlptracehttp.WithEndpointURL(endpoint))
	if err != nil {
		return nil, err
	}
	e := &spanExport{log: log, endpoint: endpoint, limit: maxPendingSpans, exporter: exporter}
	if n, err := strconv.ParseInt(os.Getenv("OTEL_BSP_MAX_QUEUE_SIZE"), 10, 32); err == nil && n > 0 {
		e.limit = n
	}
	e.life, e.giveUp = context.WithCancel(context.Background())
	spans := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "simplane_trace_spans_total",
		Help: "Spans by what became of them: exported, failed (not taken by the collector) or dropped (queue full).",
	}, []string{"outcome"})
	registry.MustRegister(spans)
	e.exported, e.failed, e.dropped = spans.WithLabelValues("exported"), spans.WithLabelValues("failed"), spans.WithLabelValues("dropped")
	e.SpanProcessor = sdktrace.NewBatchSpanProcessor(e.sink(), sdktrace.WithMaxQueueSize(int(e.limit)))
	return e, nil
}

// OnEnd implements sdktrace.SpanProcessor. It never waits.
func (e *spanExport) OnEnd(s sdktrace.ReadOnlySpan) {
	if e.pending.Add(1) > e.limit {
		e.pending.Add(-1)
		e.dropped.Inc()
		if e.dropLog.due() {
			e.log.Warn("spans are dropped: more are recorded than the collector takes; lower traceSampleRatio", "endpoint", e.endpoint, "queue", e.limit)
		}
		return
	}
	e.SpanProcessor.OnEnd(s)
}

// sink is e as the batch processor's exporter.
func (e *spanExport) sink() sdktrace.SpanExporter { return spanSink{e} }

type spanSink struct{ *spanExport }

// ExportSpans implements sdktrace.SpanExporter. It handles failures itself:
// the SDK would write each to standard error.
func (e spanSink) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	defer e.pending.Add(-int64(len(spans)))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.life, cancel)()
	if err := e.exporter.ExportSpans(ctx, spans); err != nil {
		e.failed.Add(float64(len(spans)))
		e.failing.Store(true)
		if e.failLog.due() {
			e.log.Warn("traces cannot be exported; their spans are lost", "endpoint", e.endpoint, "error", err)
		}
		return nil
	}
	e.exported.Add(float64(len(spans)))
	if e.failing.CompareAndSwap(true, false) {
		e.log.Info("traces are exported again", "endpoint", e.endpoint)
	}
	return nil
}

// Shutdown implements sdktrace.SpanExporter.
func (e spanSink) Shutdown(ctx context.Context) error { return e.exporter.Shutdown(ctx) }

// seldom limits something to once a minute.
type seldom struct{ next atomic.Int64 }

func (s *seldom) due() bool {
	now := time.Now().UnixNano()
	next := s.next.Load()
	return now >= next && s.next.CompareAndSwap(next, now+int64(time.Minute))
}

// traceResource describes this process in spans. OTEL_SERVICE_NAME and
// OTEL_RESOURCE_ATTRIBUTES take precedence.
func traceResource() (*sdkresource.Resource, error) {
	return sdkresource.New(context.Background(),
		sdkresource.WithService(), // an instance id
		sdkresource.WithTelemetrySDK(),
		sdkresource.WithHost(),
		sdkresource.WithAttributes(semconv.ServiceName("simplane")),
		sdkresource.WithFromEnv(),
	)
}
