package loadgen

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"simplane/bench/latency"
)

// Limit bounds one figure of a run. By default that is the latency at a
// percentile, which must be at or below Max.
type Limit struct {
	Percentile float64       `json:"percentile,omitempty"` // above 0, at most 100; 100 is the maximum
	Max        time.Duration `json:"maxNanos,omitempty"`

	Figure Figure  `json:"figure,omitempty"`
	Bound  float64 `json:"bound,omitempty"` // of FigureErrors a share, of FigureRate requests per second
	Op     string  `json:"op,omitempty"`    // <, <=, > or >=; empty is <=
}

// Figure is what a Limit bounds.
type Figure string

// Figures beside the latency at a percentile, which is "".
const (
	FigureMean   Figure = "mean"   // latency
	FigureErrors Figure = "errors" // share of due requests that failed or were not sent
	FigureRate   Figure = "rate"   // successes per second
)

// ParseLimit reads "p99<200ms", "max<=1s", "mean<20ms", "errors<1%", "errors<=0.01"
// or "rate>=900"; "p99=5ms" is "p99<=5ms".
func ParseLimit(text string) (Limit, error) {
	at := strings.IndexAny(text, "<>=")
	if at < 0 {
		return Limit{}, fmt.Errorf("limit %q is not like p99<5ms, errors<1%% or rate>=900", text)
	}
	key, rest := strings.TrimSpace(text[:at]), text[at:]
	l := Limit{Op: rest[:1]}
	if strings.HasPrefix(rest[1:], "=") {
		l.Op = rest[:2]
	}
	value := strings.TrimSpace(rest[len(l.Op):])
	if l.Op == "=" || l.Op == "<=" || l.Op == "==" {
		l.Op = ""
	}
	switch Figure(key) {
	case FigureErrors, FigureRate:
		l.Figure = Figure(key)
		number, percent := strings.CutSuffix(value, "%")
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if percent {
			n /= 100
		}
		switch {
		case err != nil || !(n >= 0) || percent && l.Figure == FigureRate:
			return Limit{}, fmt.Errorf("limit %q: %q is not a number such as 900 for a rate, or 1%% or 0.01 for errors", text, value)
		case l.Figure == FigureErrors && (n > 1 || n == 1 && !percent):
			return Limit{}, fmt.Errorf("limit %q: errors are a share: write %s%% or a number below 1", text, number)
		case l.Figure == FigureErrors && strings.HasPrefix(l.Op, ">"), l.Figure == FigureRate && !strings.HasPrefix(l.Op, ">"):
			return Limit{}, fmt.Errorf("limit %q: errors are bounded from above, the rate from below: errors<1%%, rate>=900", text)
		}
		l.Bound = n
		return l, nil
	case FigureMean:
		l.Figure = FigureMean
	case "max":
		l.Percentile = 100
	default:
		num, isP := strings.CutPrefix(key, "p")
		p, err := strconv.ParseFloat(num, 64)
		if !isP || err != nil || !(p > 0 && p <= 100) {
			return Limit{}, fmt.Errorf("limit %q: %q is not a percentile such as p50, p99.9 or max, nor mean, errors or rate", text, key)
		}
		l.Percentile = p
	}
	d, err := time.ParseDuration(value)
	if err != nil || d <= 0 || d > latency.Highest {
		return Limit{}, fmt.Errorf("limit %q: %q is not a duration between 1ns and 2m such as 5ms", text, value)
	}
	if strings.HasPrefix(l.Op, ">") {
		return Limit{}, fmt.Errorf("limit %q: latency is bounded from above: %s<%s", text, key, value)
	}
	l.Max = d
	return l, nil
}

func (l Limit) String() string {
	op := l.Op
	if op == "" {
		op = "<="
	}
	switch l.Figure {
	case FigureErrors:
		return fmt.Sprintf("errors%s%.4g%%", op, 100*l.Bound)
	case FigureRate:
		return fmt.Sprintf("rate%s%.6g", op, l.Bound)
	case FigureMean:
		return fmt.Sprintf("mean%s%v", op, l.Max)
	}
	if l.Percentile == 100 {
		return fmt.Sprintf("max%s%v", op, l.Max)
	}
	return fmt.Sprintf("p%v%s%v", l.Percentile, op, l.Max)
}

// missed says by what a run exceeded the limit; "" when it kept it.
func (l Limit) missed(r *Result, h Histograms) string {
	got, bound, shown := 0.0, l.Bound, ""
	switch l.Figure {
	case FigureErrors:
		got = r.ErrorShare()
		shown = fmt.Sprintf("%.4g%%", 100*got)
	case FigureRate:
		got = r.Throughput
		shown = fmt.Sprintf("%.6g", got)
	default:
		got, bound = latency.Percentile(h.Latency, l.Percentile), float64(l.Max)/1e6
		if l.Figure == FigureMean {
			got = r.Latency.MeanMs
		}
		shown = time.Duration(got * 1e6).Round(time.Microsecond).String()
	}
	kept := false
	switch l.Op {
	case "<":
		kept = got < bound
	case ">":
		kept = got > bound
	case ">=":
		kept = got >= bound
	default:
		kept = got <= bound
	}
	if kept {
		return ""
	}
	return fmt.Sprintf("limit %v missed: %s", l, shown)
}
