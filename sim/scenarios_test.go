package sim

import (
	"runtime"
	"testing"
)

// TestScenarios replays every published scenario: its checks and all
// invariants hold, and its event log is the golden one. A changed log is
// explained; make the record again with `simplane sim verify --update-golden`.
func TestScenarios(t *testing.T) {
	golden, err := ReadGolden("../scenarios/golden.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, sc := range published(t) {
		t.Run(sc.Name, func(t *testing.T) {
			t.Parallel()
			r := mustRun(t, sc, Options{})
			for _, c := range r.Checks {
				if !c.Holds {
					t.Errorf("%s:%d: %s %s: got %s", sc.File, c.Line, c.Check, c.Want, c.Got)
				}
			}
			if len(r.Checks) == 0 {
				t.Error("it asserts nothing")
			}
			g, ok := golden[sc.Name]
			if !ok {
				t.Fatalf("no golden record of %s; make one with 'simplane sim verify --update-golden scenarios/*.yaml'", sc.Name)
			}
			diff, err := g.Explain(r, func(from, to int64) (*Result, error) {
				return Run(sc, Options{KeepFrom: from, KeepTo: to})
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestReplay runs scenarios again: in the same process, with other GOMAXPROCS,
// while recording plots, and without the checker. None of that may change an
// event; the last shows that the checker decides nothing.
func TestReplay(t *testing.T) {
	for _, sc := range published(t) {
		first := mustRun(t, sc, Options{})
		if raceEnabled && first.Events > 20_000 {
			continue
		}
		for name, again := range map[string]func() *Result{
			"without checks": func() *Result { return mustRun(t, sc, Options{Unchecked: true}) },
			"with plots, GOMAXPROCS=1": func() *Result {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
				return mustRun(t, sc, Options{Series: true})
			},
		} {
			r := again()
			if r.Digest != first.Digest || r.Events != first.Events || r.Total != first.Total {
				t.Errorf("%s %s: digest %s (%d events), before %s (%d events)", sc.Name, name, r.Digest, r.Events, first.Digest, first.Events)
			}
		}
	}
}

// TestSeedMatters: another seed gives another log, and the same counts only
// where the scenario leaves nothing to chance.
func TestSeedMatters(t *testing.T) {
	sc := parse(t, `
name: chance
duration: 10s
functions: [{name: f, behavior: {latency: {distribution: exponential, mean: 20ms}}}]
load: [{function: f, arrivals: {process: poisson, rate: 50}}]
`)
	first := mustRun(t, sc, Options{})
	sc.Seed++
	if second := mustRun(t, sc, Options{}); first.Digest == second.Digest {
		t.Error("two seeds, one log")
	}
}

// TestStreamsAreSeparate: a load added to another function does not move the
// arrivals of the first.
func TestStreamsAreSeparate(t *testing.T) {
	const one = `
name: one
duration: 20s
core: {rateMaxPerSecond: 0}
functions:
  - {name: a, retryBackoff: {initialMs: 0}, behavior: {latency: {distribution: exponential, mean: 5ms}, failureRate: 0.2}}
  - {name: b}
load:
  - {function: a, arrivals: {process: poisson, rate: 50}}
`
	alone := mustRun(t, parse(t, one), Options{})
	joined := mustRun(t, parse(t, one+`  - {function: b, arrivals: {process: poisson, rate: 200}}
`), Options{})
	if alone.Functions[0].Counts != joined.Functions[0].Counts || alone.Functions[0].E2E != joined.Functions[0].E2E {
		t.Errorf("a came to %+v alone, and to %+v beside b", alone.Functions[0], joined.Functions[0])
	}
}
