// Package telemetry makes Prometheus metrics and OpenTelemetry spans from
// core's events, and writes the access log.
package telemetry

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"

	"simplane/core"
	"simplane/server/funcspec"
)

// Metrics turns core's events into Prometheus metrics. Each function's
// metrics are looked up once, when it is registered.
type Metrics struct {
	Registry *prometheus.Registry
	handler  fasthttp.RequestHandler

	enqueue, dispatch, success, failure, timeout, retry, cold, warm *prometheus.CounterVec
	admitted, rejected, refused, late, duplicate                    *prometheus.CounterVec
	latency, queueWait, e2e, initDuration, syncWait                 *prometheus.HistogramVec

	mu      sync.Mutex // guards which series exist
	current map[string]*functionMetrics
}

// functionMetrics are one function's.
type functionMetrics struct {
	enqueue, dispatch, success, failure, timeout, retry, cold, warm prometheus.Counter
	admitted, late, duplicate                                       prometheus.Counter
	latency, queueWait, e2e, initDuration, syncWait                 prometheus.Observer
	refused                                                         atomic.Int64 // all reasons; for stats

	rejectedBy, refusedBy reasonCounters
	gone                  bool // its series were dropped; guarded by metrics.mu
}

// reasonCounters are the counters of one function by reason, made when first
// needed; the map is replaced whole, so that counting takes no lock.
type reasonCounters struct {
	of atomic.Pointer[map[string]prometheus.Counter]
}

// NewMetrics makes the metrics with a registry of their own.
func NewMetrics() *Metrics {
	m := &Metrics{Registry: prometheus.NewRegistry(), current: map[string]*functionMetrics{}}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append([]string{"function"}, labels...))
		m.Registry.MustRegister(c)
		return c
	}
	histogram := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: name, Help: help,
			// 0.1 ms to 100 s, three buckets a decade; native buckets beside.
			Buckets: []float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000},

			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  160,
			NativeHistogramMinResetDuration: time.Hour,
		}, []string{"function"})
	}
	m.enqueue = counter("function_enqueue_total", "Executions accepted into the function's queue or slots.")
	m.dispatch = counter("function_dispatch_total", "Attempts dispatched.")
	m.success = counter("function_success_total", "Executions that ended in success.")
	m.failure = counter("function_error_total", "Executions that ended in error.")
	m.timeout = counter("function_timeout_total", "Executions that ended in timeout.")
	m.retry = counter("function_retry_total", "Failed attempts that were requeued.")
	m.cold = counter("function_cold_start_total", "Executions whose function reported a cold start.")
	m.warm = counter("function_warm_start_total", "Executions that ran without a cold start.")
	m.admitted = counter("sync_queue_admitted_total", "Sync invocations admitted.")
	m.rejected = counter("sync_queue_rejected_total", "Sync invocations refused.", "reason")
	m.refused = counter("function_rejected_total", "Submissions refused, sync and async.", "reason")
	m.late = counter("function_late_result_total", "Results dropped because the execution had ended.")
	m.duplicate = counter("function_duplicate_result_total", "Second results for one dispatch, dropped.")
	m.latency = histogram("function_latency_ms", "From the last attempt's dispatch to the end, in milliseconds.")
	m.queueWait = histogram("function_queue_wait_ms", "Wait in the queue before a dispatch, in milliseconds.")
	m.e2e = histogram("function_e2e_latency_ms", "From acceptance to the end, in milliseconds.")
	m.initDuration = histogram("function_init_duration_ms", "Cold-start time that functions reported, in milliseconds.")
	m.syncWait = histogram("sync_queue_wait_ms", "Wait of sync invocations before a dispatch, in milliseconds.")
	m.Registry.MustRegister(m.latency, m.queueWait, m.e2e, m.initDuration, m.syncWait)
	m.Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.handler = fasthttpadaptor.NewFastHTTPHandler(promhttp.HandlerFor(m.Registry, promhttp.HandlerOpts{}))
	return m
}

// FunctionAdded implements core.Observer.
func (m *Metrics) FunctionAdded(fn *core.Function) any {
	name := fn.Name()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(name) // a predecessor's, whose deletion is not reported yet
	f := &functionMetrics{
		enqueue: m.enqueue.WithLabelValues(name), dispatch: m.dispatch.WithLabelValues(name),
		success: m.success.WithLabelValues(name), failure: m.failure.WithLabelValues(name),
		timeout: m.timeout.WithLabelValues(name), retry: m.retry.WithLabelValues(name),
		cold: m.cold.WithLabelValues(name), warm: m.warm.WithLabelValues(name),
		admitted: m.admitted.WithLabelValues(name), late: m.late.WithLabelValues(name),
		duplicate: m.duplicate.WithLabelValues(name),
		latency:   m.latency.WithLabelValues(name), queueWait: m.queueWait.WithLabelValues(name), syncWait: m.syncWait.WithLabelValues(name),
		e2e: m.e2e.WithLabelValues(name), initDuration: m.initDuration.WithLabelValues(name),
	}
	m.current[name] = f
	return f
}

// countReason counts for one reason. A function whose series were dropped
// gets none back.
func (m *Metrics) countReason(f *functionMetrics, counters *reasonCounters, vec *prometheus.CounterVec, name, reason string) {
	known := counters.of.Load()
	if known != nil && (*known)[reason] != nil {
		(*known)[reason].Inc()
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if f.gone {
		return
	}
	next := map[string]prometheus.Counter{}
	if known = counters.of.Load(); known != nil {
		next = maps.Clone(*known)
	}
	next[reason] = vec.WithLabelValues(name, reason)
	next[reason].Inc()
	counters.of.Store(&next)
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
		f.enqueue.Inc()
		if ev.Sync {
			f.admitted.Inc()
		}
	case core.EventRejected:
		f.refused.Add(1)
		m.countReason(f, &f.refusedBy, m.refused, ev.Function.Name(), ev.Code)
		if reason := RejectReasons[ev.Code]; reason != "" && ev.Sync {
			m.countReason(f, &f.rejectedBy, m.rejected, ev.Function.Name(), reason)
		}
	case core.EventDispatched:
		f.dispatch.Inc()
		f.waited(ev)
	case core.EventRetried:
		f.retry.Inc()
	case core.EventEnded:
		f.ended(ev)
		if ev.Code == core.CodeQueueWait {
			m.countReason(f, &f.rejectedBy, m.rejected, ev.Function.Name(), RejectReasons[ev.Code])
		}
	case core.EventLateResult:
		f.late.Inc()
	case core.EventDuplicateResult:
		f.duplicate.Inc()
	case core.EventFunctionDeleted:
		m.forget(ev.Function.Name(), f)
	}
}

func (f *functionMetrics) waited(ev core.Event) {
	f.queueWait.Observe(millis(ev.QueueWait))
	if ev.Sync {
		f.syncWait.Observe(millis(ev.QueueWait))
	}
}

func (f *functionMetrics) ended(ev core.Event) {
	switch ev.Status {
	case core.Success:
		f.success.Inc()
	case core.Timeout:
		f.timeout.Inc()
	default:
		f.failure.Inc()
	}
	f.e2e.Observe(millis(ev.E2E))
	if ev.Service == 0 {
		return // never dispatched
	}
	f.latency.Observe(millis(ev.Service))
	if ev.Cold {
		f.cold.Inc()
		if ev.Init >= 0 { // else not reported
			f.initDuration.Observe(millis(ev.Init))
		}
	} else {
		f.warm.Inc()
	}
}

// forget drops a deleted function's series, so that they cannot pile up. They
// may be a successor's of the same name already: events come in any order.
func (m *Metrics) forget(name string, f *functionMetrics) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current[name] == f {
		m.drop(name)
	}
}

// drop removes the series of name; the caller holds m.mu.
func (m *Metrics) drop(name string) {
	f := m.current[name]
	if f == nil {
		return
	}
	f.gone = true
	delete(m.current, name)
	labels := prometheus.Labels{"function": name}
	for _, c := range []*prometheus.CounterVec{m.enqueue, m.dispatch, m.success, m.failure, m.timeout, m.retry, m.cold, m.warm, m.admitted, m.rejected, m.refused, m.late, m.duplicate} {
		c.DeletePartialMatch(labels)
	}
	for _, h := range []*prometheus.HistogramVec{m.latency, m.queueWait, m.e2e, m.initDuration, m.syncWait} {
		h.DeletePartialMatch(labels)
	}
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// coreGauges reads sizes from core when scraped.
type coreGauges struct{ core *core.Core }

var (
	depthDesc    = prometheus.NewDesc("function_queue_depth", "Executions queued.", []string{"function"}, nil)
	inFlightDesc = prometheus.NewDesc("function_in_flight", "Slots in use.", []string{"function"}, nil)
	readyDesc    = prometheus.NewDesc("function_replicas_ready", "Instances that take work.", []string{"function"}, nil)
	desiredDesc  = prometheus.NewDesc("function_replicas_desired", "Instances the autoscaler wants.", []string{"function"}, nil)
	slotsDesc    = prometheus.NewDesc("function_effective_concurrency", "Slots there are.", []string{"function"}, nil)
	syncDesc     = prometheus.NewDesc("sync_queue_depth", "Sync invocations queued.", []string{"function"}, nil)
	storedDesc   = prometheus.NewDesc("simplane_stored_executions", "Executions kept, ended ones included.", nil, nil)
	keysDesc     = prometheus.NewDesc("simplane_stored_idempotency_keys", "Idempotency keys kept.", nil, nil)
	payloadDesc  = prometheus.NewDesc("simplane_payload_bytes", "Bytes kept of what callers and functions sent: inputs, metadata, keys, trace ids, outputs and error texts.", nil, nil)
)

func (g coreGauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{depthDesc, inFlightDesc, readyDesc, desiredDesc, slotsDesc, syncDesc, storedDesc, keysDesc, payloadDesc} {
		ch <- d
	}
}

func (g coreGauges) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, fn := range g.core.Functions() {
		gauge(depthDesc, float64(fn.QueueDepth()), fn.Name())
		gauge(inFlightDesc, float64(fn.InFlight()), fn.Name())
		gauge(slotsDesc, float64(fn.EffectiveConcurrency()), fn.Name())
		if funcspec.Of(fn.Spec()).Provided() {
			gauge(readyDesc, float64(fn.ReadyReplicas()), fn.Name())
		}
		if fn.Autoscaled() {
			gauge(desiredDesc, float64(fn.DesiredReplicas()), fn.Name())
		}
		gauge(syncDesc, float64(fn.SyncQueueDepth()), fn.Name())
	}
	sizes := g.core.Gauges()
	gauge(storedDesc, float64(sizes.StoredExecutions))
	gauge(keysDesc, float64(sizes.StoredKeys))
	gauge(payloadDesc, float64(sizes.PayloadBytes))
}

// Scrape answers with all metrics, as Prometheus reads them.
func (m *Metrics) Scrape(ctx *fasthttp.RequestCtx) { m.handler(ctx) }

// WatchCore adds the sizes that are read from core when scraped.
func (m *Metrics) WatchCore(c *core.Core) { m.Registry.MustRegister(coreGauges{c}) }

// RejectReasons are the refusals of the sync queue by error code, as the metric
// sync_queue_rejected_total and the header X-Queue-Reject-Reason call them.
var RejectReasons = map[string]string{
	core.CodeEstWait: "est_wait", core.CodeDepth: "depth", core.CodeQueueWait: "queue_wait",
}
