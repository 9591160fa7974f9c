package sim

import "testing"

// What drains starts only what callers wait for: that may pass what was queued before
// it, which is left to the next process or owner.

const drainsWithCallers = `
name: drains-with-callers
seed: 1
duration: 6s
settle: 3s
core: {rateMaxPerSecond: 0, journal: {enabled: true, commitLatency: 20ms}}
functions:
  - {name: f, concurrency: 2, queueSize: 200, maxRetries: 0, behavior: {latency: {distribution: uniform, min: 50ms, max: 150ms}}}
load:
  - {function: f, mode: enqueue, idempotencyKeys: 300, arrivals: {process: poisson, rate: 60}}
  - {function: f, mode: invoke, idempotencyKeys: 300, arrivals: {process: poisson, rate: 60}}
faults:
  - {at: 3s, kind: drain}
  - {at: 4s, kind: crash, for: 100ms}
`

// handsOverWithCallers was found with seed 500526 of the swarm of several nodes.
const handsOverWithCallers = `
name: hands-over-with-callers
seed: 8
duration: 20s
settle: 5s
nodes: 2
core: {rateMaxPerSecond: 0}
cluster: {engine: 30ms}
functions:
  - {name: f, concurrency: 4, queueSize: 200, maxRetries: 0, behavior: {latency: {distribution: uniform, min: 20ms, max: 60ms}}}
load:
  - {function: f, mode: enqueue, idempotencyKeys: 400, arrivals: {process: poisson, rate: 60, from: 3s}}
  - {function: f, mode: invoke, idempotencyKeys: 400, arrivals: {process: poisson, rate: 60, from: 3s}}
faults:
  - {at: 5s, kind: leave-node, node: 1, for: 2s}
  - {at: 8s, kind: leave-node, node: 2, for: 2s}
  - {at: 11s, kind: leave-node, node: 1, for: 2s}
  - {at: 14s, kind: leave-node, node: 2, for: 2s}
  - {at: 17s, kind: leave-node, node: 1, for: 2s}
`

// drainsByHand is what seed 2002054 of the swarm has shown: a caller's turn sets aside what is
// first in the queue, and drain-once starts what comes after it.
const drainsByHand = `
name: drains-by-hand
duration: 20s
core: {schedulerOff: true, journal: {enabled: true, commitLatency: 191ms}}
functions:
  - {name: f3, behavior: {failureRate: 0.9}}
load:
  - {function: f3, mode: invoke, arrivals: {process: poisson, rate: 120, from: 4s}}
  - {function: f3, arrivals: {process: burst, at: 2.5s, count: 377}}
  - {function: f3, arrivals: {process: poisson, rate: 60, from: 1s}}
  - {function: f3, mode: drain-once, arrivals: {process: poisson, rate: 40}}
faults:
  - {at: 16s, kind: drain}
  - {at: 18s, kind: crash, for: 1s}
`

func TestWhatCallersWaitForPassesInADrain(t *testing.T) {
	for _, text := range []string{drainsWithCallers, handsOverWithCallers, drainsByHand} {
		mustRun(t, parse(t, text), Options{})
	}
}

// Nothing else may pass, not in a drain either.
func TestNothingElsePassesInADrain(t *testing.T) {
	waited := account{joins: 1, waiting: 1}
	for _, c := range []struct {
		name     string
		leaving  bool
		a, other account
		passes   bool
	}{
		{"somebody waits for it", true, waited, account{}, true},
		{"it is drained by hand", true, account{byHand: true}, account{}, true},
		{"it is drained by hand, and somebody waits for the earlier one", true, account{byHand: true}, waited, false},
		{"somebody has waited for it", true, account{joins: 1}, account{}, true},
		{"nothing drains", false, waited, account{}, false},
		{"nobody has waited for it", true, account{}, account{}, false},
		{"somebody waits for the earlier one", true, waited, waited, false},
	} {
		d := &durable{leaving: c.leaving}
		if got := d.passes(&c.a, &c.other); got != c.passes {
			t.Errorf("%s: passes %v, want %v", c.name, got, c.passes)
		}
	}
}
