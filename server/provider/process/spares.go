package process

import (
	"sync"
	"time"
)

// spares keeps the pipes for the next process open: opening them and adding
// them to the poller takes a third of the time until simplane can request the
// process.
type spares struct {
	user Identity // that functions run as
	also func()   // fills what else is made before it is needed

	mu     sync.Mutex
	ready  [2][]pipe // by direction
	refill *time.Timer
	closed bool
}

// spareCount is how many are kept: the streams of one STDIO process.
var spareCount = [2]int{toFunction: 1, fromFunction: 2}

// refillAfter is the pause before spares that were taken are replaced, so that
// it does not happen while the process that took them starts.
const refillAfter = 20 * time.Millisecond

// take returns a pipe that is the caller's from then on.
func (s *spares) take(d direction) (pipe, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.ready[d])
	if n == 0 {
		return newPipe(d, s.user)
	}
	p := s.ready[d][n-1]
	s.ready[d] = s.ready[d][:n-1]
	return p, nil
}

// refillSoon replaces what was taken, after a pause.
func (s *spares) refillSoon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refill == nil && !s.closed {
		s.refill = time.AfterFunc(refillAfter, s.fill)
	}
}

// fill replaces what was taken. Should that fail, the process that finds none
// tries again, and reports it.
func (s *spares) fill() {
	if s.also != nil {
		s.also()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refill != nil {
		s.refill.Stop()
		s.refill = nil
	}
	for d, want := range spareCount {
		for len(s.ready[d]) < want && !s.closed {
			p, err := newPipe(direction(d), s.user)
			if err != nil {
				return
			}
			s.ready[d] = append(s.ready[d], p)
		}
	}
}

// close closes the spares; there are none afterwards.
func (s *spares) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.refill != nil {
		s.refill.Stop()
	}
	for d := range s.ready {
		for _, p := range s.ready[d] {
			p.close()
		}
		s.ready[d] = nil
	}
}
