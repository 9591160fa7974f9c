package telemetry

import (
	"bytes"
	"encoding/hex"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/internal/httpjson"
)

// W3C trace context, https://www.w3.org/TR/trace-context/.
const (
	headerTraceParent = "Traceparent"
	headerTraceState  = "Tracestate"
	traceParentLength = 55
	flagSampled       = 1
	maxTraceState     = 512 // bytes of a tracestate that is forwarded
)

// TraceContext reads the caller's trace context. An invalid header is
// ignored, as the standard requires, and so is a tracestate without a
// traceparent or longer than maxTraceState. The strings live as long as the
// request.
func TraceContext(h *fasthttp.RequestHeader) core.TraceContext {
	parent := h.Peek(headerTraceParent)
	if !validTraceParent(parent) {
		return core.TraceContext{}
	}
	c := core.TraceContext{Parent: httpjson.UnsafeString(parent)}
	if states := h.PeekAll(headerTraceState); len(states) == 1 {
		c.State = httpjson.UnsafeString(states[0])
	} else if len(states) > 1 {
		c.State = string(bytes.Join(states, []byte(","))) // they are one list
	}
	if !validTraceState(c.State) {
		c.State = ""
	}
	return c
}

// validTraceParent reports whether b is a header of version 00:
// 00-<32 hex>-<16 hex>-<2 hex>, lower case, ids not all zero.
func validTraceParent(b []byte) bool {
	if len(b) != traceParentLength || b[0] != '0' || b[1] != '0' || b[2] != '-' || b[35] != '-' || b[52] != '-' {
		return false
	}
	return hexID(b[3:35], true) && hexID(b[36:52], true) && hexID(b[53:], false)
}

func hexID(b []byte, nonZero bool) bool {
	zero := true
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
		zero = zero && c == '0'
	}
	return !nonZero || !zero
}

// validTraceState checks length and alphabet only: the entries are private to
// the systems that added them.
func validTraceState(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < ' ' || c > '~') && c != '\t' {
			return false
		}
	}
	return len(s) <= maxTraceState
}

// traceFlags are the flags of a valid traceparent.
func traceFlags(parent string) byte {
	var flags [1]byte
	_, _ = hex.Decode(flags[:], []byte(parent[53:traceParentLength]))
	return flags[0]
}

func appendTraceParent(b []byte, trace [16]byte, span [8]byte, flags byte) []byte {
	b = append(b, "00-"...)
	b = hex.AppendEncode(b, trace[:])
	b = append(b, '-')
	b = hex.AppendEncode(b, span[:])
	b = append(b, '-')
	return hex.AppendEncode(b, []byte{flags})
}

// traceForwarding decides which trace context functions get. It is true when
// this server decides which requests are traced.
type traceForwarding bool

// appendParent appends the traceparent for a task's function, if it gets one,
// and returns the tracestate that goes with it. A recorded attempt is the
// parent of what the function does. Without a record the caller's context is
// forwarded unchanged.
func (decides traceForwarding) appendParent(b []byte, t core.Task) (parent []byte, state string) {
	switch x := recordOf(t.Trace); {
	case x != nil:
		return x.appendParent(b), t.Trace.State
	case t.Trace != nil:
		return append(b, t.Trace.Parent...), t.Trace.State
	case bool(decides):
		// Not sampled: the function gets that decision, or it would begin a
		// trace of its own. The ids are derived from the execution's, so they
		// are the same in every attempt.
		return appendTraceParent(b, t.ID, [8]byte(t.ID[8:]), 0), ""
	}
	return b, ""
}

// ForwardParent returns what appends the traceparent for a task's function.
func (t *Tracing) ForwardParent() func(b []byte, task core.Task) (parent []byte, state string) {
	return traceForwarding(t != nil).appendParent
}
