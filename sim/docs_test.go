package sim

import (
	"os"
	"strings"
	"testing"

	"simplane/sim/scenario"
)

// TestDocumentedScenario: the whole scenario in docs/simulator.md is one, and its
// checks hold.
func TestDocumentedScenario(t *testing.T) {
	text, err := os.ReadFile("../docs/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	_, from, found := strings.Cut(string(text), "### A whole scenario\n\n```yaml\n")
	yaml, _, ended := strings.Cut(from, "```\n")
	if !found || !ended {
		t.Fatal("docs/simulator.md has no whole scenario")
	}
	sc, err := scenario.Parse("docs/simulator.md", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	r := mustRun(t, sc, Options{})
	for _, c := range r.Checks {
		if !c.Holds {
			t.Errorf("%s %s: got %s", c.Check, c.Want, c.Got)
		}
	}
	if r.Violation != nil || r.Total.Get("caller_retries") == 0 || r.Total.Get("idempotent_hits") == 0 {
		t.Errorf("%v, %+v", r.Violation, r.Total)
	}
}
