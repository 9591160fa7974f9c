package swarm

import (
	"bytes"
	"slices"
	"time"

	"simplane/sim"
	"simplane/sim/scenario"
)

const (
	// maxShrinkRuns bounds the runs that one shrinking takes.
	maxShrinkRuns = 1500
	// shrinkEvents bounds their events, beside runsLike the failing run. That is a minute
	// or two for nearly all scenarios. It counts events, not time, so that a seed has the
	// same file everywhere.
	shrinkEvents = 20_000_000
	runsLike     = 4
	// otherSeeds is how many seeds a smaller scenario is tried with beside its own:
	// what is left out moves the draws of what stays, and the moment with them.
	otherSeeds = 2
	// atFirst is how many for the first attempts to do without a function, while they have
	// taken less than a tenth of the events: what is rare may come with none of a few seeds,
	// and all else is quicker without it.
	atFirst = 30
)

// Cut says why a scenario was not made smaller still.
type Cut string

// The reasons.
const (
	NotCut     Cut = ""        // nothing more can go
	CutBudget  Cut = "effort"  // it has taken as many runs, or events in them, as it may
	CutStopped Cut = "stopped" // somebody has stopped it
)

// Shrunk is the smallest scenario found that still breaks the same invariant, how it
// does, and in how many runs it was found.
type Shrunk struct {
	Scenario  *scenario.Scenario
	Violation *sim.Violation
	Runs      int
	Events    int64 // of the simulation, in all of them
	Cut       Cut
}

// ShrinkOptions say how much a Shrink may take, and who is told.
type ShrinkOptions struct {
	Handled  int64                 // events of the run that broke the invariant
	Stopped  func() bool           // asked between runs and during them. nil = never
	Progress func(runs, lines int) // called after each run. nil = never
	// Run replays a scenario. nil = sim.Run.
	Run func(*scenario.Scenario, sim.Options) (*sim.Result, error)
}

// Shrink makes a scenario smaller for as long as it breaks the same invariant: without
// a function and all that is of it, shorter, without each element and key that can go,
// and with smaller numbers. A candidate that is the same, or
// no valid scenario, is no progress.
func Shrink(sc *scenario.Scenario, v *sim.Violation, o ShrinkOptions) Shrunk {
	s := newShrinking(sc, v, o)
	s.least(func(r *sim.Result) bool { return r.Violation != nil && r.Violation.Invariant == v.Invariant })
	return s.Shrunk
}

// shrinking is a scenario on its way.
type shrinking struct {
	Shrunk
	ShrinkOptions
	file []byte // Scenario as YAML
	most int64  // events that its runs may have
}

func newShrinking(sc *scenario.Scenario, v *sim.Violation, o ShrinkOptions) *shrinking {
	if o.Run == nil {
		o.Run = sim.Run
	}
	return &shrinking{Shrunk{Scenario: sc, Violation: v}, o, scenario.Marshal(sc, ""), shrinkEvents + runsLike*o.Handled}
}

// least makes the current scenario smaller for as long as its result is wanted, and
// returns it.
func (s *shrinking) least(wanted func(*sim.Result) bool) []byte {
	for progress, seeds := true, uint64(atFirst); progress && s.goesOn(0); {
		progress = false
		for _, step := range steps {
			// Each step proposes candidates until it has no more for the
			// current scenario; an accepted one is the new current.
			for i := 0; s.goesOn(0); {
				candidate := s.copy()
				if !step(candidate, i) {
					break
				}
				if s.try(candidate, seeds, wanted) {
					progress = true
				} else {
					i++
				}
			}
			seeds = otherSeeds
		}
	}
	return s.file
}

// copy is a scenario of its own that reads as the current one.
func (s *shrinking) copy() *scenario.Scenario {
	sc, err := scenario.Parse(s.Scenario.Name+".yaml", s.file)
	if err != nil {
		panic(err) // it has been read before
	}
	return sc
}

// try makes a candidate the current one if its result is wanted, with its own seed or
// one of so many others.
func (s *shrinking) try(candidate *scenario.Scenario, others uint64, wanted func(*sim.Result) bool) bool {
	own := candidate.Seed
	for n := range 1 + others {
		if n > otherSeeds && s.Events > s.most/10 {
			return false
		}
		candidate.Seed = own + n
		smaller, file, err := reread(candidate)
		if err != nil || n == 0 && bytes.Equal(file, s.file) {
			return false
		}
		if r := s.run(smaller); r != nil && wanted(r) {
			s.Scenario, s.Violation, s.file = smaller, r.Violation, file
			return true
		}
	}
	return false
}

// run is a candidate's result; nil if there is none, or none within what is left of the
// effort.
func (s *shrinking) run(candidate *scenario.Scenario) *sim.Result {
	if !s.goesOn(0) {
		return nil
	}
	var handled int64
	r, err := s.ShrinkOptions.Run(candidate, sim.Options{Stopped: func(events int64) bool {
		handled = events
		return !s.goesOn(events)
	}})
	if err == nil {
		handled = r.Handled
	}
	s.Events += handled
	s.Runs++
	if s.Progress != nil {
		s.Progress(s.Runs, bytes.Count(s.file, []byte("\n")))
	}
	if err != nil {
		return nil
	}
	return r
}

// goesOn says whether a run that has had some events may have more, or the next begin.
func (s *shrinking) goesOn(events int64) bool {
	switch {
	case s.Cut != NotCut:
	case s.Stopped != nil && s.Stopped():
		s.Cut = CutStopped
	case s.Runs >= maxShrinkRuns || s.Events+events > s.most:
		s.Cut = CutBudget
	}
	return s.Cut == NotCut
}

// steps are the ways to make a scenario smaller. Each changes the copy it is given in
// its i-th way, and says whether there is one.
var steps = []func(sc *scenario.Scenario, i int) bool{withoutFunction, shorter, (*scenario.Scenario).Remove, (*scenario.Scenario).Halve}

// withoutFunction leaves out a function with what names it.
func withoutFunction(sc *scenario.Scenario, i int) bool {
	if len(sc.Functions) < 2 || i >= len(sc.Functions) {
		return false
	}
	name := sc.Functions[i].Name
	sc.Functions = slices.Delete(sc.Functions, i, i+1)
	sc.Load = slices.DeleteFunc(sc.Load, func(l scenario.Load) bool { return l.Function == name })
	sc.Faults = slices.DeleteFunc(sc.Faults, func(f scenario.Fault) bool { return f.Function == name })
	sc.Reports = slices.DeleteFunc(sc.Reports, func(r scenario.Report) bool { return r.Function == name })
	return true
}

// shorter halves the duration, and leaves out what would only begin later.
func shorter(sc *scenario.Scenario, i int) bool {
	half := (sc.Duration / 2).Round(time.Millisecond)
	if i > 0 || half < time.Millisecond || half == sc.Duration {
		return false
	}
	sc.Duration = half
	sc.Load = slices.DeleteFunc(sc.Load, func(l scenario.Load) bool { return max(l.Arrivals.From, l.Arrivals.At) >= half })
	return true
}
