package core

import "fmt"

// RateReplay checks what the rate windows gave out: no place of a window twice,
// and no refusal while there was one. A window's order is the order of its places,
// so records may come in any. It is for one goroutine.
type RateReplay struct {
	windows map[limiterWindow]map[uint32]bool
	newest  uint64 // second
}

// places are a submission's in the rate windows of its function and of all; 0 =
// there is no limit.
type places struct {
	own, all           uint32
	ownLater, allLater bool // it is of a newer second than the submission's
}

func (p places) record(s *Step) {
	s.Extra = uint64(p.own)<<32 | uint64(p.all)
	setFlag(&s.Flags, FlagOwnLater, p.ownLater)
	setFlag(&s.Flags, FlagAllLater, p.allLater)
}

func placesOf(s *Step) places {
	return places{uint32(s.Extra >> 32), uint32(s.Extra), s.Flags&FlagOwnLater != 0, s.Flags&FlagAllLater != 0}
}

// limiterWindow is a second of a function's limiter, or of that of all: domain 0.
type limiterWindow struct {
	domain uint32
	second uint64
}

// keptWindows is how many seconds are remembered: a submission may record its step
// a while after it took its place.
const keptWindows = 60

// Next takes a StepAccept or a StepRefuse, and ignores others; the error says what
// was given out wrongly.
func (r *RateReplay) Next(s *Step) error {
	switch {
	case s.Kind == StepRefuse && s.Reason() == CodeRateLimited:
		if taken, limit := s.Compared(); taken < limit {
			return fmt.Errorf("refused for the rate with %d of %d places taken", taken, limit)
		}
	case s.Kind == StepAccept:
		second, p := secondOf(s.Wall), placesOf(s)
		if err := r.give(limiterWindow{s.Domain, second}, p.own, p.ownLater); err != nil {
			return fmt.Errorf("function %d: %w", s.Domain, err)
		}
		if err := r.give(limiterWindow{0, second}, p.all, p.allLater); err != nil {
			return fmt.Errorf("the limit of all: %w", err)
		}
	}
	return nil
}

// give notes that a place was given out; 0 is none, without a limit. Which one a
// later window is, is not recorded: its place is not checked.
func (r *RateReplay) give(w limiterWindow, place uint32, later bool) error {
	if place == 0 || later {
		return nil
	}
	if r.windows == nil {
		r.windows = make(map[limiterWindow]map[uint32]bool)
	}
	if w.second > r.newest {
		r.newest = w.second
		for old := range r.windows {
			if old.second+keptWindows < r.newest {
				delete(r.windows, old)
			}
		}
	}
	given := r.windows[w]
	if given == nil {
		given = make(map[uint32]bool)
		r.windows[w] = given
	}
	if given[place] {
		return fmt.Errorf("place %d of second %d was given twice", place, w.second)
	}
	given[place] = true
	return nil
}
