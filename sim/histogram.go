package sim

import (
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// series is a streaming record of one latency: an HDR histogram in
// microseconds, with the sum and the maximum kept exactly beside it.
type series struct {
	h      *hdr.Histogram
	digits int
	n      int64
	sum    int64 // ns
	max    int64 // ns
}

// histogramMax is the largest value told apart, in microseconds: a day.
const histogramMax = 24 * 3600 * 1_000_000

func (s *series) record(d time.Duration) {
	if s.h == nil { // most functions of a large scenario never need all three
		s.h = hdr.New(1, histogramMax, s.digits)
	}
	s.n++
	s.sum += int64(d)
	s.max = max(s.max, int64(d))
	_ = s.h.RecordValue(min(int64(d/time.Microsecond), histogramMax)) // in range
}

func (s *series) merge(other *series) {
	if other.n == 0 {
		return
	}
	if s.h == nil {
		s.h = hdr.New(1, histogramMax, s.digits)
	}
	s.n += other.n
	s.sum += other.sum
	s.max = max(s.max, other.max)
	s.h.Merge(other.h)
}

// Latency is a summary of one series, in nanoseconds. Percentiles have the
// histogram's resolution (three significant digits, two when a scenario
// declares many functions); mean and maximum are exact.
type Latency struct {
	Count                          int64
	Mean, P50, P90, P99, P999, Max int64
}

func (s *series) summary() Latency {
	if s.n == 0 {
		return Latency{}
	}
	return Latency{
		Count: s.n, Mean: s.sum / s.n, Max: s.max,
		P50: s.percentile(50), P90: s.percentile(90), P99: s.percentile(99), P999: s.percentile(99.9),
	}
}

func (s *series) percentile(p float64) int64 {
	if s.n == 0 {
		return 0
	}
	return min(s.h.ValueAtPercentile(p)*int64(time.Microsecond), s.max)
}

// stat is a figure by its name in scenario files, with the range of values
// that the histogram cannot tell from it.
func (s *series) stat(name string) (value, low, high int64) {
	switch name {
	case "max":
		return s.max, s.max, s.max
	case "mean":
		if s.n == 0 {
			return 0, 0, 0
		}
		return s.sum / s.n, s.sum / s.n, s.sum / s.n
	}
	rank := map[string]float64{"p50": 50, "p90": 90, "p99": 99, "p999": 99.9}[name]
	if s.n == 0 {
		return 0, 0, 0
	}
	v := s.percentile(rank)
	micros := s.h.ValueAtPercentile(rank)
	low = micros
	for step := int64(1); step > 0 && low > 0 && s.h.ValuesAreEquivalent(low-1, micros); step-- {
		low--
		step++
	}
	return v, low * int64(time.Microsecond), (micros+1)*int64(time.Microsecond) - 1
}
