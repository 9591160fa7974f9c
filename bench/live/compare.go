package live

import (
	"context"
	"fmt"
	"time"

	"simplane/bench/latency"
	"simplane/bench/machine"
	"simplane/sim"
)

// Verdicts of a row.
const (
	Same   = "same"   // the two are equal, as they must be
	Agrees = "agrees" // the real figure is one that a simulation may have
	Costs  = "cost"   // it is one if each attempt takes longer by what a call costs
	Parts  = "parts"  // it is none
)

// resolution is the difference of durations that is not looked at: records have
// whole milliseconds.
const resolution = time.Millisecond

// Result is a scenario's real run beside its simulations.
type Result struct {
	Scenario    string     `json:"scenario"`
	Description string     `json:"description,omitempty"`
	File        string     `json:"file"`
	Seed        uint64     `json:"seed"`
	Runs        int        `json:"runs"` // simulations of other seeds
	Server      string     `json:"server"`
	Started     time.Time  `json:"started"`
	Seconds     float64    `json:"seconds"`
	Functions   []Function `json:"functions"`
	// Lag is how late calls were made, Oversleep how much longer backends took
	// than they should: both are this machine's doing.
	Lag       latency.Summary `json:"lag"`
	Oversleep latency.Summary `json:"oversleep"`
	Machine   machine.Info    `json:"machine"`
	Usage     machine.Usage   `json:"usage"`
	// Findings cast doubt on the figures.
	Findings []string `json:"findings,omitempty"`
}

// Function is one declared function, its copies together.
type Function struct {
	Name string `json:"name"`
	// CostMs is what an attempt takes beside its service time, on average; nil =
	// it cannot be told, because of timeouts or findings.
	CostMs *float64 `json:"costMs"`
	Rows   []Row    `json:"rows"`

	same, real observed
}

// Row is one figure.
type Row struct {
	Figure string `json:"figure"`
	Unit   string `json:"unit"` // "", share, /s, ms
	// Same is the simulation's with the same seed, so with the same arrivals and
	// service times as the real run. Simulated is the range of those of other seeds.
	Same      float64   `json:"same"`
	Simulated Interval  `json:"simulated"`
	Real      float64   `json:"real"`
	RealRange *Interval `json:"realRange"` // of the real figure; nil = it has none
	// SameWithCost and WithCost are Same and Simulated with the cost of a call; nil =
	// it is none, or not known.
	SameWithCost *float64  `json:"sameWithCost"`
	WithCost     *Interval `json:"withCost"`
	Verdict      string    `json:"verdict"`

	sameCount, realCount int64 // of a share
}

// result compares.
func (r *run) result(ctx context.Context, same *sim.Result) (*Result, error) {
	out := &Result{
		Scenario: r.sc.Name, Description: r.sc.Description, File: r.sc.File, Seed: r.sc.Seed, Runs: r.opt.Runs,
		Server: "started here", Started: r.began, Seconds: r.sc.Duration.Seconds(), Machine: machine.Read(), Usage: r.usage,
	}
	if r.opt.Server != nil {
		out.Server = r.opt.Server.Base()
	}
	r.instrument(out)
	plain, err := r.simulations(ctx, "simulating", nil)
	if err != nil {
		return nil, err
	}
	costs := map[string]time.Duration{}
	for name, m := range r.measured {
		if m.costKnown && m.cost > 0 {
			costs[name] = m.cost
		}
	}
	var dear []*sim.Result
	if len(costs) > 0 {
		if dear, err = r.simulations(ctx, "simulating with the cost of a call", costs); err != nil {
			return nil, err
		}
	}
	for i := range r.sc.Functions {
		m := r.measured[r.sc.Functions[i].Name]
		f := Function{Name: m.decl.Name, real: m.observed, same: ofSimulation(same, i, r.sc.Duration)}
		if m.costKnown {
			ms := float64(m.cost) / 1e6
			f.CostMs = &ms
		}
		f.Rows = rows(m, r.each(plain, i), r.each(dear, i))
		out.Findings = append(out.Findings, m.findings...)
		out.Functions = append(out.Functions, f)
	}
	return out, nil
}

func (r *run) each(results []*sim.Result, function int) []observed {
	all := make([]observed, len(results))
	for i := range results {
		all[i] = ofSimulation(results[i], function, r.sc.Duration)
	}
	return all
}

// simulations are of the run's own seed and of others, with an overhead of each
// attempt at the functions that are named.
func (r *run) simulations(ctx context.Context, what string, overhead map[string]time.Duration) ([]*sim.Result, error) {
	sc := *r.sc
	sc.Functions = append(sc.Functions[:0:0], sc.Functions...)
	for i := range sc.Functions {
		if cost, ok := overhead[sc.Functions[i].Name]; ok {
			sc.Functions[i].Behavior.Overhead = cost
		}
	}
	all := make([]*sim.Result, r.opt.Runs+1)
	for i := range all {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r.opt.Progress(fmt.Sprintf("%s: %s, %d of %d", sc.Name, what, i+1, len(all)))
		sc.Seed = r.sc.Seed + uint64(i)
		var err error
		if all[i], err = simulate(&sc); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// instrument says how well this machine has kept to the scenario.
func (r *run) instrument(out *Result) {
	lag, over := latency.NewHistogram(), latency.NewHistogram()
	for i := range r.calls {
		lag.Record(int64(r.calls[i].sent - r.calls[i].at))
	}
	attempts, _ := r.backends.seen()
	for i := range attempts {
		if a := &attempts[i]; !a.broken {
			over.Record(int64(a.answered - a.received - a.drawn))
		}
	}
	out.Lag, out.Oversleep = latency.Summarize(lag, false), latency.Summarize(over, false)
	const late = 5 * time.Millisecond
	if p := lag.Percentile(99); p > int64(late) {
		out.Findings = append(out.Findings, fmt.Sprintf("calls were made late: p99 %.1f ms; the machine was too busy for the load", float64(p)/1e6))
	}
	if p := over.Percentile(99); p > int64(late) {
		out.Findings = append(out.Findings, fmt.Sprintf("backends answered late: p99 %.1f ms after their service time; the machine was busy", float64(p)/1e6))
	}
}

// row makes one row of a value of a run: of the simulations, the first of which has
// the seed of the real run, and of those with the cost of a call, if there are any.
// real is the real value's interval.
func row(name, unit string, m *measured, plain, dear []observed, real *Interval, value func(*observed) float64) Row {
	out := Row{Figure: name, Unit: unit, Real: value(&m.observed), RealRange: real, Verdict: Parts}
	slack := 0.0
	if unit == "ms" {
		slack = float64(resolution) / 1e6
	}
	// The figure of the same seed is one that a simulation has, however rare.
	holds := func(i Interval, same float64) bool {
		return Interval{min(i.Low, same), max(i.High, same)}.holds(out.Real, slack)
	}
	v := values(plain, value)
	out.Same, out.Simulated = v[0], predicted(v[1:])
	if len(dear) > 0 {
		v := values(dear, value)
		with := predicted(v[1:])
		out.SameWithCost, out.WithCost = &v[0], &with
		if holds(with, v[0]) {
			out.Verdict = Costs
		}
	}
	if holds(out.Simulated, out.Same) {
		out.Verdict = Agrees
	}
	return out
}

func values(runs []observed, value func(*observed) float64) []float64 {
	all := make([]float64, len(runs))
	for i := range runs {
		all[i] = value(&runs[i])
	}
	return all
}
