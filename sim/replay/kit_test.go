package replay

import (
	"path/filepath"
	"testing"
	"time"

	"simplane/core/recording"
	"simplane/sim"
	"simplane/sim/scenario"
)

// record runs a scenario and returns its recording.
func record(t testing.TB, sc *scenario.Scenario) *recording.Recording {
	t.Helper()
	rec := &recording.Recording{}
	if _, err := sim.Run(sc, sim.Options{Record: rec, Unchecked: true}); err != nil {
		t.Fatal(err)
	}
	if len(rec.Steps) == 0 {
		t.Fatalf("%s: nothing was recorded", sc.Name)
	}
	return rec
}

// parse reads a scenario from the text of a test.
func parse(t testing.TB, text string) *scenario.Scenario {
	t.Helper()
	sc, err := scenario.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

// replayed replays a recording as a whole.
func replayed(t testing.TB, rec *recording.Recording, opts Options) *Report {
	t.Helper()
	r, err := Run(rec, opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func published(t testing.TB) []string {
	files, err := filepath.Glob("../../scenarios/*.yaml")
	if err != nil || len(files) < 15 {
		t.Fatalf("found %d scenarios: %v", len(files), err)
	}
	return files
}

// busy has retries, keys, callers that leave, updates, cancellations, scaling and
// refusals of several kinds.
const busy = `
name: busy
duration: 6s
core:
  ttl: 2s
  cleanupTtl: 1s
  idempotencyTtl: 1s
  rateMaxPerSecond: 120
  syncQueue: {enabled: true, maxConcurrency: 6, maxDepth: 8}
functions:
  - {name: pay, concurrency: 4, queueSize: 12, maxRetries: 2, timeoutMillis: 900, retryBackoff: {initialMs: 100}, behavior: {latency: {distribution: exponential, mean: 60ms}, failureRate: 0.2, duplicateCompletionRate: 0.1, hangRate: 0.02}}
  - {name: mail, concurrency: 3, queueSize: 30, timeoutMillis: 2000, behavior: {latency: 90ms, failureRate: 0.1}}
  - name: up
    scaling: {minReplicas: 0, maxReplicas: 3, concurrencyControl: {mode: STATIC_PER_POD}}
    behavior: {latency: 100ms}
load:
  - {function: pay, mode: invoke, arrivals: {process: poisson, rate: 60}, leaves: {after: 300ms}}
  - {function: pay, mode: enqueue, arrivals: {process: poisson, rate: 15}, idempotencyKeys: 20}
  - {function: mail, arrivals: {process: poisson, rate: 40}}
  - {function: up, arrivals: {process: poisson, rate: 8}}
faults:
  - {at: 2s, kind: update, function: pay, queueSize: 6, concurrency: 3}
  - {at: 3s, kind: cancel, function: mail, share: 0.5}
  - {at: 3500ms, kind: redrive, function: mail}
  - {at: 4s, kind: delete-function, function: mail}
  - {at: 4500ms, kind: create-function, function: mail}
`

func busyRecording(t testing.TB) *recording.Recording { return record(t, parse(t, busy)) }

const second = time.Second
