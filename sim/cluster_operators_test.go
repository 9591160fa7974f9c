package sim

import "testing"

// completedTwice was found with seed 600199 of the swarm of several nodes: one completion
// names an attempt that is not the current one and changes nothing; another with the same
// outcome ends the execution before the first is told so.
const completedTwice = `
name: completed-twice
seed: 600210
duration: 3.75s
nodes: 3
core: {rateMaxPerSecond: 0}
cluster: {network: 7ms, engine: 28.533094ms, rateMaxPerSecond: 7}
functions:
  - name: f2
  - {name: f3, concurrency: 1}
load:
  - {function: f2, arrivals: {process: trace, counts: [508, 490]}}
  - {function: f3, arrivals: {process: poisson, rate: 10.24}}
  - {function: f3, mode: complete, arrivals: {process: poisson, rate: 3.63}, failureRate: 0.75}
faults:
  - {at: 900ms, kind: kill-node, for: 4.35s, node: 3}
  - {at: 790ms, kind: leave-node, for: 4s, node: 3}
`

func TestTwoCompletionsWithOneOutcome(t *testing.T) {
	mustRun(t, parse(t, completedTwice), Options{})
}
