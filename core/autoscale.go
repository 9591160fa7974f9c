package core

import (
	"math"
	"time"
)

// Scaler changes how many instances of a function run.
type Scaler interface {
	// SetReplicas requests n instances of fn, n >= 0. It must return at once
	// and may call ReplicasReady before it does. Calls for one function never
	// overlap, and the last one counts. While the number that is ready
	// differs from the one requested, core repeats the call every few
	// seconds, in case one was lost: it must be idempotent.
	SetReplicas(fn *Function, n int)
}

const (
	// askAgain is the time between repeated SetReplicas calls while instances
	// are missing or too many.
	askAgain = 2 * time.Second
	// reportMaxAge is how long a reported figure counts.
	reportMaxAge = 60 * time.Second
	// wakeDivisor shortens the interval after the evaluation that wakes a
	// function: the first execution says little about the size of a burst,
	// the queue a moment later shows it.
	wakeDivisor = 10
)

// autoscale is the state of a function whose replicas, or slots per replica,
// core adapts. The function's lock guards it.
type autoscale struct {
	scaled   atomicBool // core sets the replicas, not only the slots; written under the lock
	spec     ScalingConfig
	reports  []report // one for each of spec.Metrics
	arrived  uint64   // executions accepted
	judged   uint64   // of them, before the last look
	arrivals arrivals
	policy   replicaPolicy
	perPod   perPodTarget
	busyAt   int64 // elapsed ns of the last look that saw work, or of the last retry after a pause

	timer   Timer
	armed   bool
	waking  bool // an evaluation is about to run
	due     bool // SetReplicas is to be called
	asking  bool // SetReplicas is being called
	askedAt int64
}

// never is an elapsed time before all others, far enough from the edge for
// differences not to overflow.
const never = math.MinInt64 / 4

// newAutoscale returns nil for a function of which core adapts nothing.
func newAutoscale(c *Core, spec *Spec) *autoscale {
	sc := spec.ScalingConfig
	if sc == nil {
		return nil
	}
	scaled := c.cfg.Scaler != nil && sc.Strategy == "INTERNAL" && !spec.NoInstances
	if !scaled && !sc.ConcurrencyControl.adaptive() {
		return nil
	}
	a := &autoscale{
		spec: *sc, reports: make([]report, len(sc.Metrics)),
		policy: replicaPolicy{upAt: never, downAt: never}, perPod: newPerPodTarget(sc.ConcurrencyControl),
		busyAt: never, askedAt: never,
	}
	a.scaled.Store(scaled)
	return a
}

// Autoscaled says that core sets the function's replicas: strategy INTERNAL,
// a function with instances, and a Config.Scaler.
func (fn *Function) Autoscaled() bool {
	a := fn.auto.Load()
	return a != nil && a.scaled.Load()
}

// DesiredReplicas is the number of instances last asked for; 0 unless
// Autoscaled.
func (fn *Function) DesiredReplicas() int { return int(fn.replicasWanted.Load()) }

// ReadyReplicas is the number of instances that ReplicasReady last reported.
func (fn *Function) ReadyReplicas() int { return int(fn.replicasReady.Load()) }

// ReplicasReady reports how many instances of a function can take work now;
// >= 0. Unknown names are ignored: the function may just have been deleted.
func (c *Core) ReplicasReady(name string, ready int) {
	fn := c.registry.get(name)
	if fn == nil || ready < 0 {
		return
	}
	ready = min(ready, MaxReplicasBound)
	c.take(fn, &input{kind: StepReplicas, now: c.clock.Now(), n: ready})
}

// replicasAre applies the number of ready instances; the caller holds fn.mu.
func (fn *Function) replicasAre(ready int, fx *effects) {
	changed := fn.replicasReady.Swap(int32(ready)) != int32(ready)
	if changed {
		fn.resize(fx)
		fx.happened = true
		fx.event = Event{Kind: EventReplicasReady, Function: fn, At: fx.now, Count: ready}
	}
	if a := fn.auto.Load(); a != nil && !a.armed && !a.met(fn) && !fn.deleted {
		fn.armAutoscale(fn.core.cfg.AutoscaleInterval)
	}
}

// ReportMetric reports the current value of one of a function's cpu, memory
// or prometheus metrics: the mean over the instances that are ready now, in
// the unit of the metric's target. It counts for 60 s. The error is
// ErrNotFound, or a *ValidationError for a value that is not a finite number
// >= 0 or a metric the function's scalingConfig does not list. name is that
// of a prometheus metric, else "".
func (c *Core) ReportMetric(function, metric, name string, value float64) error {
	fn := c.registry.get(function)
	if fn == nil {
		return ErrNotFound
	}
	var v violations
	if !(value >= 0) || math.IsInf(value, 1) {
		v.add("value", "must be a finite number, 0 or greater")
	}
	if err := v.err(); err != nil {
		return err
	}
	var fx effects
	fn.step(&input{kind: StepReport, now: c.clock.Now(), report: &metricReport{metric, name, value}}, &fx)
	c.carryOut(&fx)
	if !fx.did {
		v.add("metric", "is not a reported metric of this function's scalingConfig")
	}
	return v.err()
}

// metricReport is one call of ReportMetric.
type metricReport struct {
	metric, name string
	value        float64
}

// takeReport keeps a reported figure, if the function is scaled by such; the
// caller holds fn.mu.
func (fn *Function) takeReport(r *metricReport, fx *effects) {
	a := fn.auto.Load()
	if a == nil || !a.scaled.Load() || !a.takesReport(r.metric, r.name) {
		return
	}
	a.report(r.metric, r.name, r.value, fn.ReadyReplicas(), fx.now.Mono)
	fx.did, fx.wake = true, !a.armed
}

// SetReplicas sets an autoscaled function's replicas by hand; n may be outside
// its minimum and maximum, within 0 and MaxReplicasBound. The autoscaler goes on
// from there: more load raises the number as usual (at once from 0), and it
// falls no sooner than after Config.ScaleDownWindow, or ScaleToZeroGrace when
// the function is idle. The error is ErrNotFound or a *ValidationError.
func (c *Core) SetReplicas(name string, n int) error {
	fn := c.registry.get(name)
	if fn == nil {
		return ErrNotFound
	}
	var v violations
	v.count("", n, Limits.Replicas)
	if !fn.Autoscaled() {
		v.add("scalingConfig", "the function is not scaled by strategy INTERNAL")
	}
	if err := v.err(); err != nil {
		return err
	}
	c.take(fn, &input{kind: StepSetReplicas, now: c.clock.Now(), n: n})
	return nil
}

// setReplicas makes n the wanted number of instances; the caller holds fn.mu.
func (fn *Function) setReplicas(n int, fx *effects) {
	a := fn.auto.Load()
	if !a.scaled.Load() {
		return // an update has come first
	}
	a.busyAt = fx.now.Mono
	fx.scaled = a.policy.set(fx.now.Mono, n)
	a.due = true // also when unchanged: asking again is a reason to try again
	fn.replicasWanted.Store(int32(n))
	if !a.armed && !fn.deleted {
		fn.armAutoscale(fn.core.cfg.AutoscaleInterval)
	}
	fx.count = n
	fn.askIfDue(fx)
}
