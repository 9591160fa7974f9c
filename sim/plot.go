package sim

import (
	"time"

	"simplane/bench/latency"
	"simplane/core"
	"simplane/sim/scenario"
)

// Plot is a run over virtual time, in equal steps.
type Plot struct {
	Step      time.Duration
	Functions []PlotFunction
	// Per step: executions ended, those in success, and the end-to-end latency in
	// ns of these and of the others, 0 when there are none.
	Ended, Succeeded []int64
	P50, P99         []int64
	FailedP99        []int64
}

// PlotFunction is one declared function at the end of each step.
type PlotFunction struct {
	Name                      string
	Queued, Pausing, InFlight []int
	Retries, Failed, Rejected []int // in the step; Failed are errors and timeouts
	// Only with scaling: instances ready, wanted and starting, and the slots
	// there are (the effective concurrency).
	Replicas, Wanted, Starting, Slots []int
}

// MaxPlotted is how many functions are recorded for plots, the first ones declared.
const MaxPlotted = 1000

// plotSteps is about how many steps a run is divided into.
const plotSteps = 300

// plot collects a Plot. Nobody knows beforehand how long a run is: when there
// are twice as many steps as wanted, each two become one.
type plot struct {
	w    *witness
	out  Plot
	next int64             // end of the running step
	told []Counts          // those of each function at its beginning
	step latency.Histogram // latencies of the running step's successes
	bad  latency.Histogram // and of its failures
}

func newPlot(w *witness, sc *scenario.Scenario) *plot {
	p := &plot{w: w}
	p.out.Step = max((sc.Duration+sc.Settle)/plotSteps, time.Microsecond)
	p.next = int64(p.out.Step)
	p.step.Precision, p.bad.Precision = precision(2), precision(2)
	for _, g := range p.groups() {
		p.out.Functions = append(p.out.Functions, PlotFunction{Name: g.name})
	}
	p.told = make([]Counts, len(w.groups))
	return p
}

func (p *plot) groups() []*group { return p.w.groups[:min(len(p.w.groups), MaxPlotted)] }

func (p *plot) ended(ev *core.Event) {
	if ev.Status == core.Success {
		p.step.Record(int64(ev.E2E))
	} else {
		p.bad.Record(int64(ev.E2E))
	}
}

// sampleUntil closes the steps that end before a time.
func (p *plot) sampleUntil(to int64) {
	for p.next < to {
		p.sample()
		p.next += int64(p.out.Step)
		if len(p.out.Ended) >= 2*plotSteps {
			p.halve()
		}
	}
}

func (p *plot) sample() {
	for i, g := range p.groups() {
		f := &p.out.Functions[i]
		f.Queued = append(f.Queued, g.queued)
		f.Pausing = append(f.Pausing, g.pausing)
		f.InFlight = append(f.InFlight, g.inFlight)
		before := &p.told[i]
		f.Retries = append(f.Retries, int(g.counts[cRetries]-before[cRetries]))
		f.Failed = append(f.Failed, int(g.counts.failed()-before.failed()))
		f.Rejected = append(f.Rejected, int(g.counts.Rejected()-before.Rejected()))
		*before = g.counts
		if g.decl.Scaled() {
			now := p.w.scale(g)
			f.Replicas, f.Wanted = append(f.Replicas, now.ready), append(f.Wanted, now.wanted)
			f.Starting, f.Slots = append(f.Starting, now.starting), append(f.Slots, now.slots)
		}
	}
	p.out.Ended = append(p.out.Ended, p.step.Count()+p.bad.Count())
	p.out.Succeeded = append(p.out.Succeeded, p.step.Count())
	p.out.P50 = append(p.out.P50, p.step.Percentile(50))
	p.out.P99 = append(p.out.P99, p.step.Percentile(99))
	p.out.FailedP99 = append(p.out.FailedP99, p.bad.Percentile(99))
	p.step.Reset()
	p.bad.Reset()
}

// halve joins each two steps: sizes are those at the end, counts add up, and
// of percentiles the larger stays.
func (p *plot) halve() {
	last := func(s []int) []int {
		for i := range len(s) / 2 {
			s[i] = s[2*i+1]
		}
		return s[:len(s)/2]
	}
	for i := range p.out.Functions {
		f := &p.out.Functions[i]
		f.Retries, f.Failed, f.Rejected = sums(f.Retries), sums(f.Failed), sums(f.Rejected)
		for _, s := range []*[]int{&f.Queued, &f.Pausing, &f.InFlight, &f.Replicas, &f.Wanted, &f.Starting, &f.Slots} {
			*s = last(*s)
		}
	}
	larger := func(a, b int64) int64 { return max(a, b) }
	p.out.Ended, p.out.Succeeded = sums(p.out.Ended), sums(p.out.Succeeded)
	p.out.FailedP99 = join(p.out.FailedP99, larger)
	p.out.P50, p.out.P99 = join(p.out.P50, larger), join(p.out.P99, larger)
	// The next boundary is on the doubled grid: the number of steps is even.
	p.out.Step *= 2
	p.next += int64(p.out.Step / 2)
}

func join[T any](s []T, of func(a, b T) T) []T {
	for i := range len(s) / 2 {
		s[i] = of(s[2*i], s[2*i+1])
	}
	return s[:len(s)/2]
}

func sums[T int | int64](s []T) []T { return join(s, func(a, b T) T { return a + b }) }

func (p *plot) done() *Plot {
	p.sampleUntil(p.w.loop.Now())
	if p.step.Count()+p.bad.Count() > 0 {
		p.sample()
	}
	return &p.out
}
