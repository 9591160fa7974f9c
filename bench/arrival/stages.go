package arrival

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// Stage is a part of a schedule: the rate goes in a line from From to To requests
// per second in the course of Duration. A step is a stage that begins at another
// rate than the one before it ended at.
type Stage struct {
	Duration time.Duration
	From, To float64
}

// MaxStages bounds the stages of a schedule.
const MaxStages = 64

// ParseStages reads stages in their order, with commas between: "10s:0..500" is a
// ramp from 0 to 500 requests per second, "30s:500" holds them, "5s:..50" goes on
// from the rate that the stage before it ended at.
func ParseStages(text string) ([]Stage, error) {
	var out []Stage
	last := 0.0
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		length, rates, ok := strings.Cut(part, ":")
		d, err := time.ParseDuration(length)
		if !ok || err != nil {
			return nil, fmt.Errorf("stage %q is not like 30s:500 or 10s:0..500", part)
		}
		s := Stage{Duration: d}
		from, to, ramp := strings.Cut(rates, "..")
		if s.From, err = rateOf(from, last, ramp); err == nil {
			if s.To = s.From; ramp {
				s.To, err = rateOf(to, 0, false)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("stage %q: %w", part, err)
		}
		last = s.To
		out = append(out, s)
	}
	return out, checkStages(out)
}

func rateOf(text string, otherwise float64, optional bool) (float64, error) {
	if text == "" && optional {
		return otherwise, nil
	}
	r, err := strconv.ParseFloat(text, 64)
	if err != nil || !(r >= 0 && r <= MaxRate) {
		return 0, fmt.Errorf("%q is not a rate from 0 to %.0f per second", text, float64(MaxRate))
	}
	return r, nil
}

func checkStages(stages []Stage) error {
	if len(stages) == 0 || len(stages) > MaxStages {
		return fmt.Errorf("%d stages: want 1 to %d", len(stages), MaxStages)
	}
	requests := 0.0
	for _, s := range stages {
		if s.Duration <= 0 || s.Duration > 24*time.Hour {
			return fmt.Errorf("stage of %v: want more than 0 and at most 24h", s.Duration)
		}
		if !(s.From >= 0 && s.From <= MaxRate && s.To >= 0 && s.To <= MaxRate) {
			return fmt.Errorf("stage from %v to %v per second: want 0 to %.0f", s.From, s.To, float64(MaxRate))
		}
		requests += s.Requests()
	}
	if requests < 1 {
		return errors.New("the stages have not one request together")
	}
	return nil
}

// Requests is the expected number of requests of the stage.
func (s Stage) Requests() float64 { return (s.From + s.To) / 2 * s.Duration.Seconds() }

// String is the stage as ParseStages reads it.
func (s Stage) String() string {
	if s.From == s.To {
		return fmt.Sprintf("%v:%g", s.Duration, s.To)
	}
	return fmt.Sprintf("%v:%g..%g", s.Duration, s.From, s.To)
}

// Length is how long stages last, and Mean their mean rate per second.
func Length(stages []Stage) (d time.Duration) {
	for _, s := range stages {
		d += s.Duration
	}
	return d
}

// Mean is the mean rate of stages, in requests per second.
func Mean(stages []Stage) float64 {
	n := 0.0
	for _, s := range stages {
		n += s.Requests()
	}
	return n / Length(stages).Seconds()
}

// staged is the schedule of stages: the n-th request is due when the expected
// number of requests reaches n, or with Poisson arrivals a sum of n exponential
// draws, which is a Poisson process of the changing rate.
type staged struct {
	stages []Stage
	at     int     // the stage that due falls into
	start  float64 // of that stage, seconds
	before float64 // requests expected before it
	due    float64 // requests
}

// NewStages returns the schedule of stages that ParseStages accepts. Past their
// end it yields offsets of more than any run's length.
func NewStages(kind Kind, stages []Stage, seed uint64) (*Schedule, error) {
	if err := checkStages(stages); err != nil {
		return nil, err
	}
	s, err := New(kind, 1, seed) // the kind and its source of chance
	if err != nil {
		return nil, err
	}
	s.staged = &staged{stages: stages}
	if s.rng == nil {
		s.staged.due = -1 // the first request is due at once
	}
	return s, nil
}

// never is an offset after the end of any run.
const never = time.Duration(math.MaxInt64)

func (g *staged) next(rng *rand.Rand) time.Duration {
	if rng == nil {
		g.due++
	} else {
		g.due += rng.ExpFloat64()
	}
	for ; g.at < len(g.stages); g.at++ {
		s := g.stages[g.at]
		length := s.Duration.Seconds()
		if left := g.due - g.before; left < s.Requests() {
			// left = from t + (to-from) t^2 / (2 length)
			slope := (s.To - s.From) / length
			t := left / max(s.From, math.SmallestNonzeroFloat64)
			if slope != 0 {
				t = 2 * left / (s.From + math.Sqrt(s.From*s.From+2*slope*left))
			}
			if left == 0 {
				t = 0
			}
			return time.Duration((g.start + min(t, length)) * float64(time.Second))
		}
		g.before += s.Requests()
		g.start += length
	}
	return never
}
