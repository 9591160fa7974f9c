package compare

import (
	"fmt"
	"slices"

	"simplane/bench/ratio"
)

// Row is one figure's comparison. Medians are over the rounds.
type Row struct {
	Figure  string          `json:"figure"` // as in Figures
	Name    string          `json:"name"`
	Unit    string          `json:"unit"`
	Higher  bool            `json:"higherIsBetter"`
	A       float64         `json:"medianA"`
	B       float64         `json:"medianB"`
	Ratio   *ratio.Estimate `json:"ratio,omitempty"` // A/B
	Problem string          `json:"problem,omitempty"`
}

// Figures lists what is compared, in the order of the rows.
func Figures() []string {
	var out []string
	for _, f := range figures {
		out = append(out, f.Figure)
	}
	return out
}

var figures = []struct {
	Row
	optional bool // left out when a side cannot tell
	of       func(Sample) float64
}{
	{Row{Figure: "throughput", Name: "throughput", Unit: "/s", Higher: true}, false, func(s Sample) float64 { return s.Throughput }},
	{Row{Figure: "cpu", Name: "server CPU per request", Unit: "µs"}, true, func(s Sample) float64 { return s.ServerCPUMicros }},
	{Row{Figure: "p50", Name: "latency p50", Unit: "ms"}, false, func(s Sample) float64 { return s.P50Ms }},
	{Row{Figure: "p99", Name: "latency p99", Unit: "ms"}, false, func(s Sample) float64 { return s.P99Ms }},
	{Row{Figure: "p99.9", Name: "latency p99.9", Unit: "ms"}, false, func(s Sample) float64 { return s.P999Ms }},
	{Row{Figure: "max", Name: "latency max", Unit: "ms"}, false, func(s Sample) float64 { return s.MaxMs }},
}

// rows compares every figure over the rounds. In an open loop throughput is
// what was asked, so it is left out.
func rows(rounds []Round, rate, confidence float64) []Row {
	var out []Row
	for _, f := range figures {
		if rate > 0 && f.Figure == "throughput" {
			continue
		}
		var a, b []float64
		for _, r := range rounds {
			a, b = append(a, f.of(r.A)), append(b, f.of(r.B))
		}
		if f.optional && (slices.Max(append(a, 0)) == 0 || slices.Max(append(b, 0)) == 0) {
			continue
		}
		row := f.Row
		row.A, row.B = median(a), median(b)
		if e, err := ratio.Paired(a, b, confidence); err != nil {
			row.Problem = err.Error()
		} else {
			row.Ratio = &e
		}
		out = append(out, row)
	}
	return out
}

func median(xs []float64) float64 {
	if len(xs) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(xs))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// Verdict puts a row of the phase into words, unless the phase withholds it.
func (p Phase) Verdict(row Row, a, b string) string {
	switch {
	case row.Ratio == nil:
		return row.Problem
	case p.Withheld != "":
		return "withheld: saturated"
	case !row.Ratio.Differs():
		return "no difference shown"
	}
	better, worse := a, b
	if (row.Ratio.Ratio > 1) != row.Higher {
		better, worse = b, a
	}
	f := row.Ratio.Ratio
	if f < 1 {
		f = 1 / f
	}
	return fmt.Sprintf("%s is better than %s by a factor of %.2f", better, worse, f)
}
