package sim

import (
	"errors"
	"slices"
	"testing"

	"simplane/sim/scenario"
)

// TestRedriveAfterTheEnd: dead letters that are redriven once all load has ended
// are work again, and the run goes on until that has ended, too.
func TestRedriveAfterTheEnd(t *testing.T) {
	r := mustRun(t, parse(t, `
name: redrive
duration: 2s
settle: 2s
functions: [{name: f, maxRetries: 0, behavior: {latency: 3s, failureRate: 1}}]
load: [{function: f, arrivals: {process: burst, at: 1s, count: 3}}]
faults: [{at: 6s, kind: redrive, function: f}]
`), Options{})
	if got := r.Total.Get("error"); got != 6 {
		t.Errorf("%d executions have failed, want 3 and again 3", got)
	}
}

// TestClockJumpWhileAFunctionIsDeleted: the queue of a deleted function and what
// pauses end in batches at one instant, and whatever else is due then may come
// between them, in an order of the seed.
func TestClockJumpWhileAFunctionIsDeleted(t *testing.T) {
	sc := parse(t, `
name: deleted
duration: 5s
functions: [{name: f, copies: 4, maxRetries: 3, retryBackoff: {initialMs: 9000}, behavior: {failureRate: 1}}]
load: [{function: f, arrivals: {process: burst, count: 3}}]
faults:
  - {at: 3s, kind: delete-function, function: f}
  - {at: 3s, kind: clock-jump, by: 1s}
`)
	for sc.Seed = range 30 {
		if got := mustRun(t, sc, Options{}).Total.Get("error"); got != 12 {
			t.Fatalf("seed %d: %d executions have ended with the function, want 12", sc.Seed, got)
		}
	}
}

// TestStoppedRun ends in the middle, after the same events each time; a run that is asked and
// goes on is the run that it would be.
func TestStoppedRun(t *testing.T) {
	sc, err := scenario.ReadFile("../scenarios/backoff-outage.yaml")
	if err != nil {
		t.Fatal(err)
	}
	whole, err := Run(sc, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var asked [2][]int64
	for i := range asked {
		r, err := Run(sc, Options{Stopped: func(events int64) bool {
			asked[i] = append(asked[i], events)
			return events >= whole.Handled/2
		}})
		if r != nil || !errors.Is(err, ErrStopped) {
			t.Errorf("%v, %v", r, err)
		}
	}
	if last := asked[0][len(asked[0])-1]; !slices.Equal(asked[0], asked[1]) || last < whole.Handled/2 || last >= whole.Handled/2+askEvery {
		t.Errorf("asked at %v and %v of %d events", asked[0], asked[1], whole.Handled)
	}
	r, err := Run(sc, Options{Stopped: func(int64) bool { return false }})
	if err != nil || r.Digest != whole.Digest || r.Handled != whole.Handled {
		t.Errorf("%v: %d of %d events, digests %s and %s", err, r.Handled, whole.Handled, r.Digest, whole.Digest)
	}
}

// TestAdaptationThatBeginsAnew has no last change that it must wait after. Seed 3000822 of the
// swarm has shown it.
func TestAdaptationThatBeginsAnew(t *testing.T) {
	mustRun(t, parse(t, `
name: adapts-anew
seed: 1
duration: 50s
functions:
  - name: f
    behavior: {latency: {distribution: lognormal, p50: 99ms, p99: 789ms}}
    scaling: {minReplicas: 0, maxReplicas: 1, concurrencyControl: {mode: ADAPTIVE_PER_POD}}
load:
  - {function: f, arrivals: {process: poisson, rate: 20}}
faults:
  - {at: 42s, kind: update, function: f, scaling: {minReplicas: 0, maxReplicas: 1}}
  - {at: 42.3s, kind: update, function: f, scaling: {minReplicas: 0, maxReplicas: 1, concurrencyControl: {mode: ADAPTIVE_PER_POD}}}
`), Options{})
}
