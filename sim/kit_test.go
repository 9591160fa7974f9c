package sim

import (
	"path/filepath"
	"testing"

	"simplane/sim/scenario"
)

// parse reads a scenario from the text of a test.
func parse(t testing.TB, text string) *scenario.Scenario {
	t.Helper()
	sc, err := scenario.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

// mustRun runs a scenario whose invariants must hold.
func mustRun(t testing.TB, sc *scenario.Scenario, opts Options) *Result {
	t.Helper()
	r, err := Run(sc, opts)
	if err != nil {
		t.Fatal(err)
	}
	if r.Violation != nil {
		t.Fatalf("%s: %v\n%v", sc.Name, r.Violation, r.Violation.Tail)
	}
	return r
}

// published are the scenario files of the repository.
func published(t testing.TB) []*scenario.Scenario {
	t.Helper()
	files, err := filepath.Glob("../scenarios/*.yaml")
	if err != nil || len(files) < 15 {
		t.Fatalf("found %d scenarios: %v", len(files), err)
	}
	var all []*scenario.Scenario
	for _, file := range files {
		sc, err := scenario.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, sc)
	}
	return all
}
