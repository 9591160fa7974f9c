package telemetry

import (
	"context"
	"net/url"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"simplane/core"
	"simplane/server/funcspec"
	"simplane/server/internal/dispatch"
)

// executionTrace is the record that a sampled request's execution carries. It
// makes the spans of its waits in the queue and of its attempts. It is kept as
// long as the execution and holds no span that has ended.
type executionTrace struct {
	tracing *Tracing
	parent  trace.SpanContext // the request's span

	mu      sync.Mutex
	number  int32 // of the last attempt; 0 before the first
	attempt trace.Span
	id      trace.SpanID // of the last attempt
	over    time.Time    // when the last attempt failed
}

func recordOf(c *core.TraceContext) *executionTrace {
	if c == nil {
		return nil
	}
	x, _ := c.Record.(*executionTrace)
	return x
}

// tracedMetrics is the observer of a server that traces.
type tracedMetrics struct{ *Metrics }

// Observer is what core's events go to: the metrics, and the spans of sampled
// requests where there is tracing.
func Observer(m *Metrics, t *Tracing) core.Observer {
	if t == nil {
		return m
	}
	return tracedMetrics{m}
}

func (m tracedMetrics) Observe(ev core.Event) {
	if x := recordOf(ev.Trace); x != nil {
		switch ev.Kind {
		case core.EventDispatched:
			x.dispatched(ev)
		case core.EventEnded:
			x.ended(ev)
		}
	}
	m.Metrics.Observe(ev)
}

// Complete reports an attempt's outcome to its span and to core, in that
// order: the next attempt may begin before core returns.
func Complete(t core.Task, o core.Outcome) {
	if t.Trace != nil {
		if x := recordOf(t.Trace); x != nil {
			x.answered(int32(t.Attempt), o)
		}
	}
	t.Complete(o)
}

func (x *executionTrace) start(name string, kind trace.SpanKind, at time.Time, attrs ...attribute.KeyValue) trace.Span {
	ctx := trace.ContextWithSpanContext(context.Background(), x.parent)
	_, span := x.tracing.spans.Start(ctx, name, trace.WithSpanKind(kind), trace.WithTimestamp(at), trace.WithAttributes(attrs...))
	return span
}

// dispatched begins an attempt's span and makes that of the wait before it.
// There was no wait if a slot was free.
func (x *executionTrace) dispatched(ev core.Event) {
	at, spec := spanTime(ev.At), ev.Function.Spec()
	if ev.QueueWait > 0 {
		x.waited(ev, at.Add(-ev.QueueWait), "", "")
	}
	kind, mode := trace.SpanKindClient, funcspec.Of(spec).ExecutionMode
	if mode == funcspec.ModeLocal {
		kind = trace.SpanKindInternal
	}
	attrs := []attribute.KeyValue{
		semconv.FaaSInvokedName(spec.Name),
		semconv.FaaSInvokedProviderKey.String("simplane"),
		semconv.FaaSInvocationID(ev.ID.String()),
		attribute.String("simplane.execution_mode", mode),
		attribute.Int("simplane.attempt", int(ev.Attempt)),
		attribute.Float64("simplane.queue_wait_ms", millis(ev.QueueWait)),
	}
	span := x.start("dispatch "+spec.Name, kind, at, attrs...)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.number, x.attempt, x.id = ev.Attempt, span, span.SpanContext().SpanID()
}

// answered ends an attempt's span with its outcome.
func (x *executionTrace) answered(attempt int32, o core.Outcome) {
	now := x.tracing.now()
	span := x.take(attempt, now)
	if span == nil {
		return // the execution has ended before, and with it the span
	}
	span.SetAttributes(semconv.FaaSColdstart(o.ColdStart))
	if o.Init > 0 {
		span.SetAttributes(attribute.Int64("simplane.init_duration_ms", o.Init.Milliseconds()))
	}
	switch {
	case o.Status == core.Timeout:
		fail(span, errorTimeout, o.Message)
	case o.Status != core.Success && o.Code == "":
		fail(span, core.CodeDispatchFailed, o.Message)
	case o.Status != core.Success:
		fail(span, o.Code, o.Message)
	}
	span.End(trace.WithTimestamp(now))
}

// take returns the span of an attempt that is not over, and ends that state.
func (x *executionTrace) take(attempt int32, now time.Time) trace.Span {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.attempt == nil || x.number != attempt {
		return nil
	}
	span := x.attempt
	x.attempt, x.over = nil, now
	return span
}

// ended closes what the end of the execution leaves open: the span of an
// attempt that has not answered (its answer will be dropped), or that of the
// wait in the queue.
func (x *executionTrace) ended(ev core.Event) {
	at := spanTime(ev.At)
	code := ev.Code
	if ev.Status == core.Timeout && code == "" {
		code = errorTimeout
	}
	if span := x.take(ev.Attempt, at); span != nil {
		if code != "" {
			fail(span, code, "")
		}
		span.End(trace.WithTimestamp(at))
		return
	}
	x.mu.Lock()
	number, over := x.number, x.over
	x.mu.Unlock()
	switch {
	case ev.Service == 0 && number < ev.Attempt:
		since := at.Add(-ev.E2E)
		if ev.Attempt > 1 {
			since = over
		}
		x.waited(ev, since, code, "")
	case ev.Code == core.CodeQueueFull:
		x.waited(ev, at, code, "no room for the retry")
	}
}

// waited makes the span of a wait in the queue that is over now; code is
// empty unless the execution has ended by it.
func (x *executionTrace) waited(ev core.Event, since time.Time, code, message string) {
	span := x.start("queue "+ev.Function.Name(), trace.SpanKindInternal, since,
		semconv.FaaSInvocationID(ev.ID.String()), attribute.Int("simplane.attempt", int(ev.Attempt)))
	if code != "" {
		fail(span, code, message)
	}
	span.End(trace.WithTimestamp(spanTime(ev.At)))
}

// Called adds what is known of an HTTP call to its attempt's span, if there is
// one; status is 0 when there was no answer.
func Called(t core.Task, status int) {
	x := recordOf(t.Trace)
	if x == nil {
		return
	}
	x.mu.Lock()
	span := x.attempt
	if x.number != int32(t.Attempt) {
		span = nil
	}
	x.mu.Unlock()
	if span == nil {
		return
	}
	method := semconv.HTTPRequestMethodPost
	if raw := dispatch.RawCallOf(t); raw != nil {
		method = requestMethod(raw.Method)
	}
	attrs := []attribute.KeyValue{method, semconv.URLFull(spanText(dispatch.ShownURL(funcspec.Of(t.Spec).EndpointURL), maxSpanText))}
	if u, err := url.Parse(funcspec.Of(t.Spec).EndpointURL); err == nil {
		attrs = append(attrs, serverAddress(spanText(u.Host, maxSpanText))...)
	}
	if status > 0 {
		attrs = append(attrs, semconv.HTTPResponseStatusCode(status))
	}
	if t.Attempt > 1 {
		attrs = append(attrs, semconv.HTTPRequestResendCount(t.Attempt-1))
	}
	span.SetAttributes(attrs...)
}

// appendParent appends the traceparent that makes the last attempt the parent.
func (x *executionTrace) appendParent(b []byte) []byte {
	x.mu.Lock()
	id := x.id
	x.mu.Unlock()
	return appendTraceParent(b, x.parent.TraceID(), id, byte(x.parent.TraceFlags()))
}
