package sim_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"simplane/sim"
	"simplane/sim/scenario"
	"simplane/sim/swarm"
)

// TestRandomScaledScenariosRepeat: each of the swarm's scenarios with scaling runs alike
// when it is read back, and without the checker; and they do scale.
func TestRandomScaledScenariosRepeat(t *testing.T) {
	scenarios := 40
	if testing.Short() {
		scenarios = 15
	}
	scaled, reports := int64(0), 0
	for seed, tried := uint64(0), 0; tried < scenarios; seed++ {
		sc := swarm.Generate(seed, 20*time.Second)
		if !slices.ContainsFunc(sc.Functions, func(f scenario.Function) bool { return f.Scaled() }) {
			continue
		}
		tried++
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
	if reports < scenarios {
		t.Errorf("only %d reports in %d runs", reports, scenarios)
	}
	if scaled < int64(scenarios) {
		t.Errorf("only %d steps up in %d runs: the scenarios do not scale", scaled, scenarios)
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
		"name: s\nduration: 1s\nfunctions:\n  - name: f\n    behavior: {coldStart: {initDuration: 1s}}\n    scaling: {minReplicas: 0, maxReplicas: 2}\n",
		"name: s\nduration: 1s\nfunctions:\n  - name: f\nfaults:\n  - {at: 0s, kind: provider-outage, function: f, for: 1s}\n",
		"name: s\nduration: 1s\nfunctions:\n  - name: f\n    scaling: {minReplicas: 0, maxReplicas: 2, concurrencyControl: {lowLoadThreshold: 0.9}}\n",
	} {
		if _, err := scenario.Parse("s", []byte(bad)); err == nil {
			t.Errorf("accepted:\n%s", bad)
		}
	}
}
