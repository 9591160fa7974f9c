package whatif

import (
	"bytes"
	"math"
	"testing"

	"simplane/core/recording"
	"simplane/sim/history"
	"simplane/sim/replay"
	"simplane/sim/scenario"
)

// TestIncident is the incident of docs/replay.md: recorded, written to a file and
// read again, replayed, and asked what two remedies had brought.
func TestIncident(t *testing.T) {
	original, err := scenario.ReadFile("../../scenarios/incident.yaml")
	if err != nil {
		t.Fatal(err)
	}
	made, _ := record(t, original)
	rec := throughFile(t, made)

	r, err := replay.Run(rec, replay.Options{Context: 40})
	if err != nil || r.Exit() != replay.ExitIdentical {
		t.Fatalf("%v: %s", err, r.Verdict())
	}

	h := read(t, rec, Options{Function: "orders"})
	sc, _, err := Scenario("incident", rec, h)
	if err != nil {
		t.Fatal(err)
	}
	const slots, pauses = "concurrency=32", "retryBackoff={initialMs: 1000, maxMs: 30000},maxRetries=6"
	c, err := Compare(sc, h, []string{slots, pauses, slots + "," + pauses}, 3)
	if err != nil {
		t.Fatal(err)
	}
	figure := func(variant int, of func(*history.Figures) float64) float64 {
		median, _, _ := c.Simulated[variant].middle(of)
		return median
	}
	lost := func(f *history.Figures) float64 { return float64(f.Errors) }
	refused := func(f *history.Figures) float64 { return float64(f.AllRefused()) }
	goodput := func(f *history.Figures) float64 { return f.Goodput }
	for name, of := range map[string]func(*history.Figures) float64{
		"errors": lost, "refusals": refused, "goodput": goodput,
		"p50": func(f *history.Figures) float64 { return float64(f.P50) },
		"p99": func(f *history.Figures) float64 { return float64(f.P99) },
	} {
		if is, was := figure(0, of), of(&c.Recorded); math.Abs(is-was) > 0.06*was {
			t.Errorf("the model's own error is too large: %s is %v, recorded %v", name, is, was)
		}
	}
	if c.Recorded.Errors < 1000 || c.Recorded.AllRefused() < 500 || c.Recorded.Retries < 3000 {
		t.Errorf("no incident: %+v", c.Recorded)
	}
	if refused(&c.Recorded) == 0 || figure(1, refused) != 0 || figure(1, lost) < 0.5*lost(&c.Recorded) {
		t.Errorf("with more slots %v are refused and %v lost", figure(1, refused), figure(1, lost))
	}
	if figure(2, lost) > 0.3*lost(&c.Recorded) || figure(2, refused) < refused(&c.Recorded) {
		t.Errorf("with pauses %v are lost and %v refused", figure(2, lost), figure(2, refused))
	}
	if figure(3, lost) > 5 || figure(3, refused) != 0 || figure(3, goodput) < 1.1*goodput(&c.Recorded) {
		t.Errorf("with both %v are lost and %v refused", figure(3, lost), figure(3, refused))
	}
}

// throughFile writes a recording and reads it back.
func throughFile(t *testing.T, rec *recording.Recording) *recording.Recording {
	t.Helper()
	var b bytes.Buffer
	w, err := recording.NewWriter(&b, rec.Header)
	if err != nil {
		t.Fatal(err)
	}
	for _, base := range rec.Bases {
		if err := w.Base(base); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Steps(rec.Steps); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(""); err != nil {
		t.Fatal(err)
	}
	back, err := recording.Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	return back
}
