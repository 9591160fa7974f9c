package sweep

import (
	"encoding/json"
	"math"
)

// Interval is a mean over the seeds' runs with the half width of its 95 % confidence
// interval by Student's t distribution, 0 of one run.
type Interval struct {
	Mean, Half float64
	Runs       int // those that have the figure
}

// interval is that of the values that are numbers.
func interval(values []float64) Interval {
	n, sum := 0, 0.0
	for _, v := range values {
		if !math.IsNaN(v) {
			n++
			sum += v
		}
	}
	if n == 0 {
		return Interval{Mean: math.NaN()}
	}
	i := Interval{Mean: sum / float64(n), Runs: n}
	if n > 1 {
		squares := 0.0
		for _, v := range values {
			if !math.IsNaN(v) {
				d := v - i.Mean
				squares += float64(d * d)
			}
		}
		i.Half = student95(n-1) * math.Sqrt(squares/float64(n-1)/float64(n))
	}
	return i
}

// quantiles of 97.5 % by degrees of freedom, from 1.
var quantiles = []float64{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
	2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042}

// student95 is the 97.5 % quantile of Student's t distribution; beyond the table
// within 0.001 of it.
func student95(freedom int) float64 {
	if freedom <= len(quantiles) {
		return quantiles[freedom-1]
	}
	return 1.95996 + 2.4/float64(freedom)
}

// MarshalJSON writes null for no data.
func (i Interval) MarshalJSON() ([]byte, error) {
	if math.IsNaN(i.Mean) {
		return []byte("null"), nil
	}
	return json.Marshal(map[string]float64{"mean": i.Mean, "low": i.Mean - i.Half, "high": i.Mean + i.Half})
}
