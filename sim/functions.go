package sim

import (
	"strconv"

	"simplane/bench/latency"
	"simplane/core"
	"simplane/sim/scenario"
)

// group is a declared function with all its copies: what is reported together.
type group struct {
	name     string
	decl     *scenario.Function
	backends []*backend
	counts   Counts
	latency  [3]latency.Histogram // by scenario.LatencySeries
	queued   int
	inFlight int
}

const (
	seriesQueueWait = iota
	seriesService
	seriesE2E
)

// fnState is what the event stream says about one registered core.Function: a
// function deleted and created again has two.
type fnState struct {
	fn      *core.Function
	backend *backend
	group   *group
	deleted bool

	queued, inFlight   int
	slots, queueSize   int   // what was last configured
	head, tail         int32 // the queue, but for those passed over
	lateHead, lateTail int32 // checker: those, in order
	touched            bool  // is in checker.touched

	lines [verbs]string // see said

	wanted, ready  int  // instances
	moved, movedUp bool // wanted has changed, and its last change was up
	scaledUpAt     int64

	// Time integrals, for Little's law.
	changedAt              int64
	queueArea, runningArea int64 // executions * ns
}

// elapse brings the time integrals up to now.
func (f *fnState) elapse(now int64) {
	if dt := now - f.changedAt; dt > 0 {
		f.queueArea += dt * int64(f.queued)
		f.runningArea += dt * int64(f.inFlight)
		f.changedAt = now
	}
}

// FunctionAdded implements core.Observer.
func (e *engine) FunctionAdded(fn *core.Function) any {
	b := e.byName[fn.Name()]
	f := &fnState{
		fn: fn, backend: b, group: b.group, head: -1, tail: -1, lateHead: -1, lateTail: -1, changedAt: e.now,
		slots: b.group.decl.Concurrency, queueSize: b.group.decl.QueueSize,
	}
	if b.fleet != nil {
		f.slots = fn.EffectiveConcurrency()
		if b.spec.ScalingConfig.Strategy == "NONE" {
			f.wanted = b.group.decl.Scaling.MinReplicas
			b.fleet.set(b.group.decl.Scaling.MinReplicas)
		}
	}
	b.fn = f
	b.incarnations = append(b.incarnations, f)
	return f
}

// spec is a function's specification, resolved as the server resolves it.
func spec(name string, f *scenario.Function, rival bool) (*core.Spec, error) {
	image, mode := "simulated", core.ModeLocal
	var scaling *core.ScalingConfigInput
	if f.Scaled() {
		mode, scaling = core.ModeDeployment, scalingInput(&f.Scaling)
		if rival {
			none := "NONE"
			scaling.Strategy = &none
		}
	}
	return core.ResolveSpec(core.SpecInput{
		Name: &name, Image: &image, ExecutionMode: &mode, ScalingConfig: scaling,
		Concurrency: &f.Concurrency, QueueSize: &f.QueueSize, MaxRetries: &f.MaxRetries, TimeoutMillis: &f.TimeoutMillis,
	})
}

// registeredNames are the names a declared function is registered under.
func registeredNames(f *scenario.Function) []string {
	if f.Copies <= 1 {
		return []string{f.Name}
	}
	names := make([]string, f.Copies)
	for i := range names {
		names[i] = f.Name + "-" + strconv.Itoa(i+1)
	}
	return names
}
