package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"simplane/core"
	"simplane/server/funcspec"
)

// family is one metric of all functions.
type family struct {
	name, help string
	kind       dto.MetricType
	desc       *prometheus.Desc
	// of yields the family's series of one function. A series that would say
	// that something never happened is left out, but for the zeros that alerts
	// and scalers compare with; see counter.
	of func(fn *core.Function, f *functionMetrics, yield func(series))
}

// each yields the family's series of several functions.
func (f *family) each(functions []counted, yield func(series)) {
	for _, fn := range functions {
		f.of(fn.Function, fn.metrics, yield)
	}
}

// families are all metrics of functions. Names, labels and types are an
// interface: dashboards, alerts and scalers ask for them.
var families = []*family{
	counter("function_enqueue_total", "Executions accepted into the function's queue or slots.", always, (*functionMetrics).accepted),
	counter("function_dispatch_total", "Attempts dispatched.", always, func(f *functionMetrics) uint64 { return f.dispatched.Load() }),
	counter("function_success_total", "Executions that ended in success.", always, func(f *functionMetrics) uint64 { return f.success.Load() }),
	counter("function_error_total", "Executions that ended in error.", always, func(f *functionMetrics) uint64 { return f.failure.Load() }),
	counter("function_timeout_total", "Executions that ended in timeout.", always, func(f *functionMetrics) uint64 { return f.timeout.Load() }),
	counter("function_retry_total", "Failed attempts that were requeued.", onceCalled, func(f *functionMetrics) uint64 { return f.retry.Load() }),
	counter("function_cold_start_total", "Executions whose function reported a cold start.", onceCalled, func(f *functionMetrics) uint64 { return f.cold.Load() }),
	counter("function_warm_start_total", "Executions that ran without a cold start.", onceCalled, func(f *functionMetrics) uint64 { return f.warm.Load() }),
	counter("function_late_result_total", "Results dropped because the execution had ended.", always, func(f *functionMetrics) uint64 { return f.late.Load() }),
	counter("function_duplicate_result_total", "Second results for one dispatch, dropped.", onceCalled, func(f *functionMetrics) uint64 { return f.duplicate.Load() }),
	counterByReason("function_rejected_total", "Submissions refused, sync and async.", func(f *functionMetrics) *byReason { return &f.refused }),
	counter("sync_queue_admitted_total", "Sync invocations admitted.", onceCalled, func(f *functionMetrics) uint64 { return f.acceptedSync.Load() }),
	counterByReason("sync_queue_rejected_total", "Sync invocations refused.", func(f *functionMetrics) *byReason { return &f.rejected }),

	histogramOf("function_latency_ms", "From the last attempt's dispatch to the end, in milliseconds.", func(f *functionMetrics) histograms { return histograms{&f.latency} }),
	histogramOf("function_queue_wait_ms", "Wait in the queue before a dispatch, in milliseconds.", func(f *functionMetrics) histograms { return histograms{&f.waitSync, &f.waitAsync} }),
	histogramOf("function_e2e_latency_ms", "From acceptance to the end, in milliseconds.", func(f *functionMetrics) histograms { return histograms{&f.e2e} }),
	histogramOf("function_init_duration_ms", "Cold-start time that functions reported, in milliseconds.", func(f *functionMetrics) histograms { return histograms{&f.initDuration} }),
	histogramOf("sync_queue_wait_ms", "Wait of sync invocations before a dispatch, in milliseconds.", func(f *functionMetrics) histograms { return histograms{&f.waitSync} }),

	gauge("function_queue_depth", "Executions queued.", forAll, (*core.Function).QueueDepth),
	gauge("function_in_flight", "Slots in use.", forAll, (*core.Function).InFlight),
	gauge("function_effective_concurrency", "Slots there are.", forAll, (*core.Function).EffectiveConcurrency),
	gauge("function_replicas_ready", "Instances that take work.", provided, (*core.Function).ReadyReplicas),
	gauge("function_replicas_desired", "Instances the autoscaler wants.", (*core.Function).Autoscaled, (*core.Function).DesiredReplicas),
	gauge("sync_queue_depth", "Sync invocations queued.", forAll, (*core.Function).SyncQueueDepth),
}

// When a counter is shown as 0: always, where an alert or a scaler would not
// see the first event without it, or from a function's first call.
const (
	always     = true
	onceCalled = false
)

func counter(name, help string, zero bool, read func(*functionMetrics) uint64) *family {
	f := newFamily(name, help, dto.MetricType_COUNTER)
	f.of = func(fn *core.Function, m *functionMetrics, yield func(series)) {
		if zero || m.called() {
			yield(series{family: f, function: fn.Name(), created: m.createdAt, value: float64(read(m))})
		}
	}
	return f
}

func counterByReason(name, help string, read func(*functionMetrics) *byReason) *family {
	f := newFamily(name, help, dto.MetricType_COUNTER, "reason")
	f.of = func(fn *core.Function, m *functionMetrics, yield func(series)) {
		for _, c := range read(m).all() {
			yield(series{family: f, function: fn.Name(), reason: c.reason, created: m.createdAt, value: float64(c.n.Load())})
		}
	}
	return f
}

func histogramOf(name, help string, read func(*functionMetrics) histograms) *family {
	f := newFamily(name, help, dto.MetricType_HISTOGRAM)
	f.of = func(fn *core.Function, m *functionMetrics, yield func(series)) {
		if h := read(m); !h.empty() {
			yield(series{family: f, function: fn.Name(), created: m.createdAt, histograms: h})
		}
	}
	return f
}

func gauge(name, help string, has func(*core.Function) bool, read func(*core.Function) int) *family {
	f := newFamily(name, help, dto.MetricType_GAUGE)
	f.of = func(fn *core.Function, _ *functionMetrics, yield func(series)) {
		if has(fn) {
			yield(series{family: f, function: fn.Name(), value: float64(read(fn))})
		}
	}
	return f
}

func newFamily(name, help string, kind dto.MetricType, labels ...string) *family {
	return &family{name: name, help: help, kind: kind, desc: prometheus.NewDesc(name, help, append([]string{"function"}, labels...), nil)}
}

func forAll(*core.Function) bool { return true }

func provided(fn *core.Function) bool { return funcspec.Of(fn.Spec()).Provided() }
