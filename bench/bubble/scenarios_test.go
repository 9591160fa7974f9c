package bubble

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"simplane/server/harness/memnet"
	"simplane/sim"
	"simplane/sim/scenario"
)

// differs are the scenarios whose counts a server cannot have as the simulator has
// them, with why, and those of them that may differ; "" = all. What the scenario itself
// expects must hold all the same, but for what is in but.
var differs = map[string]struct {
	why    string
	counts []string
}{
	"backoff-outage":         {"pauses are moved by a hash of the execution's id", []string{"retries"}},
	"retry-after":            {"pauses are moved by a hash of the execution's id", nil},
	"sync-retry-storm":       {"pauses are moved by a hash of the execution's id", compared},
	"fairness-hog":           {"a thousand calls at one instant, in any order", compared},
	"instant-answers":        {"a function over HTTP never answers before its dispatch returns", compared},
	"reconfigure-under-load": {"calls come at the instant of a change", []string{"accepted", "success", "rejected.queue_full"}},
	"update-under-load":      {"pauses are moved by a hash of the execution's id", []string{"accepted", "success", "error", "retries", "rejected.queue_full"}},
	"redrive-full-queue":     {"other calls come between the letters of one redrive", []string{"offered", "accepted", "success", "rejected.queue_full"}},
	"payload-pressure":       {"errors of a server have other messages, which are payload", compared},
	"sync-admission":         {"a hundred calls at one instant are checked side by side, before any of them is queued", []string{"accepted", "success", "error", "queue_wait_exceeded", "rejected.depth"}},
	"delete-recreate":        {"the statistics of a function go with it", []string{"accepted", "success", "error", "timeout", "idempotent_hits"}},
}

// long are left out with -short: they take more than a second or two of real time.
var long = []string{"instant-answers", "backoff-outage", "fairness-hog", "changing-load", "incident", "pass-over-late", "sync-overload-10x", "sync-overload-5x",
	"update-under-load", "admission-defaults", "live-overload"}

// TestScenarios has a server carry out every scenario that it can, in virtual time. Callers
// and functions judge; the counts are the simulator's; and each decision of core is taken
// again from the server's recording.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("../../scenarios/*.yaml")
	if err != nil || len(files) < 50 {
		t.Fatalf("%d scenarios, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			sc, err := scenario.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if why := misfit(sc); why != "" {
				t.Skip(why)
			}
			if testing.Short() && slices.Contains(long, name) {
				t.Skip("it takes long")
			}
			simulated, err := sim.Run(sc, sim.Options{})
			if err != nil {
				t.Fatal(err)
			}
			inBubble(t, func(t *testing.T) { carryOut(t, sc, simulated, differs[name].counts) })
		})
	}
}

// carryOut runs a scenario and judges it. The counts of but may differ from the
// simulator's.
func carryOut(t *testing.T, sc *scenario.Scenario, simulated *sim.Result, but []string) {
	s := newStage(t, sc, memnet.Options{})
	defer s.report()
	operated := s.operate()
	s.drive()
	operated()
	s.quiet()
	counts := s.count()
	s.compare(simulated, counts, but)
	s.expect(counts, but)
	j := newJudge(s)
	j.prompt = true
	j.all()
	j.lookUps(500)
	j.expired()
	s.leave()
	s.replay()
}
