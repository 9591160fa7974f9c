// Package telemetry makes Prometheus metrics and OpenTelemetry spans from
// core's events, and writes the access log.
package telemetry

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"google.golang.org/protobuf/types/known/timestamppb"

	"simplane/core"
)

// Metrics turns core's events into Prometheus metrics. What is counted for a
// function is in core's handle of it, so it needs no look-up, and goes with the
// function.
type Metrics struct {
	// Registry has the metrics that are not about a function.
	Registry *prometheus.Registry

	cores   func() []*core.Core // nil before WatchCores
	onStale func(core.Event)    // nil before LogStale
	pages   pages
}

// functionMetrics is what is counted for one function. What most invocations
// touch comes first, in as few cache lines as possible: with calls spread over
// many functions, fetching these lines is the cost of counting.
type functionMetrics struct {
	acceptedSync, acceptedAsync   atomic.Uint64
	dispatched, success, warm     atomic.Uint64
	waitSync, latency, e2e        histogram // as of the families' help texts
	waitAsync, initDuration       histogram
	failure, timeout, retry, cold atomic.Uint64
	late, duplicate               atomic.Uint64

	refused   byReason // submissions, by error code
	rejected  byReason // sync invocations refused by the sync queue
	createdAt *timestamppb.Timestamp
}

// NewMetrics makes the metrics with a registry of their own.
func NewMetrics() *Metrics {
	m := &Metrics{Registry: prometheus.NewRegistry()}
	m.pages.make = m.encode
	m.Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// WatchCores adds the metrics of cores: their sizes together and their functions,
// of which no two have one name. It is called once, before the first scrape; which
// cores there are is asked anew at each.
func (m *Metrics) WatchCores(cores func() []*core.Core) {
	m.cores = cores
	m.Registry.MustRegister(storeSizes{cores})
}

// FunctionAdded implements core.Observer.
func (m *Metrics) FunctionAdded(*core.Function) any {
	return &functionMetrics{createdAt: timestamppb.Now()}
}

// Observe implements core.Observer.
func (m *Metrics) Observe(ev core.Event) {
	if ev.Function == nil {
		return
	}
	f, ok := ev.Function.Handle().(*functionMetrics)
	if !ok {
		return
	}
	switch ev.Kind {
	case core.EventAccepted:
		if ev.Sync {
			f.acceptedSync.Add(1)
		} else {
			f.acceptedAsync.Add(1)
		}
	case core.EventRejected:
		f.refused.count(ev.Code)
		if reason := RejectReasons[ev.Code]; reason != "" && ev.Sync {
			f.rejected.count(reason)
		}
	case core.EventDispatched:
		f.dispatched.Add(1)
		if ev.Sync {
			f.waitSync.observe(ev.QueueWait)
		} else {
			f.waitAsync.observe(ev.QueueWait)
		}
	case core.EventRetried:
		f.retry.Add(1)
	case core.EventEnded:
		f.ended(&ev)
		if ev.Code == core.CodeStale && m.onStale != nil {
			m.onStale(ev)
		}
		if ev.Code == core.CodeQueueWait {
			f.rejected.count(RejectReasons[ev.Code])
		}
	case core.EventLateResult:
		f.late.Add(1)
	case core.EventDuplicateResult:
		f.duplicate.Add(1)
	}
}

func (f *functionMetrics) ended(ev *core.Event) {
	switch ev.Status {
	case core.Success:
		f.success.Add(1)
	case core.Timeout:
		f.timeout.Add(1)
	default:
		f.failure.Add(1)
	}
	f.e2e.observe(ev.E2E)
	if ev.Service == 0 {
		return // never dispatched
	}
	f.latency.observe(ev.Service)
	if ev.Cold {
		f.cold.Add(1)
		if ev.Init >= 0 { // else not reported
			f.initDuration.observe(ev.Init)
		}
	} else {
		f.warm.Add(1)
	}
}

func (f *functionMetrics) accepted() uint64 { return f.acceptedSync.Load() + f.acceptedAsync.Load() }

// called reports whether anybody has called the function, also in vain.
func (f *functionMetrics) called() bool { return f.accepted() > 0 || f.refused.all() != nil }

// RejectReasons are the refusals of the sync queue by error code, as the metric
// sync_queue_rejected_total and the header X-Queue-Reject-Reason call them.
var RejectReasons = map[string]string{
	core.CodeEstWait: "est_wait", core.CodeDepth: "depth", core.CodeQueueWait: "queue_wait",
}
