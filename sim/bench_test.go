package sim

import (
	"math"
	"testing"

	"simplane/sim/scenario"
)

// plainScenario is one busy function with exponential service, invariants on:
// two thirds of its slots in use.
func plainScenario(b testing.TB) *scenario.Scenario {
	sc, err := scenario.Parse("plain.yaml", []byte(`
name: plain
duration: 100000s
core: {rateMaxPerSecond: 0, ttl: 5s, cleanupTtl: 2s, staleTtl: 20s, idempotencyTtl: 5s}
functions:
  - {name: f, concurrency: 150, queueSize: 1000, behavior: {latency: {distribution: exponential, mean: 10ms}}}
load:
  - {function: f, arrivals: {process: poisson, rate: 10000}}
`))
	if err != nil {
		b.Fatal(err)
	}
	return sc
}

// BenchmarkPlain is the cost of one virtual execution, from arrival to
// eviction, with every invariant checked.
func BenchmarkPlain(b *testing.B) {
	for name, opts := range map[string]Options{"checked": {}, "unchecked": {Unchecked: true}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			r, err := newRun(plainScenario(b), opts)
			if err != nil {
				b.Fatal(err)
			}
			w := r.witness
			until := func(n int64) {
				for w.groups[0].counts[cOffered] < n && w.violation == nil && r.step(math.MaxInt64) {
				}
			}
			until(100_000) // the store has its steady size
			b.ResetTimer()
			until(100_000 + int64(b.N))
			if w.violation != nil {
				b.Fatal(w.violation)
			}
		})
	}
}
