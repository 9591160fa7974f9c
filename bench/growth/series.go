package growth

import (
	"fmt"
	"math"
)

// Figure says what the values of a series are.
type Figure struct {
	Name   string `json:"name"`
	Unit   string `json:"unit"` // "" is a ratio
	Higher bool   `json:"higherIsBetter"`
	// Linear says that a value in proportion to the size is as it should be.
	Linear bool `json:"linear,omitempty"`
	// Slack is the factor by which a value may be worse than the smallest
	// size's before the series counts as bent; 0 means 1.25.
	Slack float64 `json:"slack,omitempty"`
	// Limit is what the value at the largest size is held against: at least
	// that with Higher, else at most; 0 means none. It is judged at scale 1.
	Limit float64 `json:"limit,omitempty"`
}

// Series is one figure over all sizes of a row.
type Series struct {
	Figure
	Points []Point `json:"points"`
}

// Point is a value at one size.
type Point struct {
	Size  float64 `json:"size"`
	Value float64 `json:"value"`
	// Low and High are the interval of Value, where there is one.
	Low  float64 `json:"low,omitempty"`
	High float64 `json:"high,omitempty"`
	// Raw are the medians behind a ratio: simplane's and the echo's.
	Raw     float64 `json:"raw,omitempty"`
	RawEcho float64 `json:"rawEcho,omitempty"`
	// Doubt says why the value may not be simplane's doing.
	Doubt string `json:"doubt,omitempty"`
}

// add appends a point to the row's series of that figure.
func (r *Row) add(f Figure, p Point) {
	for i := range r.Series {
		if r.Series[i].Name == f.Name {
			r.Series[i].Points = append(r.Series[i].Points, p)
			return
		}
	}
	r.Series = append(r.Series, Series{Figure: f, Points: []Point{p}})
}

// Relative is the value at each size divided by that at the smallest, with an
// interval where both have one: on logarithms, errors of the two add as squares.
func (s Series) Relative() []Point {
	var out []Point
	for _, p := range s.Points {
		q := Point{Size: p.Size, Value: 1}
		if first := s.Points[0]; p != first && first.Value > 0 {
			q.Value = p.Value / first.Value
			if p.Low > 0 && first.Low > 0 {
				half := math.Hypot(math.Log(p.High/p.Value), math.Log(first.High/first.Value))
				q.Low, q.High = q.Value*math.Exp(-half), q.Value*math.Exp(half)
			}
		}
		out = append(out, q)
	}
	return out
}

// Bend is the first size from which on the value is worse than at the smallest
// by more than the slack, the nearer end of its interval included; 0 when there
// is none.
func (s Series) Bend() float64 {
	slack, bend := s.Slack, 0.0
	if slack == 0 {
		slack = 1.25
	}
	for _, p := range s.Relative() {
		allowed, worse := slack, p.Value
		if s.Linear {
			allowed *= p.Size / s.Points[0].Size
		}
		switch {
		case s.Higher && p.High > 0:
			worse = 1 / p.High
		case s.Higher:
			worse = 1 / p.Value
		case p.Low > 0:
			worse = p.Low
		}
		if worse <= allowed {
			bend = 0
		} else if bend == 0 {
			bend = p.Size
		}
	}
	return bend
}

// Held reports whether the value at the largest size keeps the limit, if there
// is one.
func (s Series) Held() (held, judged bool) {
	if s.Limit == 0 || len(s.Points) == 0 {
		return false, false
	}
	last := s.Points[len(s.Points)-1].Value
	return s.Higher && last >= s.Limit || !s.Higher && last <= s.Limit, true
}

// Text writes a value in the figure's unit.
func (f Figure) Text(v float64) string {
	switch f.Unit {
	case "":
		return fmt.Sprintf("%.2f", v)
	case "B":
		for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
			if math.Abs(v) < 1024 || unit == "GiB" {
				return short(v) + " " + unit
			}
			v /= 1024
		}
	case "ms":
		if v >= 1000 {
			return short(v/1000) + " s"
		} else if v < 1 {
			return short(v*1000) + " µs"
		}
	}
	return short(v) + " " + f.Unit
}

// short writes three digits or, above 100, whole numbers.
func short(v float64) string {
	if math.Abs(v) >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
