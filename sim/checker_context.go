package sim

import (
	"bytes"

	"simplane/core"
	"simplane/sim/internal/world"
)

// A call brings more than an input and a key: metadata, which the function gets with the
// input, and a trace id and a trace context, which core carries along. Each execution has
// those of its own call, wherever it is shown or handed out.

// brought is a number of what a call with a key brings, its metadata included: a key leads
// nobody to it who brings something else.
func (c *checker) brought(t world.Tag) int {
	n := 2 * t.Input()
	if c.w.loads[t.Load()].Context {
		n++
	}
	return n
}

// again is what a call brings, beside its input, when its dead letter is redriven: the
// caller's trace is over.
func again(metadata []byte, traceID string) *world.Beside {
	return &world.Beside{Metadata: metadata, TraceID: traceID}
}

// contextBytes is what the payload bound counts of it.
func contextBytes(r *world.Beside) int {
	return len(r.Metadata) + len(r.TraceID) + len(r.Trace.Parent) + len(r.Trace.State)
}

// handedWith checks what an attempt is handed out with, beside its input.
func (c *checker) handedWith(t *core.Task, rec *record, s *saying) {
	switch {
	case !bytes.Equal(t.Metadata, s.with.Metadata) || t.TraceID != s.with.TraceID:
		c.w.fail("attempts get what belongs to their call", "execution #%d: attempt %d gets metadata %q and trace id %q, its call brought %q and %q", rec.number, t.Attempt, t.Metadata, t.TraceID, s.with.Metadata, s.with.TraceID)
	case !sameTrace(t.Trace, &s.with.Trace):
		c.w.fail("attempts get what belongs to their call", "execution #%d: attempt %d gets the trace context %+v, its call brought %+v", rec.number, t.Attempt, t.Trace, s.with.Trace)
	case t.Durable:
		c.w.fail("attempts get what belongs to their call", "execution #%d: attempt %d is said to be durable, and there is no journal", rec.number, t.Attempt)
	}
}

// sameTrace compares a trace context of core's, nil for none, with that of a call.
func sameTrace(got, want *core.TraceContext) bool {
	if got == nil {
		return *want == core.TraceContext{}
	}
	return *got == *want
}

// observedWith checks the trace context of an event.
func (c *checker) observedWith(ev *core.Event, rec *record, slot int32) {
	if s := &c.sayings[slot]; !sameTrace(ev.Trace, &s.with.Trace) {
		c.w.fail("ends are observed as they are", "execution #%d: %s has the trace context %+v, its call brought %+v", rec.number, ev.Kind, ev.Trace, s.with.Trace)
	}
}

// showsWith compares what core shows of an execution, beside its snapshot, with its call.
func (c *checker) showsWith(rec *record, s *saying, got *core.Details) {
	metadata, trace := s.with.Metadata, s.with.TraceID
	if got.CleanedUp {
		metadata, trace = nil, ""
	}
	if s.unwanted {
		metadata = nil
	}
	if !bytes.Equal(got.Metadata, metadata) || got.TraceID != trace {
		c.w.fail("consistent snapshots", "execution #%d: cleaned up %v, its metadata is %q and its trace id %q, expected %q and %q", rec.number, got.CleanedUp, got.Metadata, got.TraceID, metadata, trace)
	}
}
