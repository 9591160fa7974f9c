package sim

import (
	"fmt"
	"io"
	"runtime/debug"
	"sort"
	"time"

	"simplane/core"
	"simplane/sim/scenario"
)

// Options vary what a run records; none of them changes an event.
type Options struct {
	// Events gets the event log, one JSON object a line. nil = none.
	Events io.Writer
	// Series records queue depth, in flight and latency over time, for plots.
	Series bool
	// KeepFrom and KeepTo select the log lines [KeepFrom, KeepTo), counted
	// from 1, that Result.Kept holds.
	KeepFrom, KeepTo int64
	// Unchecked leaves the invariant checker out.
	Unchecked bool
	// Rival scales the functions that have scaling, instead of core. nil = core.
	Rival func(*scenario.Function) Rival
	// Progress is called now and then with the virtual time reached. nil = never.
	Progress func(now, total time.Duration)
}

// engine is one run.
type engine struct {
	clock
	records
	sc   *scenario.Scenario
	opts Options
	core *core.Core

	groups    []*group
	byName    map[string]*backend // by registered name
	loads     []load
	steps     []faultStep
	attempts  []attempt
	reporters []reporter

	freeAttempts []int32
	answersDue   int // answers on their way
	loadsLeft    int
	unended      int64 // accepted and not terminal
	slotsHeld    int64

	req      core.Request
	keyNames []string
	calling  *backend // whose Submit is running
	key      int      // of the call that is running; -1 = none
	deleting *fnState
	pending  *scenario.Fault // the reconfigure that is running

	log       *logbook
	check     *checker // nil when unchecked
	violation *Violation
	timed     []int // indexes into sc.Expect, by time
	timedNext int
	checks    []CheckResult
	plot      *plot
	processed int64 // heap events
	pulse     int64 // processed when virtual time last advanced
	quietAt   int64 // -1 = not quiet yet

	samplesDue int   // reports of models in the heap
	reportedAt int64 // virtual ns of the last report; -1 = none
}

// Violation is a broken invariant.
type Violation struct {
	Invariant string
	Detail    string
	At        time.Duration
	Tail      []string // the last lines of the event log
}

func (v *Violation) Error() string {
	return fmt.Sprintf("invariant broken at %v: %s: %s", v.At, v.Invariant, v.Detail)
}

// fail records the first broken invariant; the event loop stops at it.
func (e *engine) fail(invariant, format string, args ...any) {
	if e.violation == nil && e.check != nil {
		e.violation = &Violation{Invariant: invariant, Detail: fmt.Sprintf(format, args...), At: time.Duration(e.now), Tail: e.log.tail(40)}
	}
}

// Run replays a scenario. A broken invariant or failed check is in the Result;
// the error is for a scenario that core refuses, and for failed writes.
func Run(sc *scenario.Scenario, opts Options) (*Result, error) {
	started := time.Now() // for Result.Wall only
	e, err := newEngine(sc, opts)
	if err != nil {
		return nil, err
	}
	e.run()
	r := e.result()
	r.Wall = time.Since(started)
	return r, e.log.outErr
}

func newEngine(sc *scenario.Scenario, opts Options) (*engine, error) {
	e := &engine{
		sc: sc, opts: opts, byName: map[string]*backend{}, log: newLogbook(), quietAt: -1, key: -1, reportedAt: -1,
		records: records{spare: -1, idSeed: mix(sc.Seed ^ 0x6964656e74696679)},
	}
	for kind := range e.ties {
		e.ties[kind] = mix(mix(sc.Seed) + uint64(kind+1)*golden)
	}
	e.log.out, e.log.from, e.log.to = opts.Events, opts.KeepFrom, opts.KeepTo
	cfg := core.Config{
		RateMaxPerSecond: sc.Core.RateMaxPerSecond,
		TTL:              sc.Core.TTL, CleanupTTL: sc.Core.CleanupTTL, StaleTTL: sc.Core.StaleTTL,
		IdempotencyTTL: sc.Core.IdempotencyTTL, SweepInterval: sc.Core.SweepInterval,
		AutoscaleInterval: sc.Core.Autoscale.Interval,
		ScaleUpCooldown:   sc.Core.Autoscale.UpCooldown, ScaleDownCooldown: sc.Core.Autoscale.DownCooldown,
		ScaleDownWindow: sc.Core.Autoscale.DownWindow, ScaleToZeroGrace: sc.Core.Autoscale.ToZeroGrace,
		Scaler:        e,
		MaxExecutions: sc.Core.MaxExecutions, MaxIdempotencyKeys: sc.Core.MaxIdempotencyKeys,
		PassOverLate: sc.Core.PassOverLate,
		Shards:       1, // one goroutine: nothing to keep apart
		SyncQueue: core.SyncQueueConfig{
			Enabled:        sc.Core.SyncQueue.Enabled,
			MaxConcurrency: sc.Core.SyncQueue.MaxConcurrency, MaxDepth: sc.Core.SyncQueue.MaxDepth,
			MaxEstimatedWait: sc.Core.SyncQueue.MaxEstimatedWait, MaxQueueWait: sc.Core.SyncQueue.MaxQueueWait,
		},
	}
	var err error
	if e.core, err = core.New(cfg, e, e, e, e); err != nil {
		return nil, fmt.Errorf("%s: core refuses the configuration: %w", sc.Name, err)
	}
	if !opts.Unchecked {
		e.check = newChecker(e)
	}
	if err := e.addFunctions(); err != nil {
		return nil, err
	}
	e.addLoads()
	e.addFaults()
	e.addReports()
	for i := range sc.Expect {
		if c := &sc.Expect[i]; c.Gauge != "" || c.At > 0 {
			e.timed = append(e.timed, i)
		}
	}
	sort.SliceStable(e.timed, func(i, j int) bool { return sc.Expect[e.timed[i]].At < sc.Expect[e.timed[j]].At })
	e.checks = make([]CheckResult, len(sc.Expect))
	if opts.Series {
		e.plot = newPlot(e)
	}
	return e, nil
}

// manyFunctions is where histograms go down to two digits, to save memory.
const manyFunctions = 64

func (e *engine) addFunctions() error {
	digits := 3
	if len(e.sc.Functions) > manyFunctions {
		digits = 2
	}
	for i := range e.sc.Functions {
		f := &e.sc.Functions[i]
		g := &group{name: f.Name, decl: f}
		for s := range g.latency {
			g.latency[s].Precision = precision(digits)
		}
		e.groups = append(e.groups, g)
		for _, name := range registeredNames(f) {
			spec, err := spec(name, f, e.opts.Rival != nil)
			if err != nil {
				return fmt.Errorf("%s: core refuses function %s: %w", e.sc.Name, name, err)
			}
			if e.byName[name] != nil {
				return fmt.Errorf("%s: function %s is declared twice (a copy has that name)", e.sc.Name, name)
			}
			b := &backend{
				name: name, group: g, spec: spec, slow: 1,
				r: newStream(e.sc.Seed, "backend/"+name), latency: newSampler(&f.Behavior.Latency),
			}
			g.backends = append(g.backends, b)
			if f.Scaled() {
				b.fleet = e.newFleet(b)
			}
			e.byName[name] = b
			if _, err := e.core.Register(spec); err != nil {
				return fmt.Errorf("%s: core refuses function %s: %w", e.sc.Name, name, err)
			}
			e.startRival(b)
		}
	}
	return nil
}

func (e *engine) addLoads() {
	perFunction := map[string]int{} // a load's label counts its function's loads only
	for i := range e.sc.Load {
		l := &e.sc.Load[i]
		perFunction[l.Function]++
		for _, b := range e.group(l.Function).backends {
			label := fmt.Sprintf("%s/%d", b.name, perFunction[l.Function])
			e.loads = append(e.loads, load{
				arrivals: newArrivals(&l.Arrivals, e.sc.Duration, newStream(e.sc.Seed, "arrivals/"+label)),
				backend:  b, sync: l.Mode == "invoke",
				timeout: time.Duration(l.TimeoutMillis) * time.Millisecond,
				keys:    l.IdempotencyKeys, keyDraws: newStream(e.sc.Seed, "keys/"+label),
			})
		}
		e.keyNames = append(e.keyNames, make([]string, max(0, l.IdempotencyKeys-len(e.keyNames)))...)
	}
	e.loadsLeft = len(e.loads)
	for i := range e.loads {
		e.scheduleArrival(int32(i))
	}
}

func (e *engine) group(name string) *group {
	for _, g := range e.groups {
		if g.name == name {
			return g
		}
	}
	return nil
}

func (e *engine) scheduleArrival(i int32) {
	if at, ok := e.loads[i].arrivals.next(); ok {
		e.schedule(at, evArrival, i)
	} else {
		e.loadsLeft--
	}
}

// run is the event loop.
func (e *engine) run() {
	defer func() {
		if p := recover(); p != nil {
			e.fail("no panic", "%v\n%s", p, debug.Stack())
		}
	}()
	end := int64(-1) // known once the run is quiet
	for e.violation == nil {
		if end < 0 && e.quiet() {
			e.quietAt = max(e.now, int64(e.sc.Duration))
			end = e.endAfter(e.quietAt)
		}
		if len(e.q) == 0 || (end >= 0 && e.q[0].at > end) {
			break
		}
		ev := e.q.pop()
		if ev.what == evTimer && e.armed[ev.index] == nil {
			e.due(ev.index) // disowned
			continue
		}
		if ev.at > e.now {
			e.advance(ev.at)
			if e.violation != nil {
				break
			}
		}
		e.handle(ev)
	}
	if e.violation != nil {
		return
	}
	if end < 0 {
		e.fail("everything ends", "%d executions have not ended, %d slots are held, and nothing is due any more", e.unended, e.slotsHeld)
		return
	}
	e.advance(max(end, e.now))
	e.finish()
}

// quiet says that load has stopped, all is terminal and nothing is on its way.
func (e *engine) quiet() bool {
	return e.loadsLeft == 0 && e.unended == 0 && e.slotsHeld == 0 && e.answersDue == 0
}

// endAfter is when the run ends that became quiet at a time.
func (e *engine) endAfter(quiet int64) int64 {
	end := quiet + int64(e.sc.Settle)
	for i := range e.sc.Faults {
		end = max(end, int64(e.sc.Faults[i].At+e.sc.Faults[i].For))
	}
	for i := range e.sc.Reports {
		end = max(end, int64(e.sc.Reports[i].At))
	}
	for i := range e.sc.Expect {
		end = max(end, int64(e.sc.Expect[i].At))
	}
	return end
}

// maxPulse is how many events one instant may have.
const maxPulse = 50_000_000

func (e *engine) handle(ev event) {
	e.processed++
	switch ev.what {
	case evArrival:
		e.arrive(ev.index)
	case evAnswer:
		e.answer(ev.index)
	case evTimer:
		e.due(ev.index).f()
	case evFault:
		e.step(&e.steps[ev.index])
	case evReport:
		e.report(ev.index)
	}
	if e.processed-e.pulse > maxPulse {
		e.fail("virtual time passes", "%d events at one instant", maxPulse)
	}
	if e.opts.Progress != nil && e.processed&(1<<16-1) == 0 {
		e.opts.Progress(time.Duration(e.now), e.sc.Duration+e.sc.Settle)
	}
}

// advance moves virtual time on. Everything of the old time has happened.
func (e *engine) advance(to int64) {
	if e.check != nil {
		e.check.settled()
		e.check.probeUntil(to)
	}
	for e.timedNext < len(e.timed) && int64(e.sc.Expect[e.timed[e.timedNext]].At) < to {
		e.evaluate(e.timed[e.timedNext])
		e.timedNext++
	}
	if e.plot != nil {
		e.plot.sampleUntil(to)
	}
	e.now = to
	e.pulse = e.processed
}

// finish checks what must hold at the end.
func (e *engine) finish() {
	for ; e.timedNext < len(e.timed); e.timedNext++ {
		e.evaluate(e.timed[e.timedNext])
	}
	if e.check != nil {
		e.check.settled()
		e.check.baseline(e.now - e.quietAt)
	}
}

// arrive makes one call and schedules the load's next one.
func (e *engine) arrive(i int32) {
	l := &e.loads[i]
	e.submit(l)
	e.scheduleArrival(i)
}

func (e *engine) submit(l *load) {
	b := l.backend
	b.group.counts[cOffered]++
	e.calling = b
	r := &e.req // the other fields stay empty
	r.Function, r.Sync, r.Input, r.Timeout = b.name, l.sync, input, l.timeout
	r.Waiter, r.IdempotencyKey = nil, ""
	if l.sync {
		r.Waiter = e
	}
	if l.keys > 0 {
		e.key = l.keyDraws.below(l.keys)
		if e.keyNames[e.key] == "" {
			e.keyNames[e.key] = keyName(e.key)
		}
		r.IdempotencyKey = e.keyNames[e.key]
	}
	res, err := e.core.Submit(r)
	if e.check != nil {
		e.check.submitted(b, &res, err)
	}
	e.calling, e.key = nil, -1
}

// Wake implements core.Waiter for every sync call.
func (e *engine) Wake(s core.Snapshot) {
	if e.check != nil {
		e.check.woken(&s)
	}
}
