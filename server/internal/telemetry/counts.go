package telemetry

import "simplane/core"

// Counts are one function's figures since it was registered.
type Counts struct {
	Enqueued, Dispatched, Success, Error, Timeout, Retries, ColdStarts, Rejected int64
}

// CountsOf reads a function's counters back.
func CountsOf(fn *core.Function) (c Counts) {
	f, ok := fn.Handle().(*functionMetrics)
	if !ok {
		return c
	}
	return Counts{
		Enqueued: int64(f.accepted()), Dispatched: int64(f.dispatched.Load()),
		Success: int64(f.success.Load()), Error: int64(f.failure.Load()), Timeout: int64(f.timeout.Load()),
		Retries: int64(f.retry.Load()), ColdStarts: int64(f.cold.Load()), Rejected: int64(f.refused.total()),
	}
}

// LatencyBounds are the upper bounds, in ms, of the buckets that LatencyOf counts in.
func LatencyBounds() []float64 { return classicBounds[:] }

// LatencyOf reads how many executions of a function took how long, from acceptance to the
// end: each bucket's own count, and last those above all bounds.
func LatencyOf(fn *core.Function) []uint64 {
	f, ok := fn.Handle().(*functionMetrics)
	if !ok {
		return make([]uint64, len(classicBounds)+1)
	}
	t := histograms{&f.e2e}.tally(false)
	return t.classic[:]
}
