package sim

import (
	"time"

	"simplane/bench/latency"
	"simplane/sim/scenario"
)

// Result is the outcome of a run.
type Result struct {
	Scenario  string
	File      string
	Seed      uint64
	Virtual   time.Duration // how far virtual time ran
	Wall      time.Duration // how long that took; the only figure that differs between runs
	Events    int64         // lines of the event log
	Handled   int64         // events of the simulation, timers that find nothing to do included
	Digest    string        // SHA-256 of the event log
	Marks     []Mark
	Total     Counts
	Functions []FunctionResult // as declared
	Checks    []CheckResult
	Violation *Violation // nil: all invariants held
	Kept      []string   // log lines asked for with Options
	Plot      *Plot      // nil unless Options.Series
}

// FunctionResult is one declared function, all its copies together.
type FunctionResult struct {
	Name                    string
	Counts                  Counts
	QueueWait, Service, E2E Latency
	// Succeeded and Failed are E2E of those that did; of failures the errors and
	// timeouts.
	Succeeded, Failed Latency
	// Errors are the executions that ended otherwise than in success, by code.
	Errors map[string]int64
	// MeanQueued and MeanInFlight are averages over the whole virtual time,
	// PeakQueued is the most that waited for any time, in one of the copies.
	MeanQueued, MeanInFlight float64
	PeakQueued               int
	// SlotSeconds are how long there were slots while load lasted, and BusySeconds
	// how long they were in use.
	SlotSeconds, BusySeconds float64

	group *group
}

// Utilisation is the share of the slots' time that was in use while load lasted, 0
// if there were none.
func (f *FunctionResult) Utilisation() float64 {
	if f.SlotSeconds == 0 {
		return 0
	}
	return f.BusySeconds / f.SlotSeconds
}

// Holds reports whether every check and invariant held.
func (r *Result) Holds() bool {
	for i := range r.Checks {
		if !r.Checks[i].Holds {
			return false
		}
	}
	return r.Violation == nil
}

func (w *witness) result(sc *scenario.Scenario) *Result {
	r := &Result{
		Scenario: sc.Name, File: sc.File, Seed: sc.Seed, Virtual: time.Duration(w.loop.Now()),
		Events: w.log.lines, Digest: w.log.digest(), Marks: w.log.marks,
		Violation: w.violation, Kept: w.log.kept,
	}
	for _, g := range w.groups {
		w.countCallers(g)
		for _, fn := range g.functions {
			g.counts[cReplicaSeconds] += w.fleets.ReplicaSeconds(fn.number)
		}
		f := FunctionResult{
			Name: g.name, Counts: g.counts,
			QueueWait: summary(&g.latency[seriesQueueWait]), Service: summary(&g.latency[seriesService]), E2E: summary(g.series("e2e")),
			Succeeded: summary(&g.latency[seriesSuccess]), Failed: summary(&g.latency[seriesFailure]), Errors: g.errors, group: g,
		}
		for _, named := range g.functions {
			for _, fn := range named.generations {
				fn.elapse(w.loop.Now())
				if !w.loadOver {
					fn.busy, fn.had = fn.runningArea, fn.slotArea
				}
				f.BusySeconds += float64(fn.busy) / 1e9
				f.SlotSeconds += float64(fn.had) / 1e9
				f.PeakQueued = max(f.PeakQueued, fn.peak)
				if w.loop.Now() > 0 {
					f.MeanQueued += float64(fn.queueArea) / float64(w.loop.Now())
					f.MeanInFlight += float64(fn.runningArea) / float64(w.loop.Now())
				}
			}
		}
		r.Total.add(&g.counts)
		r.Functions = append(r.Functions, f)
	}
	for i := range w.expect {
		c := &w.expect[i]
		switch {
		case w.checks[i].Check != "": // settled during the run
		case w.violation != nil:
			w.checks[i] = CheckResult{Check: checkName(c), Got: "not reached", Want: c.Op + " " + c.Value, Line: c.Line}
		default:
			w.evaluate(i)
		}
	}
	r.Checks = w.checks
	if v := w.violation; v != nil {
		r.Checks = append(r.Checks, CheckResult{Check: "invariant " + v.Invariant, Got: v.Detail, Want: "always"})
	}
	if w.plot != nil {
		r.Plot = w.plot.done()
	}
	return r
}

// Histogram is a function's latency histogram, nil when the
// series (a name of scenario.LatencySeries) has no values.
func (f *FunctionResult) Histogram(series string) *latency.Histogram {
	if h := f.group.series(series); h.Count() > 0 {
		return h
	}
	return nil
}

// Latency is a statistic of scenario.LatencyStats of a series, in nanoseconds: of
// the function of a name, or with "" of all together. False when there are no values.
func (r *Result) Latency(function, series, stat string) (int64, bool) {
	var groups []*group
	for i := range r.Functions {
		if f := &r.Functions[i]; function == "" || f.Name == function {
			groups = append(groups, f.group)
		}
	}
	h := merged(groups, series)
	value, _, _ := statistic(h, stat)
	return value, h.Count() > 0
}
