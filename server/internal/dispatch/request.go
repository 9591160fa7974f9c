package dispatch

import (
	"sync"
	"time"
	"unsafe"

	"simplane/core"
	"simplane/server/funcspec"
	"simplane/server/internal/fncall"
)

// textSize is the size of the strings made for a request: an execution's id
// and a traceparent.
const textSize = 36 + 55

// texts are buffers for requests that are not kept.
var texts = sync.Pool{New: func() any { b := make([]byte, 0, textSize); return &b }}

// request is the request to a task's function. Its strings are views of b,
// which must not change while the request is in use.
func (h *Hooks) request(t core.Task, b []byte) fncall.Request {
	r := fncall.Request{
		Input: t.Input, Metadata: t.Metadata, TraceID: t.TraceID, IdempotencyKey: t.IdempotencyKey,
		Attempt: t.Attempt, Deadline: time.Now().Add(t.Timeout), FencingToken: h.FencingToken,
	}
	rt := funcspec.Of(t.Spec)
	r.Path, r.RawBody = rt.InvokePath, rt.BodyMode == funcspec.BodyRaw
	b = t.ID.AppendTo(b)
	id := len(b)
	if h.AppendTraceParent != nil {
		b, r.TraceState = h.AppendTraceParent(b, t)
	}
	r.ExecutionID, r.TraceParent = view(b[:id]), view(b[id:])
	if h.CompletionToken != nil {
		r.CompletionToken = h.CompletionToken(t.ID)
	}
	return r
}

// view is b as a string without a copy.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
