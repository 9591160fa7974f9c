// Package draws has all that a scenario leaves to chance: when calls come and what
// they bring, and how each dispatch goes. Every stream is fixed by the scenario's
// seed and a label. So whoever asks for the n-th call or the n-th dispatch of a
// function gets the same one, the simulator and a real backend alike.
package draws

import (
	"time"

	"simplane/sim/internal/random"
	"simplane/sim/scenario"
)

// Service draws how the dispatches of one registered function go. It is for one
// goroutine at a time.
type Service struct {
	how     *scenario.Behavior
	r       random.Stream
	latency sampler
	warm    []int64 // idle instances by when they became so
	// recorded attempts are drawn from in place of all else, if there are any.
	recorded recorded
}

// NewService is the stream of a registered function.
func NewService(seed uint64, name string, how *scenario.Behavior) Service {
	return Service{how: how, r: random.New(seed, "backend/"+name), latency: newSampler(&how.Latency), recorded: recorded{attempts: how.Attempts}}
}

// Dispatch is how one dispatch goes.
type Dispatch struct {
	// Drawn is the service time, the start of a cold instance included; Takes has
	// the dispatch's own cost beside it. Nanoseconds.
	Drawn, Takes int64
	Cold         bool // it met no warm instance
	Hangs        bool // it never answers; nothing below is drawn then
	Late         bool // it answers its timeout later than it Takes
	Fails        bool
	Permanent    bool          // a failure that is not worth a retry
	RetryAfter   time.Duration // the shortest pause that another failure asks for; 0 = any
	Again        int64         // ns after the first answer to repeat it; -1 = never
}

// Draw is the next dispatch, at a time in nanoseconds, of a call with an input; slow
// multiplies its service time.
func (s *Service) Draw(now int64, slow float64, input []byte) Dispatch {
	how := s.how
	took, own := timed(input)
	if len(how.Attempts) > 0 && !own {
		d := s.recorded.dispatch(now, slow, &s.r)
		d.Takes += int64(how.Overhead)
		return d
	}
	if !own {
		took = s.latency.draw(&s.r)
	}
	d := Dispatch{Drawn: took, Again: -1}
	if slow != 1 {
		d.Drawn = Nanos(float64(float64(d.Drawn) * slow))
	}
	if init := how.ColdStart.InitDuration; init > 0 && !s.takeWarm(now) {
		d.Cold = true
		d.Drawn += int64(init)
	}
	d.Takes = d.Drawn + int64(how.Overhead)
	if how.HangRate > 0 || how.LateCompletionRate > 0 || how.FailureRate > 0 {
		u := s.r.Unit()
		switch {
		case u < how.HangRate:
			d.Hangs = true
			return d
		case u < how.HangRate+how.LateCompletionRate:
			d.Late = true
		case u < how.HangRate+how.LateCompletionRate+how.FailureRate:
			d.Fails = true
			if d.Permanent = s.r.Hit(how.PermanentRate); !d.Permanent {
				d.RetryAfter = how.RetryAfter
			}
		}
	}
	if s.r.Hit(how.DuplicateCompletionRate) {
		d.Again = s.latency.draw(&s.r)
	}
	return d
}

// Hit is true with a probability, drawn from the same stream.
func (s *Service) Hit(p float64) bool { return s.r.Hit(p) }

// takeWarm takes the instance that has been idle for the shortest time; false
// when none is warm.
func (s *Service) takeWarm(now int64) bool {
	n := len(s.warm)
	if n == 0 {
		return false
	}
	idle := int64(s.how.ColdStart.IdleTimeout)
	if idle > 0 && now-s.warm[n-1] > idle {
		s.warm = s.warm[:0] // the others have been idle for longer
		return false
	}
	s.warm = s.warm[:n-1]
	return true
}

// Retire makes the instance of a dispatch that has answered idle.
func (s *Service) Retire(now int64) {
	if s.how.ColdStart.InitDuration > 0 {
		s.warm = append(s.warm, now)
	}
}

// Forget ends all warm instances.
func (s *Service) Forget() { s.warm = s.warm[:0] }

// OutageAnswer is how long a refused connection takes.
const OutageAnswer = time.Millisecond
