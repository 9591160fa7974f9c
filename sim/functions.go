package sim

import (
	"strings"

	"simplane/bench/latency"
	"simplane/core"
	"simplane/sim/internal/world"
	"simplane/sim/scenario"
)

// group is a declared function with all its copies: what is reported together.
type group struct {
	name      string
	decl      *scenario.Function
	functions []*function
	counts    Counts
	latency   [recorded]latency.Histogram
	errors    map[string]int64 // ends that were no success, by their code
	queued    int
	pausing   int // between two attempts
	inFlight  int
}

// The recorded series. That of all ends is these two of them together.
const (
	seriesQueueWait = iota
	seriesService
	seriesSuccess
	seriesFailure
	recorded
)

// addEnd counts and times the end of an execution.
func (g *group) addEnd(ev *core.Event) {
	g.counts.addEnd(ev)
	if ev.Status == core.Success {
		g.latency[seriesSuccess].Record(int64(ev.E2E))
		return
	}
	g.latency[seriesFailure].Record(int64(ev.E2E))
	code := ev.Code
	if code == "" {
		code = strings.ToUpper(ev.Status.String())
	}
	if g.errors == nil {
		g.errors = map[string]int64{}
	}
	g.errors[code]++
}

// series is the record of a name of scenario.LatencySeries.
func (g *group) series(name string) *latency.Histogram {
	switch name {
	case "queue_wait":
		return &g.latency[seriesQueueWait]
	case "service":
		return &g.latency[seriesService]
	case "e2e_success":
		return &g.latency[seriesSuccess]
	case "e2e_failure":
		return &g.latency[seriesFailure]
	}
	good, bad := &g.latency[seriesSuccess], &g.latency[seriesFailure]
	switch {
	case bad.Count() == 0:
		return good
	case good.Count() == 0:
		return bad
	}
	all := &latency.Histogram{Precision: good.Precision}
	all.Merge(good)
	all.Merge(bad)
	return all
}

// function is one registered name.
type function struct {
	number      int
	name        string
	group       *group
	spec        *core.Spec  // as it is registered
	asked       asked       // the update being made
	refusal     error       // the answer it must get; nil = it is taken
	exists      bool        // by the world's calls and core's answers to them
	current     *generation // by core's events; nil while deleted
	generations []*generation
	keys        []int32     // checker: key number to entry, -1 = never used
	letters     letterModel // checker
}

// generation is one registration of a name: a function deleted and created
// again has two. It holds what core's events say about it.
type generation struct {
	// What nearly every event reads comes first, in two cache lines: with many
	// functions what a run costs is fetching them.
	core     *core.Function
	function *function
	group    *group
	name     string

	queued, inFlight int
	// Time integrals, for Little's law, and the longest that the queue has been.
	changedAt                        int64
	queueArea, runningArea, slotArea int64 // executions * ns
	peak                             int

	slots              int   // there must be; with a per-pod mode by core's events
	head, tail         int32 // the queue, but for those passed over
	lateHead, lateTail int32 // checker: those, in order
	deleted, touched   bool  // touched: is in checker.touched

	pausing int        // with a journal; else that is of the group
	rate    rateWindow // checker: of spec.RateMaxPerSecond
	spec    core.Spec  // the one that must be in force

	wanted, ready  int  // instances
	moved, movedUp bool // wanted has changed, and its last change was up
	scaledUpAt     int64
	mostByHand     int   // the most that was set by hand
	byHandAt       int64 // virtual ns of that, or of when it began to be scaled; -1 = never
	byHand         bool  // it is being set
	lowered        bool  // an update has lowered maxReplicas below what is wanted
	upAt, downAt   int64 // virtual ns of the last steps
	workAt         int64 // of when it last had work
	target         int   // ADAPTIVE_PER_POD: slots for each instance; 0 = not known
	targetAt       int64 // of its last change

	readySince, turnAt int64 // checker: by the number of dispatches; see checker_turns.go

	service     serviceModel    // checker
	completions completionModel // checker

	busy, had int64 // runningArea and slotArea when load stopped
}

// Number implements world.Handle.
func (f *generation) Number() int { return f.function.number }

// elapse brings the time integrals up to now.
func (f *generation) elapse(now int64) {
	if dt := now - f.changedAt; dt > 0 {
		f.queueArea += dt * int64(f.queued)
		f.runningArea += dt * int64(f.inFlight)
		if !f.deleted {
			f.slotArea += dt * int64(f.slots)
		}
		f.peak = max(f.peak, f.queued)
		f.changedAt = now
	}
	if f.queued+f.inFlight > 0 {
		f.workAt = now
	}
}

// perPod says that slots follow the ready instances, not spec.concurrency.
func (f *generation) perPod() bool {
	sc := f.spec.ScalingConfig
	return sc != nil && sc.ConcurrencyControl != nil && sc.ConcurrencyControl.Mode != core.ConcurrencyFixed
}

// manyFunctions is where histograms go down to two digits, to save memory.
const manyFunctions = 64

// addFunctions makes the groups and functions of a scenario.
func (w *witness) addFunctions(sc *scenario.Scenario, names []world.Function) {
	digits := 3
	if len(sc.Functions) > manyFunctions {
		digits = 2
	}
	groups := map[*scenario.Function]*group{}
	for i := range sc.Functions {
		f := &sc.Functions[i]
		g := &group{name: f.Name, decl: f}
		for s := range g.latency {
			g.latency[s].Precision, g.latency[s].Sparse = precision(digits), digits < 3
		}
		groups[f] = g
		w.groups = append(w.groups, g)
	}
	w.byName = map[string]*function{}
	for i, n := range names {
		f := &function{number: i, name: n.Name, group: groups[n.Decl], spec: n.Spec}
		f.group.functions = append(f.group.functions, f)
		w.functions = append(w.functions, f)
		w.byName[n.Name] = f
	}
}

// FunctionAdded implements core.Observer.
func (w *witness) FunctionAdded(fn *core.Function) any {
	named := w.byName[fn.Name()]
	g := named.group
	f := &generation{
		core: fn, function: named, group: g, name: named.name,
		head: -1, tail: -1, lateHead: -1, lateTail: -1, changedAt: w.loop.Now(),
		spec: *named.spec, slots: named.spec.Concurrency, rate: rateWindow{second: -1}, byHandAt: -1, upAt: never, downAt: never, targetAt: never, workAt: never,
	}
	f.spec.Generation = 1
	w.hasSpec(f)
	if g.decl.Scaled() {
		f.slots = fn.EffectiveConcurrency()
		if sc := fn.Spec().ScalingConfig; sc != nil && sc.Strategy == "NONE" {
			f.wanted = g.decl.Scaling.MinReplicas
		}
	}
	named.current = f
	named.generations = append(named.generations, f)
	return f
}
