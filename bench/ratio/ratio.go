// Package ratio turns paired measurements of A and B into a ratio with a
// confidence interval.
package ratio

import (
	"fmt"
	"math"

	"github.com/aclements/go-moremath/stats"
)

// MinPairs is the fewest pairs an interval is computed from.
const MinPairs = 3

// Method says how the interval comes about, for reports.
const Method = "paired t-interval on the logarithm of A/B, one pair per round"

// Estimate is A divided by B.
type Estimate struct {
	Ratio      float64 `json:"ratio"` // geometric mean of the pairs' ratios
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
	Confidence float64 `json:"confidence"` // such as 0.95
	Pairs      int     `json:"pairs"`
}

// Paired estimates a[i]/b[i] from pairs measured next to each other in time:
// what slows the machine slows both and cancels. Values must be positive;
// confidence lies between 0 and 1.
func Paired(a, b []float64, confidence float64) (Estimate, error) {
	if len(a) != len(b) || len(a) < MinPairs {
		return Estimate{}, fmt.Errorf("%d and %d values: want at least %d pairs", len(a), len(b), MinPairs)
	}
	if !(confidence > 0 && confidence < 1) {
		return Estimate{}, fmt.Errorf("confidence %v is out of range: want between 0 and 1", confidence)
	}
	logs := make([]float64, len(a))
	for i := range a {
		if !(a[i] > 0 && b[i] > 0) || math.IsInf(a[i]/b[i], 0) {
			return Estimate{}, fmt.Errorf("pair %d is %v and %v: want positive values", i, a[i], b[i])
		}
		logs[i] = math.Log(a[i] / b[i])
	}
	n := float64(len(logs))
	mean, sd := stats.Mean(logs), stats.StdDev(logs)
	t := stats.InvCDF(stats.TDist{V: n - 1})(0.5 + confidence/2)
	half := t * sd / math.Sqrt(n)
	return Estimate{
		Ratio: math.Exp(mean), Low: math.Exp(mean - half), High: math.Exp(mean + half),
		Confidence: confidence, Pairs: len(a),
	}, nil
}

// Differs reports whether the interval excludes 1.
func (e Estimate) Differs() bool { return e.Low > 1 || e.High < 1 }

func (e Estimate) String() string {
	s := fmt.Sprintf("%.3f [%.3f, %.3f]", e.Ratio, e.Low, e.High)
	if !e.Differs() {
		s += " (no difference shown)"
	}
	return s
}
