package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"simplane/bench/live"
)

// TestGrid has each setting at each load, under a name and a seed of its own, at
// rates of that load.
func TestGrid(t *testing.T) {
	all, err := grid(10 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	names, seeds := map[string]bool{}, map[uint64]bool{}
	settings := map[string]int{}
	for i := range all {
		sc := all[i].scenario
		names[sc.Name], seeds[sc.Seed] = true, true
		settings[all[i].Setting]++
		f := &sc.Functions[0]
		attempts := sc.Load[0].Arrivals.Rate
		for share, n := 1.0, 1; n <= f.MaxRetries; n++ {
			share *= f.Behavior.FailureRate
			attempts += sc.Load[0].Arrivals.Rate * share
		}
		if got := attempts / capacity; got < all[i].Load*0.999 || got > all[i].Load*1.001 {
			t.Errorf("%s: %v attempts a second are %v of the capacity", sc.Name, attempts, got)
		}
	}
	if len(names) != len(all) || len(seeds) != len(all) {
		t.Errorf("%d runs, %d names, %d seeds", len(all), len(names), len(seeds))
	}
	for _, name := range []string{"queue", "admission"} {
		if settings[name] != 15 {
			t.Errorf("%s: %d runs, want 3 distributions at 5 loads", name, settings[name])
		}
	}
}

// TestWrite puts every figure that parts into words, and draws.
func TestWrite(t *testing.T) {
	cost := 0.5
	row := func(figure, unit, verdict string, real float64) live.Row {
		return live.Row{Figure: figure, Unit: unit, Same: 10, Simulated: live.Interval{Low: 9, High: 11}, Real: real,
			RealRange: &live.Interval{Low: real - 1, High: real + 1}, SameWithCost: &cost, WithCost: &live.Interval{Low: 12, High: 13}, Verdict: verdict}
	}
	var points []point
	for _, load := range []float64{0.5, 1} {
		points = append(points, point{Setting: "queue", Service: "constant", Load: load, Result: &live.Result{Functions: []live.Function{{
			Name: "f", CostMs: &cost, Rows: []live.Row{row("e2e.p50", "ms", live.Agrees, 10), row("e2e.p99", "ms", live.Parts, 99), row("success", "share", live.Costs, 12)},
		}}}})
	}
	dir := t.TempDir()
	if err := write(dir, points); err != nil {
		t.Fatal(err)
	}
	for file, wants := range map[string][]string{
		"figures.md":   {"10.00 ms, 0.50 ms → 99.00 ms **≠**", "6 figures: 2 in", "2 in it with the cost", "| queue constant 1 | e2e.p99 | 9.00 ms to 11.00 ms | 12.00 ms to 13.00 ms | 10.00 ms, 0.50 ms | 99.00 ms | 98.00 ms to 100 ms |"},
		"report.html":  {"queue, constant", "End-to-end latency, p99", "<svg", ">parts<"},
		"results.json": {`"costMs": 0.5`},
	} {
		raw, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(string(raw), want) {
				t.Errorf("%s: no %q in:\n%s", file, want, raw)
			}
		}
	}
	if err := measure(t.Context(), "", dir, "", time.Second, true); err != nil { // reads what was written
		t.Fatal(err)
	}
}
