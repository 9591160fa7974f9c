package cluster

import (
	"sort"

	"simplane/core"
)

// frameState is what a Log remembers of a frame: where it is, and which of its facts
// are needed.
type frameState struct {
	seq   uint64 // 0 = it is not in a batch yet
	place uint64 // in the engine's order; 0 = not known
	size  int    // of the stored form, bytes
	sum   uint32 // checksum of that
	live  int    // facts that are needed, new and kept ones
	kept  int
	// New facts have the places from first on, without gaps. gone has a bit for each
	// that is not needed any more, or is in a newer frame.
	first core.LSN
	count int
	gone  []uint64
}

// all is the number of facts in the frame.
func (s *frameState) all() int { return s.count + s.kept }

// release notes that the new fact at l is not needed any more.
func (s *frameState) release(l core.LSN) {
	i := uint64(l - s.first)
	for uint64(len(s.gone)) <= i/64 {
		s.gone = append(s.gone, 0)
	}
	if s.gone[i/64]&(1<<(i%64)) == 0 {
		s.gone[i/64] |= 1 << (i % 64)
		s.live--
	}
}

// needed says that the new fact at l is.
func (s *frameState) needed(l core.LSN) bool {
	i := uint64(l - s.first)
	return i/64 >= uint64(len(s.gone)) || s.gone[i/64]&(1<<(i%64)) == 0
}

// has says whether the fact at l was new in this frame.
func (s *frameState) has(l core.LSN) bool { return l >= s.first && l < s.first+core.LSN(s.count) }

// frameOf is the frame in which the fact at was new; nil when it is purged.
func frameOf(frames []*frameState, at core.LSN) *frameState {
	// Frames without new facts have the place of the next one: the search ends behind
	// them, or before.
	i := sort.Search(len(frames), func(i int) bool { return frames[i].first > at })
	for i--; i >= 0; i-- {
		if s := frames[i]; s.has(at) {
			return s
		} else if s.count > 0 {
			break
		}
	}
	return nil
}
