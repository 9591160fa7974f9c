package sim

import (
	"fmt"
	"os"
	"testing"
	"time"

	"simplane/sim/scenario"
)

// crashScenario is short, and has of each kind of durable work a little.
const crashScenario = `
name: crash-points
seed: %d
duration: 300ms
settle: 3s
core:
  ttl: 1s
  cleanupTtl: 500ms
  idempotencyTtl: 2s
  rateMaxPerSecond: 0
  journal: {enabled: true, commitLatency: %s}
functions:
  - name: f
    concurrency: 2
    queueSize: 6
    maxRetries: 1
    retryBackoff: {initialMs: 15}
    behavior: {latency: {distribution: uniform, max: 40ms}, failureRate: 0.4}
  - name: once
    maxRetries: 0
    behavior: {latency: {distribution: constant, value: 5ms}, failureRate: 0.3}
load:
  - {function: f, mode: enqueue, idempotencyKeys: 6, arrivals: {process: poisson, rate: 50}}
  - {function: f, mode: invoke, idempotencyKeys: 6, arrivals: {process: poisson, rate: 20}}
  - {function: once, mode: enqueue, arrivals: {process: poisson, rate: 20}}
faults:
  - {at: 120ms, kind: cancel, function: f, share: 0.5}
  - {at: 150ms, kind: update, function: f, queueSize: 7}
  - {at: 200ms, kind: redrive, function: f}
  - {at: 230ms, kind: delete-function, function: once}
  - {at: 250ms, kind: create-function, function: once}
`

func crashPoints(t *testing.T, seed int, commit string) *scenario.Scenario {
	t.Helper()
	sc, err := scenario.Parse("crash-points", fmt.Appendf(nil, crashScenario, seed, commit))
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

// crashOf runs a scenario with crashes at some points.
func crashOf(t *testing.T, sc *scenario.Scenario, crashAt ...int) (*run, *Result) {
	t.Helper()
	r, err := newRun(sc, Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.world.CrashAt(20*time.Millisecond, crashAt...)
	r.toTheEnd()
	return r, r.witness.result(sc)
}

func crashRun(t *testing.T, seed int, commit string, crashAt ...int) (*run, *Result) {
	t.Helper()
	return crashOf(t, crashPoints(t, seed, commit), crashAt...)
}

// The process crashes before and after every commit, every dispatch and every
// answer to a caller, once in each of many runs that are alike up to there.
func TestCrashAtEveryPoint(t *testing.T) {
	seeds := 2
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		for _, commit := range []string{"1ms", "25ms"} {
			r, whole := crashRun(t, seed, commit)
			if !whole.Holds() {
				t.Fatalf("seed %d, commits of %s, without a crash: %v", seed, commit, whole.Violation)
			}
			points := r.world.Points()
			if points < 40 {
				t.Fatalf("only %d points", points)
			}
			crashed := 0
			for at := 1; at <= points; at++ {
				_, got := crashRun(t, seed, commit, at)
				if got.Violation != nil {
					t.Fatalf("seed %d, commits of %s, crash at point %d of %d: %v\n%v", seed, commit, at, points, got.Violation, got.Violation.Tail)
				}
				if got.Digest != whole.Digest {
					crashed++
				}
			}
			if crashed != points {
				t.Errorf("seed %d, commits of %s: %d of %d runs crashed", seed, commit, crashed, points)
			}
		}
	}
}

// Crashes at random moments, again and again, recovery included.
func TestCrashesAtRandom(t *testing.T) {
	for seed := range 40 {
		sc := crashPoints(t, 1000+seed, "6ms")
		at := 5 * time.Millisecond
		for i := range 12 {
			at += time.Duration((seed*37+i*53)%61) * 500 * time.Microsecond
			sc.Faults = append(sc.Faults, scenario.Fault{At: at, Kind: "crash", For: time.Duration(1+(seed+i)%9) * time.Millisecond})
		}
		res, err := Run(sc, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if res.Violation != nil {
			t.Fatalf("seed %d: %v\n%v", seed, res.Violation, res.Violation.Tail)
		}
	}
}

// The scenarios with a journal differ from nothing but themselves: equal seeds,
// equal runs, over crashes too.
func TestCrashesReplay(t *testing.T) {
	data, err := os.ReadFile("../scenarios/crash-slow-disk.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var digests [2]string
	for i := range digests {
		sc, err := scenario.Parse("crash-slow-disk", data)
		if err != nil {
			t.Fatal(err)
		}
		res, err := Run(sc, Options{})
		if err != nil || !res.Holds() {
			t.Fatal(err, res)
		}
		digests[i] = res.Digest
	}
	if digests[0] != digests[1] {
		t.Errorf("%s, then %s", digests[0], digests[1])
	}
}
