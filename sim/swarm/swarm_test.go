package swarm

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"simplane/sim"
	"simplane/sim/scenario"
)

// TestSwarm tries seeds that CI always tries, across cores.
func TestSwarm(t *testing.T) {
	seeds := 60
	if testing.Short() {
		seeds = 10
	}
	sum, err := Run(Options{Start: 1, Seeds: seeds, Duration: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range sum.Failures {
		t.Errorf("seed %d: %v\n%s", f.Seed, f.Violation, f.File)
	}
	if sum.Runs != seeds || sum.Events < int64(seeds)*100 {
		t.Errorf("%d runs with %d events: hardly anything happened", sum.Runs, sum.Events)
	}
}

// TestSeedsAreReproducible and differ.
func TestSeedsAreReproducible(t *testing.T) {
	a, b, c := Generate(5, time.Minute), Generate(5, time.Minute), Generate(6, time.Minute)
	text := func(s *scenario.Scenario) string { return string(scenario.Marshal(s, "")) }
	if text(a) != text(b) {
		t.Error("one seed, two scenarios")
	}
	if text(a) == text(c) {
		t.Error("two seeds, one scenario")
	}
}

// TestSwarmReachesEverything: among the seeds every outcome occurs, else a
// broken invariant about it could never be seen.
func TestSwarmReachesEverything(t *testing.T) {
	seen := map[string]int64{}
	for seed := uint64(1); seed <= 76; seed++ {
		sc, _, err := reread(Generate(seed, 20*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		r, err := sim.Run(sc, sim.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range scenario.CountNames {
			seen[name] += r.Total.Get(name)
		}
	}
	for _, name := range []string{"success", "error", "timeout", "retries", "rejected.rate_limited", "rejected.queue_full",
		"rejected.est_wait", "rejected.depth", "rejected.not_found", "rejected.store_full", "rejected.idempotency_store_full", "rejected.idempotency_key_reused",
		"idempotent_hits", "evicted", "cleaned", "late_results", "duplicate_results", "cold_starts", "queue_wait_exceeded", "stale", "updates"} {
		if seen[name] == 0 {
			t.Errorf("no %s in any of the scenarios", name)
		}
	}
}

// TestSwarmReachesEveryCrash: among the seeds with a journal all that can go wrong
// with its disk does.
func TestSwarmReachesEveryCrash(t *testing.T) {
	seen, again := map[string]int64{}, 0
	for seed, tried := uint64(1), 0; tried < 60; seed++ {
		sc := Generate(seed, 20*time.Second)
		if !sc.Core.Journal.Enabled {
			continue
		}
		tried++
		sc, _, err := reread(sc)
		if err != nil {
			t.Fatal(err)
		}
		r, err := sim.Run(sc, sim.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Violation != nil {
			t.Errorf("seed %d: %v", seed, r.Violation)
		}
		for _, name := range scenario.CountNames {
			seen[name] += r.Total.Get(name)
		}
		for i := range sc.Faults {
			seen[sc.Faults[i].Kind]++
			again += sc.Faults[i].Again
		}
	}
	for _, name := range []string{"disk-failure", "disk-slow", "disk-full", "disk-lies",
		"rejected.journal_full", "unavailable", "interrupted", "lost_facts", "refused_starts", "queue_wait_exceeded", "cold_starts"} {
		if seen[name] == 0 {
			t.Errorf("no %s in any of the scenarios", name)
		}
	}
	if again == 0 {
		t.Error("no recovery is to crash")
	}
}

// TestShrinkSteps: each way to make a scenario smaller comes to an end, and each
// candidate differs from what it was made of.
func TestShrinkSteps(t *testing.T) {
	for seed := range uint64(3) {
		sc, file, err := reread(Generate(seed, 20*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		s := newShrinking(sc, nil, ShrinkOptions{})
		for n, step := range steps {
			ways := 0
			for ; step(s.copy(), ways); ways++ {
				c := s.copy()
				if step(c, ways); bytes.Equal(scenario.Marshal(c, ""), file) {
					t.Errorf("seed %d: step %d changes nothing in its way %d", seed, n, ways)
				}
				if ways > 5000 {
					t.Fatalf("step %d never ends", n)
				}
			}
			if n == 2 && ways < 10 {
				t.Errorf("seed %d can be reduced in %d ways only", seed, ways)
			}
		}
	}
}

// TestShrinkLeavesTheLeast: of a scenario that breaks an invariant for one reason
// hardly more than that is left, whatever else it has.
func TestShrinkLeavesTheLeast(t *testing.T) {
	for seed := range uint64(2) {
		sc := Generate(seed, 5*time.Second)
		sc.Core.Journal, sc.Faults = scenario.New().Core.Journal, nil
		sc.Expect = nil
		sc, file, err := reread(sc)
		if err != nil {
			t.Fatal(err)
		}
		// Any run that accepts something counts as broken.
		small := newShrinking(sc, nil, ShrinkOptions{}).least(func(r *sim.Result) bool { return r.Total.Get("accepted") > 0 })
		lines := bytes.Count(small, []byte("\n"))
		if was := bytes.Count(file, []byte("\n")); lines > 12 {
			t.Errorf("seed %d: %d of %d lines are left:\n%s", seed, lines, was, small)
		}
	}
}

// TestSwarmReachesEveryNodeFault: among the seeds with several nodes all that can
// come of their faults does, and no invariant is broken.
func TestSwarmReachesEveryNodeFault(t *testing.T) {
	seen := map[string]int64{}
	for seed := uint64(1); seed <= 76; seed++ {
		sc, file, err := reread(GenerateNodes(seed, 12*time.Second))
		if err != nil {
			t.Fatalf("%v\n%s", err, file)
		}
		r, err := sim.Run(sc, sim.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Violation != nil {
			t.Errorf("seed %d: %v", seed, r.Violation)
		}
		for _, name := range scenario.CountNames {
			seen[name] += r.Total.Get(name)
		}
		for i := range sc.Faults {
			seen[sc.Faults[i].Kind+sc.Faults[i].Does]++
		}
	}
	for _, name := range []string{"kill-node", "leave-node", "pause-node", "partition",
		"log-faultslow", "log-faultdeaf", "log-faultrepeats", "log-faultpauses", "log-faultstale-watch", "log-faultloses",
		"rejected.no_owner", "owner_lost", "unavailable", "lookups", "takeovers", "hand_overs", "told_outcomes", "lost_frames", "closed_partitions", "interrupted",
		"completed", "cancelled", "redriven", "purged", "set-rate", "configured"} {
		if seen[name] == 0 {
			t.Errorf("no %s in any of the scenarios", name)
		}
	}
}

// TestShrinkFindsWhatIsRare: a scenario without a function that has nothing to do with it shows
// what is looked for with one seed of twenty only.
func TestShrinkFindsWhatIsRare(t *testing.T) {
	sc, _, err := reread(Generate(2, 2*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if len(sc.Functions) < 2 {
		t.Fatal("the scenario has one function")
	}
	s := newShrinking(sc, nil, ShrinkOptions{Run: func(sc *scenario.Scenario, o sim.Options) (*sim.Result, error) {
		return &sim.Result{Events: int64(sc.Seed)}, nil // no draw is looked at
	}})
	own := int64(sc.Seed)
	s.least(func(r *sim.Result) bool { return (r.Events-own)%20 == 17 })
	if n := len(s.Scenario.Functions); n != 1 {
		t.Errorf("%d functions are left after %d runs", n, s.Runs)
	}
}

// TestShrinkHasABudget of events, which neither the machine nor the time it takes changes.
func TestShrinkHasABudget(t *testing.T) {
	sc, _, err := reread(Generate(2, 20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := sim.Run(sc, sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var files [2][]byte
	for i := range files {
		s := newShrinking(sc, nil, ShrinkOptions{})
		s.most = 10 * whole.Handled
		files[i] = s.least(func(r *sim.Result) bool { return r.Total.Get("accepted") > whole.Total.Get("accepted")/2 })
		if s.Cut != CutBudget || s.Events < s.most-whole.Handled || s.Events > s.most+1<<12 {
			t.Errorf("cut %q after %d runs with %d of %d events", s.Cut, s.Runs, s.Events, s.most)
		}
	}
	if !bytes.Equal(files[0], files[1]) || bytes.Equal(files[0], scenario.Marshal(sc, "")) {
		t.Errorf("it is %d and then %d bytes long", len(files[0]), len(files[1]))
	}
}

// TestSwarmThatIsStopped ends in the middle of a run, whose seed counts as not tried.
func TestSwarmThatIsStopped(t *testing.T) {
	asked := 0
	sum, err := Run(Options{Start: 40, Seeds: 8, Duration: 20 * time.Second, Workers: 1, Stopped: func() bool { asked++; return asked > 60 }})
	if err != nil || sum.Runs == 0 || sum.Runs == 8 || sum.Next != 40+uint64(sum.Runs) || asked != 61 {
		t.Errorf("%v: %+v after %d questions", err, sum, asked)
	}
}

// TestSwarmTellsAtOnce of each failure, then how it is made smaller, and what came of it.
func TestSwarmTellsAtOnce(t *testing.T) {
	var told []string
	say := func(what string) {
		if len(told) == 0 || told[len(told)-1] != what {
			told = append(told, what)
		}
	}
	lines := 0
	sum, err := Run(Options{
		Start: 3, Seeds: 2, Duration: 2 * time.Second, Workers: 1,
		Progress:  func(int, int64) { say("progress") },
		Found:     func(seed uint64, v *sim.Violation) { say("found") },
		Shrinking: func(seed uint64, runs, n int) { say("shrinking"); lines = n },
		Failed:    func(f *Failure) { say("failed") },
		Run: func(sc *scenario.Scenario, o sim.Options) (*sim.Result, error) {
			r, err := sim.Run(sc, o)
			if err == nil && r.Total.Get("accepted") > 0 && sc.Name == "swarm-3" {
				r.Violation = &sim.Violation{Invariant: "nothing is accepted"}
			}
			return r, err
		},
	})
	if want := []string{"found", "progress", "shrinking", "failed", "progress"}; err != nil || !slices.Equal(told, want) {
		t.Errorf("%v: told %q, want %q", err, told, want)
	}
	if len(sum.Failures) != 1 || sum.Runs != 2 {
		t.Fatalf("%+v", sum)
	}
	f := &sum.Failures[0]
	if f.Cut != NotCut || lines > 12 || len(f.File) > len(f.Before)/4 {
		t.Errorf("cut %q, %d lines:\n%s", f.Cut, lines, f.File)
	}
}
