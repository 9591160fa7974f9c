package flight

import (
	"math"

	"simplane/core"
	"simplane/core/recording"
)

// State is what the rings hold, and how recording into files goes.
type State struct {
	Enabled bool `json:"enabled"`
	// Bytes is what the rings take, CapacitySteps what fits; BaseBytes is about
	// what the states of functions beside them take.
	Bytes         int64 `json:"bytes"`
	CapacitySteps int   `json:"capacitySteps"`
	BaseBytes     int64 `json:"baseBytes"`
	Bases         int   `json:"bases"`

	Steps     int `json:"steps"`
	Functions int `json:"functions"` // registrations with steps in the rings
	// FromMillis and ToMillis are the wall time of the oldest and the latest step;
	// since WholeFromMillis all steps are there, of all functions. 0 = no step.
	FromMillis      int64  `json:"fromMillis"`
	WholeFromMillis int64  `json:"wholeFromMillis"`
	ToMillis        int64  `json:"toMillis"`
	RecordedSteps   uint64 `json:"recordedSteps"` // since the start
	DroppedSteps    uint64 `json:"droppedSteps"`  // of those, overwritten
	Dumps           int64  `json:"dumps"`

	Recording *FilesState `json:"recording,omitempty"` // without --record left out
}

// FilesState is how recording into files goes.
type FilesState struct {
	Active  bool   `json:"active"`
	Steps   int64  `json:"steps"`
	Bytes   int64  `json:"bytes"`
	Stopped string `json:"stopped,omitempty"` // why it is not active
}

// lookSteps is how many steps are looked at while a ring's lock is held.
const lookSteps = 512

// State looks at the rings in small parts: nobody waits for long. It works on nil.
func (r *Recorder) State() (s State) {
	if r == nil {
		return s
	}
	s.Enabled, s.Dumps = r.o.Bytes > 0, r.counts.dumpsMade.Load()
	s.BaseBytes = r.baseBytes.Load()
	from, wholeFrom, to := int64(math.MaxInt64), int64(0), int64(0)
	domains := map[uint32]struct{}{}
	for i := range r.rings {
		g := &r.rings[i]
		s.Bytes += int64(len(g.steps)) * stepBytes
		s.CapacitySteps += len(g.steps)
		g.mu.Lock()
		held, total := g.held(), g.total
		s.Bases += len(g.bases)
		s.DroppedSteps += g.dropped()
		if oldest, latest := g.span(held); latest > 0 {
			from, to = min(from, oldest), max(to, latest)
			if total > uint64(held) {
				wholeFrom = max(wholeFrom, oldest)
			}
		}
		g.mu.Unlock()
		s.Steps += held
		s.RecordedSteps += total
		g.domains(held, domains)
	}
	for d := range domains {
		if _, keys := core.KeyDomain(d); d != 0 && !keys {
			s.Functions++
		}
	}
	if to > 0 {
		const milli = 1_000_000
		s.FromMillis, s.WholeFromMillis, s.ToMillis = from/milli, max(from, wholeFrom)/milli, to/milli
	}
	if r.files != nil {
		s.Recording = r.files.state()
	}
	return s
}

// span is the wall time of the oldest and the latest of n steps; 0 = there is none.
// The caller holds g.mu.
func (g *ring) span(n int) (oldest, latest int64) {
	size := len(g.steps)
	for i := range min(n, lookSteps) {
		if oldest == 0 {
			oldest = recording.At(&g.steps[(g.at-n+i+size)%size])
		}
		if latest == 0 {
			latest = recording.At(&g.steps[(g.at-1-i+size)%size])
		}
	}
	return oldest, latest
}

// domains adds the functions of n steps to a set.
func (g *ring) domains(n int, set map[uint32]struct{}) {
	for from := 0; from < n; from += lookSteps {
		last := uint32(0)
		g.mu.Lock()
		for i := from; i < min(from+lookSteps, n); i++ {
			if d := g.steps[i].Domain; d != last {
				last = d
				set[d] = struct{}{}
			}
		}
		g.mu.Unlock()
	}
}

func (f *files) state() *FilesState {
	s := &FilesState{Active: true, Steps: f.steps.Load(), Bytes: f.bytes.Load()}
	if why := f.why.Load(); why != nil {
		s.Active, s.Stopped = false, *why
	}
	return s
}
