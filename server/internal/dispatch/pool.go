package dispatch

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/valyala/bytebufferpool"
	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/internal/fncall"
	"simplane/server/internal/sock"
)

// poolDispatcher posts tasks to the endpoint of a function that somebody else
// runs, over kept-alive connections.
type poolDispatcher struct {
	targets     *poolTargets
	maxResponse int
	hooks       Hooks
}

func newPoolDispatcher(o Options) *poolDispatcher {
	d := &poolDispatcher{hooks: o.Hooks, maxResponse: o.MaxResponseBytes, targets: newPoolTargets(func() *fasthttp.HostClient {
		return &fasthttp.HostClient{
			DialTimeout:            sock.Dialer(o.Egress.dial),
			Name:                   "simplane",
			MaxConns:               o.MaxConnections,
			MaxResponseBodySize:    o.MaxResponseBytes,
			MaxIdleConnDuration:    10 * time.Second,
			DisablePathNormalizing: true,
		}
	})}
	return d
}

func (d *poolDispatcher) Dispatch(t core.Task) {
	go func() { d.hooks.Complete(t, d.call(t)) }()
}

// call makes one attempt and always returns within the task's timeout.
func (d *poolDispatcher) call(t core.Task) core.Outcome {
	if t.Spec.EndpointURL == "" {
		return core.Outcome{Status: core.Error, Code: core.CodePoolNoEndpoint, Message: "the function has no endpointUrl"}
	}
	target, err := d.targets.of(t.Spec.EndpointURL)
	if err != nil {
		return poolError("%s: %v", ShownURL(t.Spec.EndpointURL), err)
	}
	message, resp := bytebufferpool.Get(), fasthttp.AcquireResponse()
	defer bytebufferpool.Put(message)
	defer fasthttp.ReleaseResponse(resp)
	message.B = d.appendMessage(message.B, target, t)
	err = target.Post(message.B, resp, t.Timeout)
	if d.hooks.Called != nil {
		status := 0
		if err == nil {
			status = resp.StatusCode()
		}
		d.hooks.Called(t, status)
	}
	switch {
	case err == fasthttp.ErrTimeout:
		return core.Outcome{Status: core.Timeout, Code: core.CodePoolTimeout}
	case err != nil:
		return poolError("%s: %v", ShownURL(t.Spec.EndpointURL), err)
	case resp.StatusCode() >= 300:
		return poolError("%s answered with status %d: %s", ShownURL(t.Spec.EndpointURL), resp.StatusCode(), clip(resp.Body(), 200))
	}
	output, err := poolOutput(resp, d.maxResponse)
	if err != nil {
		return poolError("%s: %v", ShownURL(t.Spec.EndpointURL), err)
	}
	o := core.Outcome{Status: core.Success, Output: output}
	if bytes.EqualFold(resp.Header.Peek("X-Cold-Start"), []byte("true")) {
		o.ColdStart = true
		ms, _ := strconv.ParseInt(string(resp.Header.Peek("X-Init-Duration-Ms")), 10, 32)
		o.Init = time.Duration(max(ms, 0)) * time.Millisecond
	}
	return o
}

// appendMessage appends the HTTP request for a task.
func (d *poolDispatcher) appendMessage(b []byte, target *fncall.Target, t core.Task) []byte {
	b = target.Begin(b)
	var id [36]byte
	b = fncall.AppendHeader(b, "X-Execution-Id", t.ID.AppendTo(id[:0]))
	if t.TraceID != "" {
		b = fncall.AppendHeader(b, "X-Trace-Id", t.TraceID)
	}
	if d.hooks.AppendTraceParent != nil {
		b = d.appendTrace(b, t)
	}
	if t.IdempotencyKey != "" {
		b = fncall.AppendHeader(b, "Idempotency-Key", t.IdempotencyKey)
	}
	if d.hooks.CompletionToken != nil {
		b = fncall.AppendHeader(b, "X-Completion-Token", d.hooks.CompletionToken(t.ID))
	}
	return appendPayload(fncall.End(b, payloadLen(t)), t)
}

// appendTrace appends the trace context's headers, if the function gets any. The
// hook writes into b, so that its buffer need not escape to the heap.
func (d *poolDispatcher) appendTrace(b []byte, t core.Task) []byte {
	before := len(b)
	b = append(b, "Traceparent: "...)
	named := len(b)
	b, state := d.hooks.AppendTraceParent(b, t)
	if len(b) == named {
		return b[:before]
	}
	b = append(b, "\r\n"...)
	if state != "" {
		b = fncall.AppendHeader(b, "Tracestate", state)
	}
	return b
}

// payloadLen is the length of what appendPayload appends.
func payloadLen(t core.Task) int {
	n := len(`{"input":}`) + len(t.Input)
	if len(t.Metadata) > 0 {
		n += len(`,"metadata":`) + len(t.Metadata)
	}
	return n
}

// appendPayload appends what a function is sent.
func appendPayload(b []byte, t core.Task) []byte {
	b = append(b, `{"input":`...)
	b = append(b, t.Input...)
	if len(t.Metadata) > 0 {
		b = append(b, `,"metadata":`...)
		b = append(b, t.Metadata...)
	}
	return append(b, '}')
}

// poolOutput turns a function's answer into JSON: text becomes a string, an
// empty body null, anything else must be JSON whatever it is called. limit
// holds for a compressed body too once it is unpacked.
func poolOutput(resp *fasthttp.Response, limit int) ([]byte, error) {
	body, err := resp.BodyUncompressedWithLimit(limit)
	if err != nil {
		return nil, fmt.Errorf("undecodable body: %w", err)
	}
	contentType := resp.Header.ContentType()
	const text = "text/plain"
	if len(contentType) >= len(text) && strings.EqualFold(string(contentType[:len(text)]), text) {
		return jsontext.AppendQuote(nil, body)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return []byte("null"), nil
	}
	value := jsontext.Value(body)
	if !value.IsValid(jsontext.AllowDuplicateNames(true)) {
		return nil, fmt.Errorf("the answer (Content-Type %q) is not JSON: %s", contentType, clip(body, 80))
	}
	return slices.Clone(bytes.TrimSpace(body)), nil
}

// ShownURL is an endpoint as callers may see it: without the password and the
// query, where keys are.
func ShownURL(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "the endpoint"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// clip shortens untrusted text for a message.
func clip(b []byte, n int) string {
	if len(b) > n {
		return string(b[:n]) + "…"
	}
	return string(b)
}

func poolError(format string, args ...any) core.Outcome {
	return core.Outcome{Status: core.Error, Code: core.CodePoolError, Message: fmt.Sprintf(format, args...)}
}
