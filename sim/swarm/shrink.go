package swarm

import (
	"bytes"
	"slices"
	"time"

	"simplane/core"
	"simplane/sim"
	"simplane/sim/scenario"
)

// maxShrinkRuns bounds the runs that one shrinking takes.
const maxShrinkRuns = 400

// Shrink makes a scenario smaller for as long as it breaks the same invariant:
// fewer functions, loads, faults and reports, less load, a shorter time, defaults. It
// returns the smallest found and how that breaks.
func Shrink(sc *scenario.Scenario, v *sim.Violation) (*scenario.Scenario, *sim.Violation) {
	runs := 0
	current := scenario.Marshal(sc, "")
	attempt := func(candidate *scenario.Scenario) bool {
		if runs >= maxShrinkRuns {
			return false
		}
		smaller, file, err := reread(candidate)
		if err != nil || bytes.Equal(file, current) {
			return false // a change made it invalid, or there was nothing to change
		}
		runs++
		r, err := sim.Run(smaller, sim.Options{})
		if err != nil || r.Violation == nil || r.Violation.Invariant != v.Invariant {
			return false
		}
		sc, v, current = smaller, r.Violation, file
		return true
	}
	for progress := true; progress && runs < maxShrinkRuns; {
		progress = false
		for _, step := range steps {
			// Each step proposes candidates until it has no more for the
			// current scenario; an accepted one is the new current.
			for i := 0; ; {
				candidate := step(clone(sc), i)
				if candidate == nil {
					break
				}
				if attempt(candidate) {
					progress = true
				} else {
					i++
				}
			}
		}
	}
	return sc, v
}

// clone copies what steps change in place.
func clone(sc *scenario.Scenario) *scenario.Scenario {
	c := *sc
	c.Functions = slices.Clone(sc.Functions)
	c.Load = slices.Clone(sc.Load)
	c.Faults = slices.Clone(sc.Faults)
	c.Reports = slices.Clone(sc.Reports)
	return &c
}

// steps are the ways to make a scenario smaller. Each changes the copy it is
// given in its i-th way; nil = there is no i-th way.
var steps = []func(sc *scenario.Scenario, i int) *scenario.Scenario{
	withoutLoad, withoutFault, withoutReport, withoutFunction, shorter, lighter, withoutOption,
}

func withoutLoad(sc *scenario.Scenario, i int) *scenario.Scenario {
	if i >= len(sc.Load) {
		return nil
	}
	sc.Load = slices.Delete(sc.Load, i, i+1)
	return sc
}

func withoutFault(sc *scenario.Scenario, i int) *scenario.Scenario {
	if i >= len(sc.Faults) {
		return nil
	}
	sc.Faults = slices.Delete(sc.Faults, i, i+1)
	return sc
}

func withoutReport(sc *scenario.Scenario, i int) *scenario.Scenario {
	if i >= len(sc.Reports) {
		return nil
	}
	sc.Reports = slices.Delete(sc.Reports, i, i+1)
	return sc
}

func withoutFunction(sc *scenario.Scenario, i int) *scenario.Scenario {
	if len(sc.Functions) < 2 || i >= len(sc.Functions) {
		return nil
	}
	name := sc.Functions[i].Name
	sc.Functions = slices.Delete(sc.Functions, i, i+1)
	sc.Load = slices.DeleteFunc(sc.Load, func(l scenario.Load) bool { return l.Function == name })
	sc.Faults = slices.DeleteFunc(sc.Faults, func(f scenario.Fault) bool { return f.Function == name })
	sc.Reports = slices.DeleteFunc(sc.Reports, func(r scenario.Report) bool { return r.Function == name })
	return sc
}

func shorter(sc *scenario.Scenario, i int) *scenario.Scenario {
	half := (sc.Duration / 2).Round(time.Millisecond)
	switch {
	case i == 0 && half >= time.Millisecond:
		sc.Duration = half
		// What would only begin later goes with it.
		sc.Load = slices.DeleteFunc(sc.Load, func(l scenario.Load) bool { return max(l.Arrivals.From, l.Arrivals.At) >= half })
	case i == 1 && sc.Settle > 0:
		sc.Settle = 0
	default:
		return nil
	}
	return sc
}

// lighter reduces load i/4: its rate or count by half, its keys, its time, or its inputs.
func lighter(sc *scenario.Scenario, i int) *scenario.Scenario {
	if i/4 >= len(sc.Load) {
		return nil
	}
	l := &sc.Load[i/4]
	a := &l.Arrivals
	switch i % 4 {
	case 0:
		a.Rate /= 2
		a.Count = (a.Count + 1) / 2
		a.Counts = slices.Clone(a.Counts)
		small := a.Rate*sc.Duration.Seconds() < 1 && a.Count <= 1
		for j := range a.Counts {
			a.Counts[j] /= 2
			small = small && a.Counts[j] == 0
		}
		if small {
			return sc // unchanged enough; the caller's next try differs
		}
	case 1:
		l.IdempotencyKeys /= 2
	case 2:
		l.TimeoutMillis = 0
	case 3:
		l.Inputs = 0
	}
	return sc
}

// withoutOption resets one setting to its default or to the least.
func withoutOption(sc *scenario.Scenario, i int) *scenario.Scenario {
	def := scenario.New()
	reset := []func(){
		func() { sc.Core.SyncQueue = def.Core.SyncQueue },
		func() { sc.Core.RateMaxPerSecond = 0 },
		func() { sc.Core.MaxExecutions = def.Core.MaxExecutions },
		func() { sc.Core.MaxIdempotencyKeys = def.Core.MaxIdempotencyKeys },
		func() { sc.Core.MaxPayloadBytes = def.Core.MaxPayloadBytes },
		func() { sc.Core.SweepInterval = 0 },
		func() { sc.Core.StaleTTL = def.Core.StaleTTL },
		func() { sc.Core.CleanupTTL = def.Core.CleanupTTL },
		func() { sc.Core.TTL = def.Core.TTL },
		func() { sc.Core.IdempotencyTTL = def.Core.IdempotencyTTL },
	}
	for j := range sc.Functions {
		f := &sc.Functions[j]
		reset = append(reset,
			func() { f.Copies = 1 },
			func() { f.Behavior.FailureRate = 0 },
			func() { f.Behavior.HangRate = 0 },
			func() { f.Behavior.LateCompletionRate = 0 },
			func() { f.Behavior.DuplicateCompletionRate = 0 },
			func() { f.Behavior.ColdStart = scenario.ColdStart{} },
			func() { f.Behavior.Latency = scenario.Latency{Distribution: "constant", Value: 10 * time.Millisecond} },
			func() { f.Concurrency = 1 },
			func() { f.MaxRetries = 0 },
			func() { f.RetryBackoff = core.RetryBackoff{Multiplier: 1} },
			func() { f.Behavior.PermanentRate = 0 },
			func() { f.Behavior.RetryAfter = 0 },
		)
	}
	for j := range sc.Faults {
		c := &sc.Faults[j].Change
		reset = append(reset,
			func() { c.Concurrency = nil },
			func() { c.QueueSize = nil },
			func() { c.MaxRetries = nil },
			func() { c.TimeoutMillis = nil },
			func() { c.RetryBackoff = nil },
			func() { c.RateMaxPerSecond = nil },
		)
	}
	if i >= len(reset) {
		return nil
	}
	reset[i]()
	return sc
}
