// Package arrival produces the intended send times of an open-loop load: they
// depend on the clock alone, never on how fast earlier requests came back.
package arrival

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Kind names a schedule.
type Kind string

const (
	// Constant spaces requests evenly.
	Constant Kind = "constant"
	// Poisson draws exponential gaps: independent users, bursts included.
	Poisson Kind = "poisson"
)

// MaxRate is the highest rate a schedule accepts, in requests per second.
const MaxRate = 1e7

// Schedule yields increasing offsets from the start of a run. It is used by
// one goroutine.
type Schedule struct {
	interval float64 // mean gap, ns
	at       float64 // last offset, ns
	n        uint64
	rng      *rand.Rand // nil for Constant
	staged   *staged    // nil for one rate throughout
}

// New returns a schedule of rate requests per second, 0 < rate <= MaxRate.
// Equal seeds give equal Poisson schedules; Constant ignores the seed.
func New(kind Kind, rate float64, seed uint64) (*Schedule, error) {
	if !(rate > 0 && rate <= MaxRate) {
		return nil, fmt.Errorf("rate %v is out of range: want more than 0 and at most %.0f per second", rate, float64(MaxRate))
	}
	s := &Schedule{interval: float64(time.Second) / rate}
	switch kind {
	case Constant:
	case Poisson:
		s.rng = rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))
	default:
		return nil, fmt.Errorf("arrival %q is unknown: want %q or %q", kind, Constant, Poisson)
	}
	return s, nil
}

// Next returns the offset of the next request from the start of the run.
func (s *Schedule) Next() time.Duration {
	if s.staged != nil {
		return s.staged.next(s.rng)
	}
	if s.rng == nil {
		// Multiplying instead of adding keeps rounding from drifting.
		at := float64(s.n) * s.interval
		s.n++
		return time.Duration(at)
	}
	s.at += s.rng.ExpFloat64() * s.interval
	return time.Duration(s.at)
}
