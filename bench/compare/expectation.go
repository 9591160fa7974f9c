package compare

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Expectation bounds a ratio A/B of the closed loop.
type Expectation struct {
	Text        string
	Figure      string // one of Figures
	Connections []int  // empty means all that are measured
	AtLeast     bool   // else at most
	Bound       float64
}

// ParseExpectation reads "throughput>=0.92" or, for some numbers of
// connections, "p99@16,64<=1.2".
func ParseExpectation(text string) (Expectation, error) {
	e := Expectation{Text: text}
	left, right, ok := strings.Cut(text, ">=")
	if e.AtLeast = ok; !ok {
		if left, right, ok = strings.Cut(text, "<="); !ok {
			return e, fmt.Errorf("expectation %q is not like throughput>=0.92 or p99@16,64<=1.2", text)
		}
	}
	figure, at, some := strings.Cut(strings.TrimSpace(left), "@")
	if e.Figure = figure; !slices.Contains(Figures(), figure) {
		return e, fmt.Errorf("expectation %q: figure %q is unknown: want %s", text, figure, strings.Join(Figures(), ", "))
	}
	if some {
		for _, part := range strings.Split(at, ",") {
			n, err := strconv.Atoi(strings.TrimSpace(part))
			if err != nil {
				return e, fmt.Errorf("expectation %q: %q is not a number of connections", text, part)
			}
			e.Connections = append(e.Connections, n)
		}
	}
	var err error
	if e.Bound, err = strconv.ParseFloat(strings.TrimSpace(right), 64); err != nil || !(e.Bound > 0) || math.IsInf(e.Bound, 0) {
		return e, fmt.Errorf("expectation %q: bound %q is not a ratio such as 0.92", text, right)
	}
	return e, nil
}

// Validate reports numbers of connections that will not be measured.
func (e Expectation) Validate(o Options) error {
	for _, n := range e.Connections {
		if !slices.Contains(o.Connections, n) {
			return fmt.Errorf("expectation %q: %d connections are not measured", e.Text, n)
		}
	}
	return nil
}

// Misses lists, as text, expectations that the ratios do not meet. One that
// cannot be judged, because the run was saturated or has no ratio, is missed.
func (r *Result) Misses(expected []Expectation) []string {
	var out []string
	for _, e := range expected {
		judged := false
		for _, p := range r.Phases {
			if p.Rate > 0 || len(e.Connections) > 0 && !slices.Contains(e.Connections, p.Connections) {
				continue
			}
			judged = true
			if why := e.miss(p); why != "" {
				out = append(out, fmt.Sprintf("expected %s at %d connections: %s", e.Text, p.Connections, why))
			}
		}
		if !judged {
			out = append(out, fmt.Sprintf("expected %s: not measured", e.Text))
		}
	}
	return out
}

// miss says why a phase does not meet the expectation; "" when it does.
func (e Expectation) miss(p Phase) string {
	i := slices.IndexFunc(p.Rows, func(r Row) bool { return r.Figure == e.Figure })
	switch {
	case i < 0:
		return "not measured"
	case p.Withheld != "":
		return "not judged, the run was saturated"
	case p.Rows[i].Ratio == nil:
		return p.Rows[i].Problem
	}
	est := p.Rows[i].Ratio
	if e.AtLeast && est.Ratio < e.Bound || !e.AtLeast && est.Ratio > e.Bound {
		return fmt.Sprintf("it is %.3f (%.3f to %.3f)", est.Ratio, est.Low, est.High)
	}
	return ""
}
