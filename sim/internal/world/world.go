// Package world is what surrounds core in a run: the functions' instances and
// their provider, the callers, the faults, and a clock whose wall reading can
// jump. It drives core through its public methods and answers its dispatches.
// It decides nothing in core's place: it never reads core's state.
package world

import (
	"fmt"
	"time"

	"simplane/core"
	"simplane/sim/draws"
	"simplane/sim/internal/loop"
	"simplane/sim/internal/random"
	"simplane/sim/scenario"
)

// Witness is told what the world does to core and what core answered, so that
// it can be compared with what core observes of itself. Functions go by number
// (see World.Functions).
type Witness interface {
	// Offering comes before a submission, Offered after it with core's answer. A call
	// brings an input, or redrives a dead letter, which has one. c waits for the
	// outcome; nil = nobody does.
	Offering(t Tag, c *Caller, input []byte, letter core.ID)
	Offered(t Tag, c *Caller, res *core.Result, err error)
	// Woken says that a caller is told the end of an execution.
	Woken(c *Caller, s core.Snapshot)
	// Dispatching comes when core has handed out an attempt.
	Dispatching(t core.Task)
	// Answering comes before an attempt is answered, Answered when core has taken
	// that in. In between core may dispatch others, which may answer at once.
	Answering(id core.ID, attempt int, o core.Outcome)
	Answered()
	// Created and Deleted come after the call, with core's answer.
	Created(fn int, err error)
	Deleted(fn int, err error)
	// Updating comes before a changed spec is put, by a client that has seen
	// generation ifGeneration (0 = any); Updated comes after it with core's answer,
	// the spec in force.
	Updating(fn int, next *core.Spec, ifGeneration uint64)
	Updated(fn int, now *core.Spec, err error)
	// Unended lists a function's executions that have not ended, in order of
	// acceptance. Cancelling comes before a call to cancel one, Cancelled after
	// it with core's answer.
	Unended(fn int) []core.ID
	Cancelling(id core.ID)
	Cancelled(id core.ID, s *core.Snapshot, err error)
	// Completing comes before an execution is completed from outside, at an attempt
	// (0 = any), Completed after it with core's answer.
	Completing(id core.ID, attempt int, o core.Outcome)
	Completed(err error)
	// DrainingOnce comes before the head of a function's queue is asked to be started,
	// DrainedOnce after it with core's answer, and DrainEnded when core says that the
	// attempt is over.
	DrainingOnce(fn int)
	DrainedOnce(fn int, did bool, err error)
	DrainEnded(fn int)
	// Forgetting comes before a caller takes its wait back.
	Forgetting(c *Caller)
	// Purged comes after a function's dead letters were to be forgotten.
	Purged(fn, n int, err error)
	// SettingReplicas comes before a function's instances are set by hand, ReplicasSet
	// after it.
	SettingReplicas(fn, n int)
	ReplicasSet(fn, n int, err error)
	// Configured comes after a setting of core was changed: draining, the rate, or sync
	// admission.
	Configured(f *scenario.Fault, err error)
	// Saved comes when settings were put into the journal, at a place.
	Saved(at core.LSN)
	// CancellingMemory comes before all that is not in a journal is cancelled,
	// CancelledMemory after it.
	CancellingMemory()
	CancelledMemory()
	// BrokenOff comes when core says that nobody wants an attempt's outcome any more.
	BrokenOff(id core.ID, attempt int)
	// Mistaken comes after a request that core must refuse, without an effect, with
	// core's answer and the one that is wanted; nil = a *core.ValidationError.
	Mistaken(what string, err, want error)
	// Redriven comes after a dead letter was submitted again, with what it became and core's answer,
	// and after Offered.
	Redriven(t Tag, letter, as core.ID, err error)
	// Reporting comes before a figure is reported, Reported after it.
	Reporting(fn int, typ, name string, value float64)
	Reported(fn int, typ, name string, value float64, err error)
	// Rests says that a call was taken, and that its caller is told so once a fact
	// is durable; 0 = at once. The zero Tag is of a cancel. It comes with a journal
	// only.
	Rests(t Tag, id core.ID, on core.LSN)
	// Conditional says that what was answered to a request about an execution, or about a
	// function if id is zero, rests on a fact; 0 = on none. It comes with a journal only.
	Conditional(fn int, id core.ID, on core.LSN)
	// Advanced says that core has been told of a commit. Crashed comes after the
	// process has ended, Restarted when there is another, with what it restored, and
	// Refused when none can be made of what is on the disk.
	Advanced()
	Crashed()
	Restarted()
	Refused(why error)
	// Fault comes before a fault begins or ends.
	Fault(f *scenario.Fault, ends bool)
	// Scaled says that a rival wants n instances.
	Scaled(fn, n int)
	// Seen says what somebody has found who asked, at a virtual time, for an
	// execution that was acknowledged; nil = nothing. It comes with several control
	// planes only.
	Seen(id core.ID, asked int64, s *core.Snapshot)
	// Settled comes when who has cancelled an execution (nil) or completed it, at an
	// attempt (0 = any), is told what came of it. It comes with several control planes
	// only, each of which Completing and Completed are told of before.
	Settled(id core.ID, attempt int, o *core.Outcome, err error)
	// Occupancy is the integral over time of a function's queued and running
	// executions, in executions times ns; that of a deleted function is 0.
	Occupancy(fn int) int64
}

// Handle is what core's observer leaves in core.Function.Handle: it leads from
// a dispatch to the function's instances without a look-up.
type Handle interface {
	Number() int // of the function
}

// Function is one registered name.
type Function struct {
	Name string
	Decl *scenario.Function // several names may share one
	Spec *core.Spec         // as it is registered
}

// World is one run's surroundings. It implements core.Dispatcher and
// core.Scaler.
type World struct {
	sc      *scenario.Scenario
	loop    *loop.Loop
	clock   *Clock
	core    *core.Core
	witness Witness

	backends  []*backend
	loads     []load
	steps     []faultStep
	attempts  []attempt
	reporters []reporter

	dispatched remembered

	freeAttempts []int32
	answersDue   int // answers on their way
	loadsLeft    int
	samplesDue   int // reports of models in the heap
	asking       int // calls of operators on their way, with several control planes

	req      core.Request // of the call being made: not allocated for each
	res      core.Result  // and core's answer
	tokens   tokens
	keyNames []string
	blanks   []byte
	timed    []byte // what is left of memory for timed inputs
	rival    func(*scenario.Function) Rival

	forgetting []*Caller
	scratch    []byte // of borrowed inputs and keys
	backlog    bool   // a pump is due

	deletions []*core.Deletion
	node      node
	restarts  *loop.Source
	remote    Remote // nil unless there are several control planes
	operating map[string][]func()
	looks     random.Stream

	arrivals, answers, faults, reports, batches, pumps, forgets, comeBack *loop.Source

	callers callers
}

// The streams of the sources' tie-breaks (3 is the loop's own). They are part
// of every golden digest.
const (
	arrivalTies = 1
	answerTies  = 2
	faultTies   = 4
	reportTies  = 5
	batchTies   = 6
	pumpTies    = 9 // 7 and 8 are of the journal
	forgetTies  = 10
)

// New makes a scenario's world. rival, when not nil, scales the functions that
// have scaling, instead of core. The error is for a function that core refuses.
func New(sc *scenario.Scenario, l *loop.Loop, rival func(*scenario.Function) Rival) (*World, error) {
	w := &World{sc: sc, loop: l, clock: &Clock{loop: l}, rival: rival, looks: random.New(sc.Seed, "looks")}
	w.arrivals = l.Source(arrivalTies, w.arrive)
	w.answers = l.Source(answerTies, w.answer)
	w.faults = l.Source(faultTies, w.step)
	w.reports = l.Source(reportTies, w.report)
	w.batches = l.Source(batchTies, w.endQueued)
	w.pumps = l.Source(pumpTies, w.pump)
	w.forgets = l.Source(forgetTies, w.forget)
	w.comeBack = l.Source(callerTies, w.again)
	w.restarts = w.addNode()
	if err := w.addFunctions(); err != nil {
		return nil, fmt.Errorf("%s: %w", sc.Name, err)
	}
	w.addLoads()
	w.callers.again, w.callers.failed = make([]int64, len(w.backends)), make([]int64, len(w.backends))
	return w, nil
}

// Functions lists the registered names; the place in it is a function's number.
func (w *World) Functions() []Function {
	all := make([]Function, len(w.backends))
	for i, b := range w.backends {
		all[i] = Function{Name: b.name, Decl: b.decl, Spec: b.spec}
	}
	return all
}

// Clock is the clock for core.
func (w *World) Clock() *Clock { return w.clock }

// Start registers the functions and schedules all that the scenario says. The
// error is for a function that core refuses.
func (w *World) Start(c *core.Core, witness Witness) error {
	w.core, w.witness = c, witness
	for _, b := range w.backends {
		if w.remote != nil {
			w.registerThere(b)
			continue
		}
		if err := w.register(b); err != nil {
			return fmt.Errorf("%s: core refuses function %s: %w", w.sc.Name, b.name, err)
		}
		w.startRival(b)
	}
	for i := range w.loadsLeft {
		w.scheduleArrival(int32(i))
	}
	w.addFaults()
	w.addReports()
	return nil
}

// Quiet says that all calls have been made and all answers have come.
func (w *World) Quiet() bool {
	return w.loadsLeft == 0 && w.answersDue == 0 && w.callers.count == 0 && w.asking == 0 && w.node.downs == 0 && (w.node.disk == nil || w.node.disk.Idle())
}

func (w *World) addFunctions() error {
	taken := map[string]bool{}
	for i := range w.sc.Functions {
		f := &w.sc.Functions[i]
		for _, name := range f.Names() {
			spec, err := w.spec(name, f)
			if err != nil {
				return fmt.Errorf("core refuses function %s: %w", name, err)
			}
			if taken[name] {
				return fmt.Errorf("function %s is declared twice (a copy has that name)", name)
			}
			taken[name] = true
			b := &backend{
				number: len(w.backends), name: name, decl: f, spec: spec, slow: 1,
				service: draws.NewService(w.sc.Seed, name, &f.Behavior),
				luck:    random.New(w.sc.Seed, "operators/"+name),
			}
			if f.Scaled() {
				b.fleet = w.newFleet(b)
			}
			w.backends = append(w.backends, b)
		}
	}
	return w.tryUpdates()
}

// tryUpdates says which update core would refuse. An order of updates need not be
// tried: no rule binds two of the values that they change.
func (w *World) tryUpdates() error {
	for i := range w.sc.Faults {
		f := &w.sc.Faults[i]
		for _, b := range w.declared(f.Function) {
			changed := f.Change.Of(*b.decl)
			if _, err := w.spec(b.name, &changed); err != nil {
				return fmt.Errorf("core refuses the %s of %s at %v: %w", f.Kind, b.name, f.At, err)
			}
		}
	}
	return nil
}

// register asks core to register a function. Its provider starts the minimum
// of instances when nobody scales it.
func (w *World) register(b *backend) error {
	if b.fleet != nil && !b.registered && b.spec.ScalingConfig.Strategy == "NONE" {
		b.fleet.set(b.decl.Scaling.MinReplicas)
		b.rival.restart()
	}
	_, err := w.core.Register(b.spec)
	if err == nil {
		b.registered, b.inForce = true, *b.decl
	}
	w.witness.Created(b.number, err)
	return err
}

// declared are the backends of a declared function: itself, or its copies.
func (w *World) declared(name string) []*backend {
	var all []*backend
	for _, b := range w.backends {
		if b.decl.Name == name {
			all = append(all, b)
		}
	}
	return all
}

// spec is a function's specification, resolved as the server resolves it.
func (w *World) spec(name string, f *scenario.Function) (*core.Spec, error) {
	var scaling *core.ScalingConfigInput
	if f.Scaled() {
		scaling = scalingInput(&f.Scaling)
		if w.rival != nil {
			none := "NONE"
			scaling.Strategy = &none
		}
	}
	var durability *string
	if w.sc.Core.Journal.Enabled || w.sc.Nodes > 0 {
		durability = &f.Durability
	}
	return core.ResolveSpec(core.SpecInput{
		Name: &name, ScalingConfig: scaling,
		RateMaxPerSecond: &f.RateMaxPerSecond, Durability: durability,
		Concurrency: &f.Concurrency, QueueSize: &f.QueueSize, MaxRetries: &f.MaxRetries, TimeoutMillis: &f.TimeoutMillis,
		RetryBackoff: &core.RetryBackoffInput{
			InitialMillis: &f.RetryBackoff.InitialMillis, MaxMillis: &f.RetryBackoff.MaxMillis,
			Multiplier: &f.RetryBackoff.Multiplier, Jitter: &f.RetryBackoff.Jitter,
		},
	})
}

// scalingInput is a scenario's scaling as a user would register it.
func scalingInput(s *scenario.Scaling) *core.ScalingConfigInput {
	in := &core.ScalingConfigInput{Strategy: &s.Strategy, MinReplicas: &s.MinReplicas, MaxReplicas: &s.MaxReplicas}
	for _, m := range s.Metrics {
		in.Metrics = append(in.Metrics, core.ScalingMetric{Type: m.Type, Name: m.Name, Target: m.Target})
	}
	c := &s.ConcurrencyControl
	in.ConcurrencyControl = &core.ConcurrencyControlInput{
		Mode: &c.Mode, TargetInFlightPerPod: &c.Target, MinTargetInFlightPerPod: &c.MinTarget, MaxTargetInFlightPerPod: &c.MaxTarget,
		UpscaleCooldownMs: &c.UpscaleCooldown, DownscaleCooldownMs: &c.DownscaleCooldown,
		HighLoadThreshold: &c.HighLoad, LowLoadThreshold: &c.LowLoad,
	}
	return in
}

// Instances are the sizes of a function's fleet, 0 without scaling.
type Instances struct{ Ready, Starting int }

// Instances is how many instances a function has now.
func (w *World) Instances(fn int) Instances {
	f := w.backends[fn].fleet
	if f == nil {
		return Instances{}
	}
	return Instances{Ready: f.ready, Starting: len(f.starting) + f.stalled}
}

// ReplicaSeconds is how long a function's instances have existed, those that
// start included.
func (w *World) ReplicaSeconds(fn int) int64 {
	f := w.backends[fn].fleet
	if f == nil {
		return 0
	}
	f.elapse()
	return f.area / int64(time.Second)
}
