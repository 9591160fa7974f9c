package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/valyala/bytebufferpool"
	"github.com/valyala/fasthttp"

	"simplane/server/internal/fncall"
	"simplane/server/internal/sock"
)

// HTTPOptions tunes an HTTPInstance; zero fields take the defaults named here.
type HTTPOptions struct {
	MaxOutputBytes int           // largest answer, 4 MiB
	DialTimeout    time.Duration // 3 s
}

// HTTPInstance calls a function that listens on a TCP address. Connections
// are kept and reused.
type HTTPInstance struct {
	client *fasthttp.HostClient
	target *fncall.Target
	faulty error // what is wrong with addr
	addr   string
}

// idleConnTimeout is shorter than the keep-alive time of common servers (Node
// closes after 5 s): one that is closed meanwhile is noticed (sock.Send), one
// that is being closed just now is not.
const idleConnTimeout = 3 * time.Second

// NewHTTPInstance makes an instance for addr, a host:port.
func NewHTTPInstance(addr string, opt HTTPOptions) *HTTPInstance {
	if opt.MaxOutputBytes <= 0 {
		opt.MaxOutputBytes = 4 << 20
	}
	if opt.DialTimeout <= 0 {
		opt.DialTimeout = 3 * time.Second
	}
	client := &fasthttp.HostClient{
		Addr: addr,
		Name: "simplane",
		DialTimeout: sock.Dialer(func(a string, timeout time.Duration) (net.Conn, error) {
			return net.DialTimeout("tcp", a, min(timeout, opt.DialTimeout))
		}),
		MaxConns:            MaxEndpointConcurrency,
		MaxIdleConnDuration: idleConnTimeout,
		MaxResponseBodySize: opt.MaxOutputBytes,
		ReadBufferSize:      16 << 10,
	}
	target, err := fncall.New(client, "http://"+addr+"/")
	return &HTTPInstance{client, target, err, addr}
}

// Call implements Instance.
func (h *HTTPInstance) Call(inv Invocation, done func(Result)) {
	go func() {
		r, err := h.Do(inv)
		if err != nil {
			r = Failure(CodeError, "the function at "+h.addr+" could not be called: "+err.Error())
		}
		done(r)
	}()
}

// Do posts the invocation and waits for the answer, no longer than
// inv.Deadline. The error is a transport failure: nothing is known about
// whether the function ran.
func (h *HTTPInstance) Do(inv Invocation) (Result, error) {
	if h.faulty != nil {
		return Result{}, h.faulty
	}
	message, resp := bytebufferpool.Get(), fasthttp.AcquireResponse()
	defer bytebufferpool.Put(message)
	defer fasthttp.ReleaseResponse(resp)

	b := h.target.Begin(message.B)
	b = appendHeader(b, "X-Execution-Id", inv.ExecutionID)
	b = appendHeader(b, "X-Trace-Id", inv.TraceID)
	b = appendHeader(b, "Traceparent", inv.TraceParent)
	b = appendHeader(b, "Tracestate", inv.TraceState)
	b = appendHeader(b, "Idempotency-Key", inv.IdempotencyKey)
	body := requestBody(inv)
	message.B = append(fncall.End(b, len(body)), body...)

	err := h.target.Post(message.B, resp, time.Until(inv.Deadline))
	switch {
	case err == nil:
		return answer(resp), nil
	case errors.Is(err, fasthttp.ErrTimeout), !time.Now().Before(inv.Deadline):
		return Failure(CodeTimeout, "the function did not answer within its deadline"), nil
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return Failure(CodeBadOutput, fmt.Sprintf("the answer is larger than %d bytes", h.client.MaxResponseBodySize)), nil
	}
	return Result{}, err
}

// Close drops the idle connections.
func (h *HTTPInstance) Close() { h.client.CloseIdleConnections() }

// appendHeader appends a header that has a value.
func appendHeader(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return fncall.AppendHeader(b, name, value)
}

// requestBody builds {"input":…,"metadata":…} without parsing what it wraps.
func requestBody(inv Invocation) []byte {
	b := make([]byte, 0, len(inv.Input)+len(inv.Metadata)+32)
	return appendPayload(append(b, '{'), inv)
}

// appendPayload appends "input" and "metadata" and the closing brace.
func appendPayload(b []byte, inv Invocation) []byte {
	b = append(b, `"input":`...)
	if len(inv.Input) == 0 {
		b = append(b, "null"...)
	}
	b = append(b, inv.Input...)
	b = append(b, `,"metadata":`...)
	if len(inv.Metadata) == 0 {
		b = append(b, "{}"...)
	}
	b = append(b, inv.Metadata...)
	return append(b, '}')
}

// AppendLine appends the invocation as the one line a STDIO function reads,
// newline included. JSON that spans lines is compacted.
func AppendLine(b []byte, inv Invocation) []byte {
	inv.Input, inv.Metadata = oneLine(inv.Input), oneLine(inv.Metadata)
	b = append(b, `{"executionId":`...)
	id, _ := json.Marshal(inv.ExecutionID) // a string always marshals
	b = append(append(b, id...), ',')
	b = appendMember(b, "traceparent", inv.TraceParent)
	b = appendMember(b, "tracestate", inv.TraceState)
	return append(appendPayload(b, inv), '\n')
}

// appendMember appends a member of a JSON object that has a value.
func appendMember(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	text, _ := json.Marshal(value)
	b = append(append(b, '"'), name...)
	return append(append(append(b, `":`...), text...), ',')
}

func oneLine(raw json.RawMessage) json.RawMessage {
	if bytes.IndexByte(raw, '\n') < 0 && bytes.IndexByte(raw, '\r') < 0 {
		return raw
	}
	var out bytes.Buffer
	if json.Compact(&out, raw) != nil {
		return json.RawMessage("null") // callers promise valid JSON
	}
	return out.Bytes()
}

// answer reads a response. JSON is passed on as it is, text/plain becomes a
// JSON string, an empty body null.
func answer(resp *fasthttp.Response) Result {
	body := resp.Body()
	if code := resp.StatusCode(); code >= 400 {
		return Failure(CodeError, fmt.Sprintf("the function answered with status %d: %s", code, Snippet(body)))
	}
	contentType := strings.ToLower(string(resp.Header.ContentType()))
	if strings.HasPrefix(contentType, "text/plain") {
		if !utf8.Valid(body) {
			return Failure(CodeBadOutput, "the answer is text/plain but not UTF-8")
		}
		out, _ := json.Marshal(string(body))
		return Result{Output: out}
	}
	body = bytes.TrimSpace(body) // such as an encoder's last newline
	if len(body) == 0 {
		return Result{Output: json.RawMessage("null")}
	}
	if !json.Valid(body) {
		return Failure(CodeBadOutput, "the answer is not JSON: "+Snippet(body))
	}
	return Result{Output: bytes.Clone(body)} // body goes back to fasthttp's pool
}

// Snippet makes the start of arbitrary bytes fit for a message: one line of
// printable text, at most 200 bytes of it.
func Snippet(b []byte) string {
	const limit = 200
	cut := len(b) > limit
	if cut {
		b = b[:limit]
	}
	s := strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t', r == '\r':
			return ' '
		case r < ' ', r == utf8.RuneError, r == 0x7f:
			return '?'
		}
		return r
	}, string(b))
	s = strings.TrimSpace(s)
	if cut {
		s += "…"
	}
	return s
}
