package sim

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime/debug"
	"time"

	"simplane/core"
	"simplane/core/recording"
	"simplane/sim/internal/loop"
	"simplane/sim/internal/world"
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
	// Recorder gets every step, of each process of the run. nil = nobody does.
	Recorder core.Recorder
	// Record, an empty one, gets the steps of the first process, in place of
	// Recorder. Whoever writes it to a file says when, and by which program, it was
	// made. nil = they are not kept.
	Record *recording.Recording
	// Progress is called now and then with the virtual time reached. nil = never.
	Progress func(now, total time.Duration)
	// Stopped is asked now and then, after the same events whatever the machine, with how
	// many have been handled: after a true the run ends with ErrStopped. nil = never.
	Stopped func(events int64) bool

	recorder func(core.Recorder) core.Recorder // for tests: stands between core and the tape
}

// ErrStopped is the error of a run that Options.Stopped has ended.
var ErrStopped = errors.New("the run was stopped")

// askEvery is how many events pass between two questions whether to stop, a power of two:
// a few milliseconds.
const askEvery = 1 << 10

// Rival decides on a function's replicas in the autoscaler's stead.
type Rival = world.Rival

// run is a scenario being replayed: one node, its world and its witness on one
// loop.
type run struct {
	sc      *scenario.Scenario
	opts    Options
	loop    *loop.Loop
	world   *world.World
	witness *witness
	durable *durable // with a journal
	several *several // with several nodes
	tape    *tape    // nil when unchecked
	keeper  *keeper  // nil unless the steps are kept
	stopped bool     // by Options.Stopped
}

// Run replays a scenario. A broken invariant or failed check is in the Result;
// the error is for a scenario that core refuses, and for failed writes.
func Run(sc *scenario.Scenario, opts Options) (*Result, error) {
	started := time.Now() // for Result.Wall only
	r, err := newRun(sc, opts)
	if err != nil {
		return nil, err
	}
	if r.toTheEnd(); r.stopped && r.witness.violation == nil {
		return nil, ErrStopped
	}
	result := r.witness.result(sc)
	result.Handled, _ = r.loop.Handled()
	result.Wall = time.Since(started)
	return result, r.witness.log.outErr
}

func newRun(sc *scenario.Scenario, opts Options) (*run, error) {
	if err := sc.Unread(); err != nil {
		return nil, err
	}
	r := &run{sc: sc, opts: opts}
	if sc.Nodes > 0 && (opts.Record != nil || opts.Recorder != nil) {
		return nil, errors.New("a recording is of one process; this scenario has several nodes")
	}
	if opts.Record != nil {
		r.keeper = &keeper{rec: opts.Record}
	}
	r.loop = loop.New(sc.Seed, func(to int64) bool { return r.witness.leave(to) })
	var err error
	if r.world, err = world.New(sc, r.loop, opts.Rival); err != nil {
		return nil, err
	}
	r.witness = newWitness(sc, opts, r.loop, r.world)
	if sc.Nodes > 0 {
		r.several = newSeveral(r)
		return r, r.several.start()
	}
	var seen observer = r.witness
	if disk := r.world.Disk(); disk != nil {
		r.durable = newDurable(r.witness, sc, disk)
		seen = r.durable
		r.world.Keeps(func() (*core.Core, error) { return r.boot(seen) }, r.durable)
	}
	c, err := r.boot(seen)
	if err != nil {
		return nil, fmt.Errorf("%s: core refuses the configuration: %w", sc.Name, err)
	}
	return r, r.world.Start(c, seen)
}

// observer is all that core and the world tell of themselves.
type observer interface {
	core.Observer
	core.IDSource
	world.Witness
}

// boot makes a core, from what is in the journal if there is one.
func (r *run) boot(seen observer) (*core.Core, error) {
	cfg, disk := coreConfig(r.sc, r.world), r.world.Disk()
	cfg.OnBacklog = r.world.OnBacklog()
	cfg.Recorder = r.opts.Recorder
	if r.keeper != nil {
		cfg.Recorder = r.keeper
	}
	if disk != nil {
		cfg.Journal, cfg.Specs = disk, world.Specs{}
	}
	if !r.opts.Unchecked {
		if r.tape == nil {
			r.tape = newTape(r.witness, cfg.Recorder, r.sc.Seed)
		}
		r.tape.restart()
		if cfg.Recorder = r.tape; r.opts.recorder != nil {
			cfg.Recorder = r.opts.recorder(r.tape)
		}
	}
	clock := r.world.NodeClock()
	c, err := core.New(cfg, clock, seen, r.world, seen)
	if err != nil {
		return nil, err
	}
	if r.keeper != nil {
		r.keeper.begins(r.sc, c)
	}
	r.witness.watch(c)
	if r.durable != nil {
		r.durable.core = c
	}
	if r.tape != nil {
		r.tape.begin(c)
	}
	if disk == nil {
		return c, nil
	}
	from := c.Restore()
	if err := disk.Restore(from); err != nil {
		return nil, err
	}
	if err := from.Done(clock.Now(), nil); err != nil {
		return nil, err
	}
	return c, world.RestoreSettings(c, from.Config())
}

func coreConfig(sc *scenario.Scenario, scaler core.Scaler) core.Config {
	return core.Config{
		RateMaxPerSecond: sc.Core.RateMaxPerSecond,
		TTL:              sc.Core.TTL, CleanupTTL: sc.Core.CleanupTTL, StaleTTL: sc.Core.StaleTTL,
		IdempotencyTTL: sc.Core.IdempotencyTTL, SweepInterval: sc.Core.SweepInterval,
		AutoscaleInterval: sc.Core.Autoscale.Interval,
		ScaleUpCooldown:   sc.Core.Autoscale.UpCooldown, ScaleDownCooldown: sc.Core.Autoscale.DownCooldown,
		ScaleDownWindow: sc.Core.Autoscale.DownWindow, ScaleToZeroGrace: sc.Core.Autoscale.ToZeroGrace,
		Scaler:        scaler,
		MaxFunctions:  cmp.Or(sc.Core.MaxFunctions, scenario.MaxFunctions),
		MaxExecutions: sc.Core.MaxExecutions, MaxIdempotencyKeys: sc.Core.MaxIdempotencyKeys, MaxPayloadBytes: sc.Core.MaxPayloadBytes,
		PassOverLate: sc.Core.PassOverLate,
		Shards:       sc.Core.Shards, SchedulerOff: sc.Core.SchedulerOff,
		MaxDeadLetters: sc.Core.DeadLetters.Max, MaxDeadLetterBytes: sc.Core.DeadLetters.MaxBytes, DeadLetterTTL: sc.Core.DeadLetters.TTL,
		SyncQueue: world.SyncQueue(&sc.Core.SyncQueue),
	}
}

// maxPulse is how many events one instant may have.
const maxPulse = 50_000_000

// toTheEnd steps the loop until load has stopped, everything has ended and the
// scenario's remaining time has passed.
func (r *run) toTheEnd() {
	w := r.witness
	defer func() {
		if p := recover(); p != nil {
			w.fail("no panic", "%v\n%s", p, debug.Stack())
		}
	}()
	quietAt, end := int64(-1), int64(math.MaxInt64) // known once the run is quiet
	for w.violation == nil && !r.stopped {
		// Dead letters were redriven, or a recovery has crashed again.
		if quietAt >= 0 && (r.several == nil && !w.quiet() || r.several != nil && !r.world.Quiet() || r.world.Down()) {
			quietAt, end = -1, math.MaxInt64
		}
		if quietAt < 0 && r.world.Quiet() && r.quiet() { // a core that has crashed cannot be asked
			quietAt = max(r.loop.Now(), int64(r.sc.Duration))
			end = r.endAfter(quietAt)
		}
		if r.several != nil && quietAt < 0 {
			r.several.mustEnd()
		}
		if !r.step(end) {
			break
		}
	}
	if w.violation != nil || r.stopped {
		return
	}
	if quietAt < 0 {
		w.fail("everything ends", "%d executions have not ended, %d slots are held, and nothing is due any more", w.unended, w.slotsHeld)
		return
	}
	r.loop.AdvanceTo(max(end, r.loop.Now()))
	r.tape.end()
	if r.several != nil {
		r.several.finish()
	}
	if r.durable != nil && r.world.Disk().Idle() && !r.world.Lost() {
		r.durable.compareAll()
		r.durable.leftovers()
	}
	w.finish(quietAt)
}

// quiet says that all executions have ended and all slots are free.
func (r *run) quiet() bool {
	if r.durable != nil {
		return r.world.Lost() || r.durable.quiet()
	}
	if r.several != nil {
		return r.several.quiet()
	}
	return r.witness.quiet()
}

// step handles the next event up to a virtual time; false when there is none.
func (r *run) step(limit int64) (more bool) {
	if r.durable != nil {
		defer func() {
			if p := recover(); p != nil && !world.Crashed(p) {
				panic(p)
			}
		}()
		more = true // after a crash inside a call
	}
	if !r.loop.Step(limit) {
		return false
	}
	all, now := r.loop.Handled()
	if now > maxPulse {
		r.witness.fail("virtual time passes", "%d events at one instant", maxPulse)
	}
	if r.opts.Progress != nil && all&(1<<16-1) == 0 {
		r.opts.Progress(time.Duration(r.loop.Now()), r.sc.Duration+r.sc.Settle)
	}
	if r.opts.Stopped != nil && all&(askEvery-1) == 0 {
		r.stopped = r.opts.Stopped(all)
	}
	return true
}

// endAfter is when the run ends that became quiet at a time.
func (r *run) endAfter(quiet int64) int64 {
	end := quiet + int64(r.sc.Settle)
	for i := range r.sc.Faults {
		end = max(end, int64(r.sc.Faults[i].At+r.sc.Faults[i].For))
	}
	for i := range r.sc.Reports {
		end = max(end, int64(r.sc.Reports[i].At))
	}
	for i := range r.sc.Expect {
		end = max(end, int64(r.sc.Expect[i].At))
	}
	return end
}
