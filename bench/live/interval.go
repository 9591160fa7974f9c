package live

import (
	"math"
	"math/rand/v2"
	"slices"
)

// confidence is that of all intervals.
const confidence = 0.95

// Interval is a range of a figure.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// holds says that a value lies in the interval, or no further from it than slack.
func (i Interval) holds(v, slack float64) bool { return i.Low-slack <= v && v <= i.High+slack }

// predicted is the range in which one more run lies with the confidence at least, by
// the order of those there are: no distribution is assumed. It needs MinRuns values.
func predicted(values []float64) Interval {
	v := slices.Sorted(slices.Values(values))
	out := int(float64(len(v)+1) * (1 - confidence) / 2) // at either end
	out = max(out, 1)
	return Interval{v[out-1], v[len(v)-out]}
}

// normal is the quantile of the standard normal distribution at the confidence.
const normal = 1.959964

// binomial is Wilson's interval of a share.
func binomial(hits, of int64) Interval {
	if of == 0 {
		return Interval{}
	}
	n, p := float64(of), float64(hits)/float64(of)
	z := normal * normal / n
	middle := (p + z/2) / (1 + z)
	half := normal / (1 + z) * math.Sqrt(p*(1-p)/n+z/(4*n))
	return Interval{max(middle-half, 0), min(middle+half, 1)}
}

// bootstrapWork bounds the values that are drawn for all resamples.
const bootstrapWork = 20_000_000

// bootstrap are the intervals of percentiles of a series in order of time. Neighbours
// are alike, as calls in one queue are, so whole stretches of the square root of its
// length are drawn (the moving-block bootstrap).
func bootstrap(series []int64, ranks []float64) []Interval {
	n := len(series)
	out := make([]Interval, len(ranks))
	if n == 0 {
		return out
	}
	block := max(int(math.Sqrt(float64(n))), 1)
	resamples := min(max(bootstrapWork/n, 100), 1000)
	draw := rand.New(rand.NewPCG(1, 2)) // the same intervals for the same series
	figures := make([][]float64, len(ranks))
	sample := make([]int64, 0, n+block)
	for range resamples {
		sample = sample[:0]
		for len(sample) < n {
			at := draw.IntN(n - block + 1)
			sample = append(sample, series[at:at+block]...)
		}
		slices.Sort(sample[:n])
		for i, rank := range ranks {
			figures[i] = append(figures[i], float64(sample[rankOf(rank, n)]))
		}
	}
	for i, f := range figures {
		slices.Sort(f)
		out[i] = Interval{f[rankOf(100*(1-confidence)/2, len(f))], f[rankOf(100*(1+confidence)/2, len(f))]}
	}
	return out
}

// rankOf is the index of a percentile among n sorted values.
func rankOf(percentile float64, n int) int {
	return min(max(int(math.Ceil(percentile/100*float64(n)))-1, 0), n-1)
}
