package draws

import (
	"math"
	"time"

	"simplane/sim/internal/random"
	"simplane/sim/scenario"
)

// maxSample bounds a sampled time: no sum of a few overflows.
const maxSample = float64(1000 * 24 * time.Hour)

// Nanos rounds a sampled time to whole nanoseconds, within 0 and maxSample.
func Nanos(x float64) int64 {
	switch {
	case !(x > 0):
		return 0
	case x > maxSample:
		return int64(maxSample)
	}
	return int64(math.Floor(x + 0.5))
}

// sampler draws service times, in nanoseconds.
type sampler struct {
	shape     string
	a, b      float64 // constant a; uniform a to a+b; exponential mean a; lognormal mu, sigma
	empirical []scenario.Percentile
}

// normal99 is the 99th percentile of the standard normal distribution.
const normal99 = 2.3263478740408408

func newSampler(l *scenario.Latency) sampler {
	s := sampler{shape: l.Distribution}
	switch l.Distribution {
	case "constant":
		s.a = float64(l.Value)
	case "uniform":
		s.a, s.b = float64(l.Min), float64(l.Max-l.Min)
	case "exponential":
		s.a = float64(l.Mean)
	case "lognormal":
		s.a, s.b = random.Ln(float64(l.P50)), (random.Ln(float64(l.P99))-random.Ln(float64(l.P50)))/normal99
	case "empirical":
		s.empirical = l.Percentiles
	}
	return s
}

func (s *sampler) draw(r *random.Stream) int64 {
	switch s.shape {
	case "uniform":
		return Nanos(s.a + float64(s.b*r.Unit()))
	case "exponential":
		return Nanos(float64(s.a * r.Exponential()))
	case "lognormal":
		return Nanos(random.Exp(min(s.a+float64(s.b*r.Normal()), 100)))
	case "empirical":
		return s.interpolate(float64(100 * r.Unit()))
	}
	return int64(s.a)
}

// interpolate is the value at a percentile: linear between the given ones, and
// the nearest one outside.
func (s *sampler) interpolate(rank float64) int64 {
	p := s.empirical
	if rank <= p[0].Rank {
		return int64(p[0].Value)
	}
	for i := 1; i < len(p); i++ {
		if rank <= p[i].Rank {
			part := (rank - p[i-1].Rank) / (p[i].Rank - p[i-1].Rank)
			return int64(p[i-1].Value) + Nanos(float64(part*float64(p[i].Value-p[i-1].Value)))
		}
	}
	return int64(p[len(p)-1].Value)
}
