package fncall

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// largeInput is the least length in bytes of an input that is sent from where it
// is, rather than copied into the request.
const largeInput = 8 << 10

// appendRequest appends the HTTP request that makes the call. A large input is
// left out: it is returned, and belongs at b[cut]. large is nil for any other.
func (t *Target) appendRequest(b []byte, r *Request) (_, large []byte, cut int) {
	b = appendCallHeaders(t.appendHead(b, r.Path), r)
	if r.RawBody {
		return appendRawBody(b, r.Input)
	}
	b = append(b, "Content-Type: application/json\r\n"...)
	b = append(appendEnd(b, 1+payloadLen(r)), '{')
	if len(r.Input) < largeInput {
		return appendPayload(b, r), nil, 0
	}
	b = append(b, beforeInput...)
	cut = len(b)
	return appendMetadata(b, r), r.Input, cut
}

// appendCallHeaders appends the headers that tell a function of its call.
func appendCallHeaders(b []byte, r *Request) []byte {
	for _, h := range [...]struct{ name, value string }{
		{"X-Execution-Id", r.ExecutionID},
		{"X-Trace-Id", r.TraceID},
		{"Traceparent", r.TraceParent},
		{"Tracestate", r.TraceState},
		{"Idempotency-Key", r.IdempotencyKey},
		{"X-Completion-Token", r.CompletionToken},
	} {
		if h.value != "" {
			b = appendHeader(b, h.name, h.value)
		}
	}
	if r.FencingToken != 0 {
		b = append(strconv.AppendUint(append(b, "X-Fencing-Token: "...), r.FencingToken, 10), "\r\n"...)
	}
	b = strconv.AppendInt(append(b, "X-Dispatch-Attempt: "...), int64(r.Attempt), 10)
	return append(b, "\r\n"...)
}

// appendHead appends the constant part of the head, with path at the end of the
// URL's.
func (t *Target) appendHead(b []byte, path string) []byte {
	if path == "" || path == "/" {
		return append(b, t.head...)
	}
	b = append(b, t.head[:t.path]...)
	if b[len(b)-1] == '/' {
		b = b[:len(b)-1]
	}
	return append(append(b, path...), t.head[t.path:]...)
}

// appendRawBody appends the end of the head and the input as the body.
func appendRawBody(b, input []byte) (_, large []byte, cut int) {
	contentType := "Content-Type: application/json\r\n"
	if text, isText := Text(input); isText {
		contentType, input = "Content-Type: text/plain; charset=utf-8\r\n", text
	}
	b = appendEnd(append(b, contentType...), len(input))
	if len(input) < largeInput {
		return append(b, input...), nil, 0
	}
	return b, input, len(b)
}

// Text is the text of an input that is a JSON string; false for any other.
func Text(input []byte) (text []byte, isText bool) {
	if len(input) == 0 || input[0] != '"' {
		return nil, false
	}
	text, _ = jsontext.AppendUnquote(make([]byte, 0, len(input)), input) // what is no Unicode becomes U+FFFD
	return text, true
}

// appendHeader appends a header to b. Control bytes in the value, which could
// end the line, become spaces.
func appendHeader(b []byte, name, value string) []byte {
	b = append(append(b, name...), ": "...)
	at := len(b)
	b = append(b, value...)
	clean(b[at:])
	return append(b, "\r\n"...)
}

// clean makes spaces of the control bytes of a header's value.
func clean(value []byte) {
	for i, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			value[i] = ' '
		}
	}
}

// appendEnd appends the end of the headers of a message with a body of so many
// bytes.
func appendEnd(b []byte, body int) []byte {
	b = strconv.AppendInt(append(b, "Content-Length: "...), int64(body), 10)
	return append(b, "\r\n\r\n"...)
}

const (
	noInput    = "null"
	noMetadata = "{}"
)

// appendPayload appends "input" and "metadata", both always there, and the
// closing brace.
func appendPayload(b []byte, r *Request) []byte {
	b = append(b, beforeInput...)
	if len(r.Input) == 0 {
		b = append(b, noInput...)
	}
	return appendMetadata(append(b, r.Input...), r)
}

const beforeInput = `"input":`

// appendMetadata appends what follows the input.
func appendMetadata(b []byte, r *Request) []byte {
	b = append(b, `,"metadata":`...)
	if len(r.Metadata) == 0 {
		b = append(b, noMetadata...)
	}
	b = append(b, r.Metadata...)
	return append(b, '}')
}

// payloadLen is the length of what appendPayload appends.
func payloadLen(r *Request) int {
	n := len(`"input":,"metadata":}`) + len(r.Input) + len(r.Metadata)
	if len(r.Input) == 0 {
		n += len(noInput)
	}
	if len(r.Metadata) == 0 {
		n += len(noMetadata)
	}
	return n
}

// AppendLine appends the call as the one line that a STDIO function reads,
// newline included. JSON that spans lines is compacted.
func AppendLine(b []byte, r Request) []byte {
	r.Input, r.Metadata = oneLine(r.Input), oneLine(r.Metadata)
	b = append(b, `{"executionId":`...)
	id, _ := json.Marshal(r.ExecutionID) // a string always marshals
	b = append(append(b, id...), ',')
	b = appendMember(b, "traceparent", r.TraceParent)
	b = appendMember(b, "tracestate", r.TraceState)
	return append(appendPayload(b, &r), '\n')
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
