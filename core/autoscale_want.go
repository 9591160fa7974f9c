package core

import (
	"math"
	"time"
)

// load is a function's load at one moment.
type load struct {
	queued, inFlight, slots int
	ready                   int   // instances
	now                     int64 // elapsed ns
}

// report is a metric's value reported from outside.
type report struct {
	value float64
	at    int64 // elapsed ns
	ready int   // instances it is the mean of
	told  bool
}

func (a *autoscale) takesReport(metric, name string) bool {
	return a.eachReported(metric, name, func(*report) {})
}

func (a *autoscale) report(metric, name string, value float64, ready int, now int64) {
	a.eachReported(metric, name, func(r *report) { *r = report{value: value, at: now, ready: ready, told: true} })
}

func (a *autoscale) eachReported(metric, name string, f func(*report)) (any bool) {
	for i, m := range a.spec.Metrics {
		if m.Type == metric && m.Name == name && reported(metric) {
			f(&a.reports[i])
			any = true
		}
	}
	return any
}

func reported(metric string) bool {
	return metric == "cpu" || metric == "memory" || metric == "prometheus"
}

// want is how many replicas the load asks for, within minimum and maximum:
//
//	ceil(max over metrics of current / target * replicas)
//
// where queue_depth, in_flight and rps are known as totals, so that current *
// replicas is the total itself, and cpu, memory and prometheus are means over
// the instances that were ready when they were reported: multiplying an old
// value by the instances added since would ask for more at every evaluation.
// An unknown value (not reported lately, or no instance ready) never lowers
// the number. With work there is at least one. outside says that a prometheus
// figure alone asks for more than the minimum: there is work that core does
// not see.
func (a *autoscale) want(fn *Function, at load) (n int, outside bool) {
	known := true
	for i, m := range a.spec.Metrics {
		w, ok := a.wantFor(m, &a.reports[i], at)
		known = known && ok
		outside = outside || (ok && m.Type == "prometheus" && w > a.spec.MinReplicas)
		n = max(n, w)
	}
	if len(a.spec.Metrics) == 0 {
		n = a.wantForDemand(fn, at)
	}
	if !known {
		n = max(n, a.policy.desired)
	}
	if at.queued+at.inFlight > 0 {
		n = max(n, 1)
	}
	return min(max(n, a.spec.MinReplicas), a.spec.MaxReplicas), outside
}

func (a *autoscale) wantFor(m ScalingMetric, r *report, at load) (n int, known bool) {
	switch m.Type {
	case "queue_depth":
		return replicasFor(float64(at.queued) / m.Target), true
	case "in_flight":
		return replicasFor(float64(at.inFlight) / m.Target), true
	case "rps":
		return replicasFor(a.arrivals.perSecond() / m.Target), true
	}
	if !r.told || at.now-r.at > int64(reportMaxAge) || at.ready == 0 {
		return 0, false
	}
	if r.ready == 0 { // reported before the first was ready
		r.ready = at.ready
	}
	return replicasFor(r.value / m.Target * float64(r.ready)), true
}

// wantForDemand is for functions that list no metric: all their work, queued
// or running, is held at the per-pod target (2 without concurrency control).
// With FIXED concurrency more work than there are slots cannot run at once,
// however many instances there are.
func (a *autoscale) wantForDemand(fn *Function, at load) int {
	demand, cc := at.queued+at.inFlight, a.spec.ConcurrencyControl
	if !cc.perPod() {
		demand = min(demand, at.slots)
	}
	return replicasFor(float64(demand) / float64(a.perPod.target))
}

// replicasFor rounds up to whole replicas. A billionth of slack keeps a
// rounding error, as in 0.49/0.7*10, from costing one. Multiplication and
// division alone give the same bits on every machine.
func replicasFor(x float64) int {
	return int(math.Ceil(min(x, MaxReplicasBound) * (1 - 1e-9)))
}

// idle says that neither core nor a prometheus figure has seen work for the
// grace period. The minimum is then wanted, whatever cpu and memory say of idle
// instances.
func (a *autoscale) idle(at load, grace int64) bool {
	return at.queued+at.inFlight == 0 && at.now-a.busyAt >= grace
}

// rateSamples is one more than the number of intervals a rate is taken over.
const rateSamples = 6

// arrivals measures the rate of accepted executions over the last looks.
type arrivals struct {
	samples [rateSamples]arrivalSample // oldest first
	n       int
}

type arrivalSample struct {
	at    int64 // elapsed ns
	count uint64
}

// rateWindow bounds the age of a sample; a rate over less than a second is
// taken as if over one, so that a first burst is not taken for a rate.
const rateWindow = 10 * time.Second

func (r *arrivals) sample(now int64, count uint64) {
	for r.n > 0 && (r.n == rateSamples || now-r.samples[0].at > int64(rateWindow)) {
		copy(r.samples[:], r.samples[1:r.n])
		r.n--
	}
	r.samples[r.n] = arrivalSample{at: now, count: count}
	r.n++
}

func (r *arrivals) perSecond() float64 {
	if r.n == 0 {
		return 0
	}
	first, last := r.samples[0], r.samples[r.n-1]
	span := max(last.at-first.at, int64(time.Second))
	return float64(last.count-first.count) * float64(time.Second) / float64(span)
}
