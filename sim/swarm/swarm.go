package swarm

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"simplane/sim"
	"simplane/sim/scenario"
)

// Options of a swarm.
type Options struct {
	Start    uint64        // first seed
	Seeds    int           // how many
	Duration time.Duration // virtual load time of each
	Workers  int           // 0 = one per CPU
	First    bool          // end at the first failure, and do not make it smaller
	Nodes    bool          // scenarios with several control planes
	// Progress is called after each seed, from several goroutines. May be nil.
	Progress func(done int, events int64)
	// Stopped is asked before each seed: after a true no other one begins. nil = never.
	Stopped func() bool
}

// Failure is a seed whose scenario broke an invariant.
type Failure struct {
	Seed      uint64
	Violation *sim.Violation
	Minimal   *scenario.Scenario // still breaks it
	File      []byte             // Minimal as YAML
	Before    []byte             // what it was made from
	Runs      int                // that this took
}

// Summary is the outcome of a swarm.
type Summary struct {
	Runs     int
	Events   int64
	Failures []Failure // by seed
}

// maxShrunk is how many failures are shrunk; further seeds are only counted.
const maxShrunk = 3

// Run tries the seeds across cores. The error is for scenarios that cannot
// run at all, which is a bug of the generator.
func Run(o Options) (*Summary, error) {
	workers := o.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	var (
		next     atomic.Uint64
		mu       sync.Mutex
		sum      Summary
		firstErr error
		wg       sync.WaitGroup
	)
	for range workers {
		wg.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= uint64(o.Seeds) || o.Stopped != nil && o.Stopped() {
					return
				}
				f, events, err := try(o.Start+i, o)
				mu.Lock()
				sum.Runs++
				sum.Events += events
				if err != nil && firstErr == nil {
					firstErr = err
				}
				if f != nil {
					sum.Failures = append(sum.Failures, *f)
				}
				stop := firstErr != nil || len(sum.Failures) >= maxShrunk || o.First && f != nil
				done, total := sum.Runs, sum.Events
				mu.Unlock()
				if o.Progress != nil {
					o.Progress(done, total)
				}
				if stop {
					return
				}
			}
		})
	}
	wg.Wait()
	slices.SortFunc(sum.Failures, func(a, b Failure) int {
		if a.Seed < b.Seed {
			return -1
		}
		return 1
	})
	return &sum, firstErr
}

// try runs one seed's scenario, as a file would be read; every eighth twice.
func try(seed uint64, o Options) (*Failure, int64, error) {
	generate := Generate
	if o.Nodes {
		generate = GenerateNodes
	}
	sc, file, err := reread(generate(seed, o.Duration))
	if err != nil {
		return nil, 0, fmt.Errorf("seed %d: the generated scenario is invalid: %w\n%s", seed, err, file)
	}
	r, err := sim.Run(sc, sim.Options{})
	if err != nil {
		return nil, 0, fmt.Errorf("seed %d: %w", seed, err)
	}
	if r.Violation == nil {
		if seed%8 == 0 {
			again, err := sim.Run(sc, sim.Options{})
			if err != nil {
				return nil, 0, err
			}
			if again.Digest != r.Digest {
				return &Failure{Seed: seed, Minimal: sc, File: file, Violation: &sim.Violation{
					Invariant: "replay", Detail: fmt.Sprintf("digests %s and %s", r.Digest, again.Digest), At: r.Virtual}}, r.Events, nil
			}
		}
		return nil, r.Events, nil
	}
	if o.First {
		return &Failure{Seed: seed, Violation: r.Violation, Minimal: sc, File: file}, r.Events, nil
	}
	s := Shrink(sc, r.Violation)
	minimal, v := s.Scenario, s.Violation
	comment := fmt.Sprintf("Found by the swarm with seed %d and made smaller.\nBreaks: %s: %s", seed, v.Invariant, firstLine(v.Detail))
	return &Failure{Seed: seed, Violation: v, Minimal: minimal, File: scenario.Marshal(minimal, comment), Before: file, Runs: s.Runs}, r.Events, nil
}

// reread writes a scenario as YAML and parses that: what runs is what the file
// says.
func reread(sc *scenario.Scenario) (*scenario.Scenario, []byte, error) {
	file := scenario.Marshal(sc, "")
	out, err := scenario.Parse(sc.Name+".yaml", file)
	return out, file, err
}

func firstLine(s string) string {
	for i := range s {
		if s[i] == '\n' {
			return s[:i]
		}
	}
	return s
}
