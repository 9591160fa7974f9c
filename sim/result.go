package sim

import (
	"time"

	"simplane/bench/latency"
)

// Result is what a run came to.
type Result struct {
	Scenario  string
	File      string
	Seed      uint64
	Virtual   time.Duration // how far virtual time ran
	Wall      time.Duration // how long that took; the only figure that differs between runs
	Events    int64         // lines of the event log
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
	// MeanQueued and MeanInFlight are averages over the whole virtual time.
	MeanQueued, MeanInFlight float64

	histograms [3]*latency.Histogram // by scenario.LatencySeries; nil when empty
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

func (e *engine) result() *Result {
	r := &Result{
		Scenario: e.sc.Name, File: e.sc.File, Seed: e.sc.Seed, Virtual: time.Duration(e.now),
		Events: e.log.lines, Digest: e.log.digest(), Marks: e.log.marks,
		Violation: e.violation, Kept: e.log.kept,
	}
	for _, g := range e.groups {
		for _, b := range g.backends {
			g.counts[cReplicaSeconds] += b.replicaSeconds()
		}
		f := FunctionResult{
			Name: g.name, Counts: g.counts,
			QueueWait: summary(&g.latency[seriesQueueWait]), Service: summary(&g.latency[seriesService]), E2E: summary(&g.latency[seriesE2E]),
		}
		for i := range g.latency {
			if g.latency[i].Count() > 0 {
				f.histograms[i] = &g.latency[i]
			}
		}
		for _, b := range g.backends {
			for _, fn := range b.incarnations {
				fn.elapse(e.now)
				if e.now > 0 {
					f.MeanQueued += float64(fn.queueArea) / float64(e.now)
					f.MeanInFlight += float64(fn.runningArea) / float64(e.now)
				}
			}
		}
		r.Total.add(&g.counts)
		r.Functions = append(r.Functions, f)
	}
	for i := range e.sc.Expect {
		c := &e.sc.Expect[i]
		switch {
		case e.checks[i].Check != "": // settled during the run
		case e.violation != nil:
			e.checks[i] = CheckResult{Check: checkName(c), Got: "not reached", Want: c.Op + " " + c.Value, Line: c.Line}
		default:
			e.evaluate(i)
		}
	}
	r.Checks = e.checks
	if v := e.violation; v != nil {
		r.Checks = append(r.Checks, CheckResult{Check: "invariant " + v.Invariant, Got: v.Detail, Want: "always"})
	}
	if e.plot != nil {
		r.Plot = e.plot.done(e)
	}
	return r
}

// Histogram is a function's latency histogram, nil when the
// series (a name of scenario.LatencySeries) has no values.
func (f *FunctionResult) Histogram(series string) *latency.Histogram {
	return f.histograms[seriesIndex(series)]
}
