package telemetry

import (
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	callerTrace   = "4bf92f3577b34da6a3ce929d0e0e4736"
	callerSpan    = "00f067aa0ba902b7"
	callerParent  = "00-" + callerTrace + "-" + callerSpan + "-01"
	callerDecline = "00-" + callerTrace + "-" + callerSpan + "-00"
	callerState   = "vendor=t61rcWkgMzE,other=00f067"
)

func TestTraceSampleRatioIsAShare(t *testing.T) {
	tr := &Tracing{ratio: 0.25}
	const rounds = 100_000
	n := 0
	for range rounds {
		if tr.sampled("") {
			n++
		}
	}
	if n < rounds/5 || n > rounds*3/10 { // 60 standard deviations
		t.Errorf("%d of %d sampled", n, rounds)
	}
}

func TestTraceStateInSeveralHeadersIsOneList(t *testing.T) {
	var ctx fasthttp.RequestCtx
	h := &ctx.Request.Header
	h.Set("Traceparent", callerParent)
	h.Add("Tracestate", "a=1")
	h.Add("Tracestate", "b=2")
	if c := TraceContext(h); c.Parent != callerParent || c.State != "a=1,b=2" {
		t.Errorf("%+v", c)
	}
}

func TestTraceLogIsSeldom(t *testing.T) {
	var s seldom
	if !s.due() || s.due() {
		t.Error("not once")
	}
	s.next.Store(time.Now().UnixNano())
	if !s.due() {
		t.Error("not again when its time has come")
	}
}

// FuzzTraceContext: whatever the headers are, a function gets valid ones or none.
func FuzzTraceContext(f *testing.F) {
	f.Add(callerParent, callerState)
	f.Add(callerDecline, "")
	f.Add(callerParent[:54], "a=\xff")
	f.Add("", "a=1")
	f.Fuzz(func(t *testing.T, parent, state string) {
		var h fasthttp.RequestHeader
		h.Set("Traceparent", parent)
		h.Set("Tracestate", state)
		c := TraceContext(&h)
		if c.Parent == "" {
			if c.State != "" || validTraceParent(h.Peek("Traceparent")) {
				t.Fatalf("%q %q became %+v", parent, state, c)
			}
			return
		}
		if c.Parent != string(h.Peek("Traceparent")) || !validTraceParent([]byte(c.Parent)) || !validTraceState(c.State) {
			t.Fatalf("%q %q became %+v", parent, state, c)
		}
		sc := remoteParent(c)
		if got := appendTraceParent(nil, sc.TraceID(), sc.SpanID(), byte(sc.TraceFlags())); string(got) != c.Parent {
			t.Fatalf("%q reads as %q", c.Parent, got)
		}
	})
}
