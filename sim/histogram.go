package sim

import (
	"time"

	"simplane/bench/latency"
	"simplane/sim/scenario"
)

// precision is that of the simulator's histograms: microseconds up to what a scenario
// can last at most.
func precision(digits int) latency.Precision {
	return latency.Precision{Unit: time.Microsecond, Highest: scenario.MaxTime, Digits: digits}
}

// Latency is a summary of one series, in nanoseconds. Percentiles have the
// histogram's resolution (three significant digits, two when a scenario
// declares many functions); mean and maximum are exact.
type Latency struct {
	Count                          int64
	Mean, P50, P90, P99, P999, Max int64
}

func summary(h *latency.Histogram) Latency {
	return Latency{
		Count: h.Count(), Mean: h.Mean(), Max: h.Max(),
		P50: h.Percentile(50), P90: h.Percentile(90), P99: h.Percentile(99), P999: h.Percentile(99.9),
	}
}

// statistic is a figure by its name in scenario files, with the range of values
// that the histogram cannot tell from it.
func statistic(h *latency.Histogram, name string) (value, low, high int64) {
	switch name {
	case "max":
		return h.Max(), h.Max(), h.Max()
	case "mean":
		return h.Mean(), h.Mean(), h.Mean()
	}
	rank := map[string]float64{"p50": 50, "p90": 90, "p99": 99, "p999": 99.9}[name]
	low, high = h.PercentileRange(rank)
	return h.Percentile(rank), low, high
}
