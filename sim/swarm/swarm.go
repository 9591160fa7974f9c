package swarm

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"simplane/sim"
	"simplane/sim/scenario"
)

// Options of a swarm. Its functions are called one at a time, except Stopped.
type Options struct {
	Start    uint64        // first seed
	Seeds    int           // how many
	Duration time.Duration // virtual load time of each
	Workers  int           // 0 = one per CPU
	First    bool          // end at the first failure, and do not make it smaller
	Whole    bool          // do not make failures smaller
	Nodes    bool          // scenarios with several control planes
	// Progress is called after each seed. May be nil.
	Progress func(done int, events int64)
	// Found is called when a seed fails, before its scenario is made smaller. May be nil.
	Found func(seed uint64, v *sim.Violation)
	// Shrinking is called after each run that makes a failing scenario smaller, with how
	// many there were and the size of the smallest so far. May be nil.
	Shrinking func(seed uint64, runs, lines int)
	// Failed is called with each failure of the summary as soon as that is known. May be nil.
	Failed func(f *Failure)
	// Stopped is asked between runs and during them, from several goroutines: after a true
	// all of them end, and what is being made smaller stays as it is. nil = never.
	Stopped func() bool
	// Run replays a scenario. nil = sim.Run.
	Run func(*scenario.Scenario, sim.Options) (*sim.Result, error)
}

// Failure is a seed whose scenario broke an invariant.
type Failure struct {
	Seed      uint64
	Violation *sim.Violation
	Minimal   *scenario.Scenario // still breaks it
	File      []byte             // Minimal as YAML
	Before    []byte             // what it was made from
	Runs      int                // that this took
	Cut       Cut                // why it was not made smaller still
	Handled   int64              // events of the simulation until it was broken
}

// Summary is the outcome of a swarm.
type Summary struct {
	Runs     int
	Events   int64
	Next     uint64    // all seeds before it have been tried
	Failures []Failure // by seed
}

// maxShrunk is how many failures end a swarm.
const maxShrunk = 3

// attempt is a swarm that goes on.
type attempt struct {
	Options
	next atomic.Uint64 // how many seeds have been begun

	mu       sync.Mutex
	sum      Summary
	found    int // failures, with those that are being made smaller
	firstErr error
}

// Run tries the seeds across cores. The error is for scenarios that cannot
// run at all, which is a bug of the generator.
func Run(o Options) (*Summary, error) {
	workers := o.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	if o.Run == nil {
		o.Run = sim.Run
	}
	a := &attempt{Options: o}
	a.sum.Next = o.Start + uint64(o.Seeds)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(a.work)
	}
	wg.Wait()
	a.sum.Next = min(a.sum.Next, o.Start+a.next.Load())
	slices.SortFunc(a.sum.Failures, func(a, b Failure) int { return cmp.Compare(a.Seed, b.Seed) })
	return &a.sum, a.firstErr
}

// work tries seeds until there are no more, or enough failures.
func (a *attempt) work() {
	for !a.stopped() {
		i := a.next.Add(1) - 1
		if i >= uint64(a.Seeds) {
			return
		}
		seed := a.Start + i
		f, events, err := a.try(seed)
		a.mu.Lock()
		if errors.Is(err, sim.ErrStopped) {
			a.sum.Next = min(a.sum.Next, seed)
			a.mu.Unlock()
			return
		}
		a.sum.Runs++
		a.sum.Events += events
		if err != nil && a.firstErr == nil {
			a.firstErr = err
		}
		if f != nil {
			a.found++
			if a.Found != nil {
				a.Found(f.Seed, f.Violation)
			}
		}
		if a.Progress != nil {
			a.Progress(a.sum.Runs, a.sum.Events)
		}
		enough := a.firstErr != nil || a.found >= maxShrunk || a.First && f != nil
		a.mu.Unlock()
		if f != nil {
			a.shrink(f)
			a.mu.Lock()
			a.sum.Failures = append(a.sum.Failures, *f)
			if a.Failed != nil {
				a.Failed(f)
			}
			a.mu.Unlock()
		}
		if enough {
			return
		}
	}
}

func (a *attempt) stopped() bool { return a.Stopped != nil && a.Stopped() }

// try runs one seed's scenario, as a file would be read; every eighth twice.
func (a *attempt) try(seed uint64) (*Failure, int64, error) {
	generate := Generate
	if a.Nodes {
		generate = GenerateNodes
	}
	sc, file, err := reread(generate(seed, a.Duration))
	if err != nil {
		return nil, 0, fmt.Errorf("seed %d: the generated scenario is invalid: %w\n%s", seed, err, file)
	}
	opts := sim.Options{Stopped: func(int64) bool { return a.stopped() }}
	r, err := a.Run(sc, opts)
	if err != nil {
		return nil, 0, fmt.Errorf("seed %d: %w", seed, err)
	}
	f := &Failure{Seed: seed, Violation: r.Violation, Minimal: sc, File: file, Before: file, Handled: r.Handled}
	if r.Violation != nil {
		return f, r.Events, nil
	}
	if seed%8 == 0 {
		again, err := a.Run(sc, opts)
		if err != nil {
			return nil, 0, fmt.Errorf("seed %d: %w", seed, err)
		}
		if again.Digest != r.Digest {
			f.Violation = &sim.Violation{Invariant: replays, Detail: fmt.Sprintf("digests %s and %s", r.Digest, again.Digest), At: r.Virtual}
			return f, r.Events, nil
		}
	}
	return nil, r.Events, nil
}

// replays is the invariant that two runs of a scenario are alike. No single run breaks it.
const replays = "replay"

// shrink makes a failure's scenario smaller.
func (a *attempt) shrink(f *Failure) {
	made := ""
	if !a.First && !a.Whole && f.Violation.Invariant != replays {
		s := a.smaller(f)
		f.Minimal, f.Violation, f.Runs, f.Cut = s.Scenario, s.Violation, s.Runs, s.Cut
		made = " and made smaller"
	}
	f.File = scenario.Marshal(f.Minimal, fmt.Sprintf("Found by the swarm with seed %d%s.\nBreaks: %s", f.Seed, made, f.Violation.Headline()))
}

// smaller is Shrink of a failure, and tells how it goes on.
func (a *attempt) smaller(f *Failure) Shrunk {
	o := ShrinkOptions{Handled: f.Handled, Stopped: a.Stopped, Run: a.Run}
	if a.Shrinking != nil {
		o.Progress = func(runs, lines int) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.Shrinking(f.Seed, runs, lines)
		}
	}
	return Shrink(f.Minimal, f.Violation, o)
}

// reread writes a scenario as YAML and parses that: what runs is what the file
// says.
func reread(sc *scenario.Scenario) (*scenario.Scenario, []byte, error) {
	file := scenario.Marshal(sc, "")
	out, err := scenario.Parse(sc.Name+".yaml", file)
	return out, file, err
}
