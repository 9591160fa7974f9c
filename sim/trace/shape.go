package trace

import (
	"math"
	"time"

	"simplane/sim/scenario"
)

// withMean bends a distribution that is given by percentiles so that it has a mean.
// The percentiles stay. Between each two of them the values, straight before, go by
// way of one more point, so that they stay low for longer or become high sooner,
// by the same share everywhere. Values of all but the slowest per cent say nothing
// of how it is spread up to the slowest call: the mean does. It says false if no
// distribution with these percentiles has the mean; the result is then the nearest.
func withMean(p []scenario.Percentile, mean time.Duration) ([]scenario.Percentile, bool) {
	straight, low, high := 0.0, 0.0, 0.0 // means with straight lines, and at most and at least bent
	last := len(p) - 1
	all := append([]scenario.Percentile{{Rank: 0, Value: p[0].Value}}, p...)
	all = append(all, scenario.Percentile{Rank: 100, Value: p[last].Value})
	for i := 1; i < len(all); i++ {
		share := (all[i].Rank - all[i-1].Rank) / 100
		low += share * float64(all[i-1].Value)
		high += share * float64(all[i].Value)
	}
	straight = (low + high) / 2
	want := float64(mean)
	if math.Abs(straight-want) <= 0.001*want || high == low {
		return p, math.Abs(straight-want) <= 0.01*want+float64(time.Microsecond)
	}
	// The mean of a bent stretch lies this share of the way from its low end.
	bend := (want - low) / (high - low)
	possible := bend > 0 && bend < 1
	bend = min(max(bend, 1e-6), 1-1e-6)
	out := []scenario.Percentile{p[0]}
	for i := 1; i <= last; i++ {
		from, to := p[i-1], p[i]
		if to.Value > from.Value {
			out = append(out, scenario.Percentile{
				Rank:  math.Round((to.Rank-bend*(to.Rank-from.Rank))*1e9) / 1e9,
				Value: (from.Value + time.Duration(bend*float64(to.Value-from.Value))).Round(time.Microsecond),
			})
		}
		out = append(out, to)
	}
	return out, possible
}

// meanOf is the mean of a distribution with straight lines between percentiles.
func meanOf(p []scenario.Percentile) time.Duration {
	sum := p[0].Rank/100*float64(p[0].Value) + (100-p[len(p)-1].Rank)/100*float64(p[len(p)-1].Value)
	for i := 1; i < len(p); i++ {
		sum += (p[i].Rank - p[i-1].Rank) / 200 * float64(p[i].Value+p[i-1].Value)
	}
	return time.Duration(sum)
}
