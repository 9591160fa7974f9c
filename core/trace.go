package core

import "strings"

// TraceContext is what core carries along for tracing. It reads none of it.
type TraceContext struct {
	Parent string // W3C traceparent, as received
	State  string // W3C tracestate, as received
	// Record is the submitter's own, for its Dispatcher and its Observer; nil
	// for none.
	Record any
}

// orNil is a pointer to t; nil when t is empty.
func (t *TraceContext) orNil() *TraceContext {
	if t.Parent == "" && t.Record == nil {
		return nil
	}
	return t
}

// own replaces borrowed strings by copies.
func (t *TraceContext) own() { t.Parent, t.State = strings.Clone(t.Parent), strings.Clone(t.State) }
