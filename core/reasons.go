package core

import "encoding/binary"

// reasons have a number in recordings: their place here, from 1. New ones come
// at the end.
var reasons = [...]*Rejection{ErrNotFound, ErrDraining, ErrRateLimited, ErrQueueFull, ErrStoreFull, ErrDepth, ErrEstWait,
	ErrIdempotencyFull, ErrKeyReused, ErrNoJournal, ErrJournalFull}

func (r *Rejection) reason() uint32 {
	for i, other := range reasons {
		if other == r {
			return uint32(i) + 1
		}
	}
	return 0
}

// Reason is the code of a StepRefuse's reason; "" when it is not known.
func (s *Step) Reason() string {
	if s.B == 0 || int(s.B) > len(reasons) {
		return ""
	}
	return reasons[s.B-1].Code
}

// Compared are the two figures that a StepRefuse rests on: the first had reached
// the second, or had passed it. For a reason without figures both are 0.
func (s *Step) Compared() (is, bound uint64) {
	return s.Extra, binary.BigEndian.Uint64(s.ID[:])
}

// Holds takes the decision of a StepRefuse again, by the figures that it rests
// on, and reports whether it is the recorded one.
func (s *Step) Holds() bool {
	is, bound := s.Compared()
	var refused bool
	switch s.Reason() {
	case "":
		return false
	case CodeEstWait, CodeStoreFull:
		refused = is > bound
	case CodeRateLimited, CodeQueueFull, CodeDepth:
		refused = is >= bound
	default:
		refused = is == 0 && bound == 0
	}
	again := *s
	return refused && again.sum(0, 0) == s.Check
}
