package telemetry

import (
	"context"
	"net"
	"strconv"

	"github.com/valyala/fasthttp"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"simplane/core"
	"simplane/server/internal/httpjson"
)

// RequestSpan is the server span of a sampled :invoke, :enqueue or raw call. The
// methods that handlers call do nothing on nil, which stands for an unsampled
// request.
type RequestSpan struct {
	tracing        *Tracing
	span           trace.Span
	verb, function string // function lives as long as the request

	answered bool // one of the methods below was called
	id       core.ID
	accepted bool // id is valid
	joined   bool // an earlier execution's result, by idempotency key
	code     string
}

// Begin starts the span of a request if it is sampled, and puts the record
// that its execution carries into c.
func (t *Tracing) Begin(verb, function string, c *core.TraceContext) *RequestSpan {
	if t == nil || !t.sampled(c.Parent) {
		return nil
	}
	ctx := context.Background()
	if c.Parent != "" {
		ctx = trace.ContextWithRemoteSpanContext(ctx, remoteParent(*c))
	}
	_, span := t.spans.Start(ctx, verb+" "+function, trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(t.now()))
	c.Parent, c.Record = "", &executionTrace{tracing: t, parent: span.SpanContext()}
	return &RequestSpan{tracing: t, span: span, verb: verb, function: function}
}

// Refused records the error code of a request that was refused.
func (r *RequestSpan) Refused(code string) {
	if r != nil {
		r.answered, r.code = true, code
	}
}

// Queued records an execution that was accepted and has no waiting caller.
func (r *RequestSpan) Queued(res *core.Result) {
	if r != nil {
		r.answered, r.accepted, r.id, r.joined = true, true, res.ID, res.Existing
	}
}

// Ended records the end of an execution that the caller waited for.
func (r *RequestSpan) Ended(res *core.Result, snap *core.Snapshot) {
	if r == nil {
		return
	}
	r.Queued(res)
	switch {
	case snap.Status == core.Timeout:
		r.code = errorTimeout
	case snap.Err != nil:
		r.code = snap.Err.Code
	}
}

// End ends the span with the response. It is deferred: a handler that panics
// has recorded nothing.
func (r *RequestSpan) End(ctx *fasthttp.RequestCtx) {
	status := ctx.Response.StatusCode()
	if !r.answered {
		status, r.code = fasthttp.StatusInternalServerError, httpjson.CodeInternal
	}
	attrs := make([]attribute.KeyValue, 0, 16)
	attrs = append(attrs,
		requestMethod(string(ctx.Method())),
		semconv.HTTPRoute(r.route()),
		semconv.HTTPResponseStatusCode(status),
		semconv.URLPath(spanText(ctx.Path(), maxSpanText)),
		semconv.URLScheme("http"),
		semconv.ClientAddress(ctx.RemoteIP().String()),
	)
	if ctx.IsTLS() {
		attrs[4] = semconv.URLScheme("https")
	}
	attrs = append(attrs, serverAddress(spanText(ctx.Host(), maxSpanText))...)
	if agent := ctx.UserAgent(); len(agent) > 0 {
		attrs = append(attrs, semconv.UserAgentOriginal(spanText(agent, maxSpanText)))
	}
	if status == fasthttp.StatusNotFound {
		r.span.SetName(r.verb) // callers can make up any function name
	} else {
		attrs = append(attrs, semconv.FaaSInvokedName(spanText(r.function, maxSpanText)))
	}
	if r.accepted {
		attrs = append(attrs, semconv.FaaSInvocationID(r.id.String()))
	}
	if r.joined {
		attrs = append(attrs, attribute.Bool("simplane.joined", true))
	}
	switch {
	case r.code == "":
	case status >= 400 && status < 500 && status != fasthttp.StatusTooManyRequests:
		// An error of the caller is none of this server.
		attrs = append(attrs, semconv.ErrorTypeKey.String(r.code))
	default:
		fail(r.span, r.code, "")
	}
	r.span.SetAttributes(attrs...)
	r.span.End(trace.WithTimestamp(r.tracing.now()))
}

// VerbRaw is the verb of a raw call.
const VerbRaw = "raw"

func (r *RequestSpan) route() string {
	if r.verb == VerbRaw {
		return "/function/{name}"
	}
	return "/v1/functions/{name}:" + r.verb
}

// requestMethod is a method as spans have it: those that anybody can make up are one.
func requestMethod(method string) attribute.KeyValue {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY":
	default:
		method = "_OTHER"
	}
	return semconv.HTTPRequestMethodKey.String(method)
}

// serverAddress splits host[:port].
func serverAddress(hostPort string) []attribute.KeyValue {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return []attribute.KeyValue{semconv.ServerAddress(hostPort)}
	}
	attrs := []attribute.KeyValue{semconv.ServerAddress(host)}
	if n, err := strconv.Atoi(port); err == nil {
		attrs = append(attrs, semconv.ServerPort(n))
	}
	return attrs
}
