package loadgen

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"simplane/bench/arrival"
)

// SearchOptions steer the search for the highest rate that keeps the limits.
type SearchOptions struct {
	Limits    []Limit
	MaxErrors float64 // share of due requests, 0..1
	Start     float64 // first rate, requests per second; 0 means 100
	Max       float64 // highest rate to try; 0 means arrival.MaxRate
	// Precision is the gap between the best passing and the lowest failing
	// rate at which the search stops, as a share; 0 means 0.05.
	Precision float64
}

// SearchStep is one rate that was tried.
type SearchStep struct {
	Rate    float64  `json:"rate"`
	Pass    bool     `json:"pass"`
	Attempt int      `json:"attempt"` // of this rate: 2 repeats a failed one, 3 decides between two that differ
	Misses  []string `json:"misses,omitempty"`
	Result  *Result  `json:"result"`
}

// SearchResult has the highest rate that kept every limit.
type SearchResult struct {
	Limits []string `json:"limits"`
	// Rate is 0 when even the lowest rate failed.
	Rate float64 `json:"rate"`
	// Ceiling is the lowest rate that failed twice; 0 when none did.
	Ceiling float64 `json:"ceiling"`
	// ClientLimited: the rate above failed because of this client.
	ClientLimited bool         `json:"clientLimited"`
	Interrupted   bool         `json:"interrupted,omitempty"`
	Steps         []SearchStep `json:"steps"`
}

const (
	maxSteps   = 40
	lowestRate = 1.0
)

// runner is Run, or a model of a server in tests.
type runner func(ctx context.Context, o Options) (*Result, Histograms, error)

// Search doubles the rate until a step fails, then halves the gap on a
// logarithmic scale. A failed step is repeated, since one disturbance of the
// machine would otherwise end the search too low; where the second attempt passes a
// third one decides, since that may have been luck. onStep, when not nil,
// is called after each step with its histograms h.
func Search(ctx context.Context, o Options, so SearchOptions, progress func(Progress), onStep func(SearchStep, Histograms)) (*SearchResult, error) {
	return search(ctx, o, so, onStep, func(ctx context.Context, o Options) (*Result, Histograms, error) {
		return Run(ctx, o, progress)
	})
}

// Validate reports every invalid option of the search.
func (so SearchOptions) Validate() error {
	switch {
	case len(so.Limits) == 0:
		return errors.New("a search needs at least one limit such as p99=5ms")
	case so.Precision < 0 || so.Precision > 1:
		return fmt.Errorf("search precision %v is out of range: want 0 to 1", so.Precision)
	case so.Start < 0 || so.Max < 0 || so.Max > arrival.MaxRate || (so.Max > 0 && so.Start > so.Max):
		return fmt.Errorf("search rates %v to %v are out of range", so.Start, so.Max)
	case so.MaxErrors < 0 || so.MaxErrors > 1:
		return fmt.Errorf("error share %v is out of range: want 0 to 1", so.MaxErrors)
	}
	return nil
}

func search(ctx context.Context, o Options, so SearchOptions, onStep func(SearchStep, Histograms), run runner) (*SearchResult, error) {
	if err := so.Validate(); err != nil {
		return nil, err
	}
	rate, top, precision := so.Start, so.Max, so.Precision
	if rate == 0 {
		rate = 100
	}
	if top == 0 {
		top = arrival.MaxRate
	}
	if precision == 0 {
		precision = 0.05
	}
	rate = math.Min(rate, top)
	o.StopOnUnsent = so.MaxErrors == 0
	out := &SearchResult{}
	for _, l := range so.Limits {
		out.Limits = append(out.Limits, l.String())
	}
	try := func() (pass bool, err error) {
		// Attempt 1 decides if it passes, attempt 2 if it fails too, else 3.
		for attempt := 1; attempt == 1 || attempt == 2 && !pass || attempt == 3 && pass; attempt++ {
			o.Rate = rate
			res, h, err := run(ctx, o)
			if err != nil {
				return false, err
			}
			if ctx.Err() != nil {
				return false, nil
			}
			misses := Misses(res, h, so.Limits, so.MaxErrors)
			pass = len(misses) == 0
			step := SearchStep{Rate: rate, Pass: pass, Attempt: attempt, Misses: misses, Result: res}
			out.Steps = append(out.Steps, step)
			if onStep != nil {
				onStep(step, h)
			}
		}
		return pass, nil
	}
	for len(out.Steps) < maxSteps {
		pass, err := try()
		if err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			out.Interrupted = true
			return out, nil
		}
		if pass {
			out.Rate = rate
		} else {
			out.Ceiling = rate
			out.ClientLimited = out.Steps[len(out.Steps)-1].Result.ClientLimited
		}
		switch {
		case out.Ceiling == 0 && rate >= top:
			return out, nil
		case out.Ceiling == 0:
			rate = math.Min(rate*2, top)
		case out.Rate == 0 && rate <= lowestRate:
			return out, nil
		case out.Rate == 0:
			rate = math.Max(rate/2, lowestRate)
		case out.Ceiling <= out.Rate*(1+precision):
			return out, nil
		default:
			rate = math.Sqrt(out.Rate * out.Ceiling)
		}
	}
	return out, nil
}

// String is the one-line outcome.
func (r *SearchResult) String() string {
	limits := strings.Join(r.Limits, ", ")
	switch {
	case r.Rate == 0:
		return fmt.Sprintf("no rate keeps %s, not even %.0f/s", limits, r.Ceiling)
	case r.Ceiling == 0:
		return fmt.Sprintf("%.0f/s, the highest rate tried, keeps %s", r.Rate, limits)
	case r.ClientLimited:
		return fmt.Sprintf("at least %.0f/s keeps %s; above that the client, or the machine it shares, is the limit", r.Rate, limits)
	default:
		return fmt.Sprintf("%.0f/s keeps %s (%.0f/s does not)", r.Rate, limits, r.Ceiling)
	}
}
