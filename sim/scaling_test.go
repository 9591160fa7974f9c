package sim_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"simplane/sim"
	"simplane/sim/scenario"
	"simplane/sim/swarm"
)

// withScaling gives most functions of a random scenario a scaling config, a
// provider and outages of it.
func withScaling(sc *scenario.Scenario, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0x7363616c65))
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	for i := range sc.Functions {
		f := &sc.Functions[i]
		if r.IntN(4) == 0 {
			continue
		}
		f.Behavior.ColdStart = scenario.ColdStart{}
		f.Behavior.HangRate, f.Behavior.DuplicateCompletionRate, f.Behavior.LateCompletionRate = 0, 0, 0
		s := &f.Scaling
		s.Strategy = pick("INTERNAL", "INTERNAL", "INTERNAL", "NONE")
		s.MinReplicas = r.IntN(3)
		s.MaxReplicas = max(1, s.MinReplicas) + r.IntN(10)
		for range r.IntN(3) {
			m := scenario.Metric{Type: pick("queue_depth", "in_flight", "rps", "cpu", "memory", "prometheus"), Target: 0.5 + float64(r.IntN(9))}
			if m.Type == "prometheus" {
				m.Name = pick("lag", "a \"quoted\" name")
			}
			s.Metrics = append(s.Metrics, m)
		}
		c := &s.ConcurrencyControl
		c.Mode = pick("FIXED", "STATIC_PER_POD", "ADAPTIVE_PER_POD")
		c.Target = 1 + r.IntN(4)
		c.UpscaleCooldown, c.DownscaleCooldown = r.IntN(5)*500, r.IntN(5)*500
		f.Provider.Startup = time.Duration(r.IntN(6)) * 500 * time.Millisecond
		f.Provider.Capacity = 1 + r.IntN(4)
		withReports(sc, f, r)
		for range r.IntN(3) {
			sc.Faults = append(sc.Faults, scenario.Fault{
				Kind: "provider-outage", Function: f.Name,
				At: time.Duration(r.Int64N(int64(sc.Duration))), For: time.Duration(1 + r.Int64N(int64(10*time.Second))),
			})
		}
	}
	sc.Core.PassOverLate = false // the order within a queue is the swarm's subject
	a := &sc.Core.Autoscale
	a.DownWindow = time.Duration(1+r.IntN(20)) * time.Second
	a.DownCooldown = time.Duration(1+r.IntN(5)) * time.Second
	a.ToZeroGrace = time.Duration(1+r.IntN(10)) * time.Second
}

// withReports has a function's cpu modelled, and reports the other figures it is
// scaled by.
func withReports(sc *scenario.Scenario, f *scenario.Function, r *rand.Rand) {
	if f.Scaling.Strategy != "INTERNAL" {
		return
	}
	modelled := r.IntN(2) == 0
	for _, m := range f.Scaling.Metrics {
		if !m.Reported() {
			continue
		}
		if m.Type == "cpu" && modelled {
			f.Provider.CPUPerExecution = float64(1 + r.IntN(100/f.Provider.Capacity))
			f.Provider.ReportInterval = time.Duration(1+r.IntN(50)) * 100 * time.Millisecond
			continue
		}
		for range r.IntN(12) {
			sc.Reports = append(sc.Reports, scenario.Report{
				At: time.Duration(r.Int64N(int64(sc.Duration + 10*time.Second))), Function: f.Name,
				Type: m.Type, Name: m.Name, Value: m.Target * float64(r.IntN(50)) / 10,
			})
		}
	}
}

// TestRandomScaledScenariosHoldTheInvariants runs the swarm's scenarios with
// scaling: nothing is lost, bounds hold, and each run repeats exactly.
func TestRandomScaledScenariosHoldTheInvariants(t *testing.T) {
	seeds := uint64(80)
	if testing.Short() {
		seeds = 30
	}
	scaled, reports := int64(0), 0
	for seed := range seeds {
		sc := swarm.Generate(seed, 20*time.Second)
		if sc.Core.Journal.Enabled {
			continue // scaled functions do not go with one
		}
		withScaling(sc, seed)
		text := scenario.Marshal(sc, "")
		again, err := scenario.Parse("again", text)
		if err != nil {
			t.Fatalf("seed %d: the scenario does not read back: %v\n%s", seed, err, text)
		}
		r, err := sim.Run(sc, sim.Options{})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if r.Violation != nil {
			t.Fatalf("seed %d: %v\n%s\n%s", seed, r.Violation, tail(r.Violation.Tail), text)
		}
		second, err := sim.Run(again, sim.Options{Unchecked: true})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if second.Digest != r.Digest {
			t.Fatalf("seed %d: the run does not repeat", seed)
		}
		scaled += r.Total.Get("scale_ups")
		reports += len(sc.Reports)
	}
	if reports < int(seeds) {
		t.Errorf("only %d reports in %d runs", reports, seeds)
	}
	if scaled < int64(seeds) {
		t.Errorf("only %d steps up in %d runs: the scenarios do not scale", scaled, seeds)
	}
}

func tail(lines []string) (s string) {
	for _, l := range lines[max(0, len(lines)-25):] {
		s += fmt.Sprintln(l)
	}
	return s
}

func TestScaledScenarioIsChecked(t *testing.T) {
	const good = "name: s\nduration: 1s\nfunctions:\n  - name: f\n    scaling: {minReplicas: 0, maxReplicas: 2}\n"
	if _, err := scenario.Parse("s", []byte(good)); err != nil {
		t.Fatalf("the base of these cases is not valid: %v", err)
	}
	for _, bad := range []string{
		"name: s\nduration: 1s\nfunctions:\n  - name: f\n    scaling: {minReplicas: 3, maxReplicas: 2}\n",
		"name: s\nduration: 1s\nfunctions:\n  - name: f\n    scaling: {maxReplicas: 2}\n",
		"name: s\nduration: 1s\nfunctions:\n  - name: f\n    scaling: {minReplicas: 0, maxReplicas: 2, metrics: [{type: disk, target: 1}]}\n",
		"name: s\nduration: 1s\nfunctions:\n  - name: f\n    behavior: {hangRate: 0.1}\n    scaling: {minReplicas: 0, maxReplicas: 2}\n",
		"name: s\nduration: 1s\nfunctions:\n  - name: f\nfaults:\n  - {at: 0s, kind: provider-outage, function: f, for: 1s}\n",
		"name: s\nduration: 1s\nfunctions:\n  - name: f\n    scaling: {minReplicas: 0, maxReplicas: 2, concurrencyControl: {lowLoadThreshold: 0.9}}\n",
	} {
		if _, err := scenario.Parse("s", []byte(bad)); err == nil {
			t.Errorf("accepted:\n%s", bad)
		}
	}
}
