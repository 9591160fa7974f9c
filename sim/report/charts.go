package report

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"simplane/bench/chart"
	"simplane/sim"
	"simplane/sim/scenario"
)

// maxLines is how many functions get a curve of their own.
const maxLines = 6

func charts(sc *scenario.Scenario, r *sim.Result) []chart.Drawing {
	p := r.Plot
	if p == nil || len(p.Ended) == 0 {
		return nil
	}
	d := drawing(bands(sc))
	overTime, ifAny := d.overTime, d.ifAny
	out := []chart.Drawing{
		overTime("Queue depth", "executions", sizes(r, 1, func(f *sim.PlotFunction) []int { return f.Queued })...),
		overTime("In flight", "executions", sizes(r, 1, func(f *sim.PlotFunction) []int { return f.InFlight })...),
	}
	perSecond := 1 / p.Step.Seconds()
	out = append(out, ifAny("Pausing between two attempts", "executions", sizes(r, 1, func(f *sim.PlotFunction) []int { return f.Pausing }))...)
	out = append(out, ifAny("Refusals", "calls a second", sizes(r, perSecond, func(f *sim.PlotFunction) []int { return f.Rejected }))...)
	out = append(out, ifAny("Retries", "a second", sizes(r, perSecond, func(f *sim.PlotFunction) []int { return f.Retries }))...)
	out = append(out, ifAny("Errors and timeouts", "executions a second", sizes(r, perSecond, func(f *sim.PlotFunction) []int { return f.Failed }))...)
	out = append(out, scaling(d, r)...)
	failed := make([]int64, len(p.Ended))
	for i := range failed {
		failed[i] = p.Ended[i] - p.Succeeded[i]
	}
	ms := func(name string, ns, of []int64) chart.Line {
		l := line(p, name, ns, 1e-6)
		for i := range l.Points {
			if of[i] == 0 {
				l.Points[i].Y = math.NaN() // nothing ended: a gap
			}
		}
		return l
	}
	return append(out,
		overTime("Ended", "executions a second", line(p, "in success", p.Succeeded, perSecond), line(p, "in failure", failed, perSecond)),
		overTime("End-to-end latency", "ms", latencies(ms, p, failed)...),
		distribution(r),
	)
}

// latencies are of successes, and apart from them of failures where there are any:
// while a function fails at once, what still succeeds is no quicker.
func latencies(ms func(string, []int64, []int64) chart.Line, p *sim.Plot, failed []int64) []chart.Line {
	lines := []chart.Line{ms("p50 of successes", p.P50, p.Succeeded), ms("p99 of successes", p.P99, p.Succeeded)}
	if slices.Max(failed) > 0 {
		lines = append(lines, ms("p99 of failures", p.FailedP99, failed))
	}
	return lines
}

// drawing has the bands of all charts over time.
type drawing []chart.Band

// bands are the scenario's faults.
func bands(sc *scenario.Scenario) (all []chart.Band) {
	for i := range sc.Faults {
		f := &sc.Faults[i]
		name := f.Kind
		if f.Function != "" {
			name += " of " + f.Function
		}
		all = append(all, chart.Band{From: f.At.Seconds(), To: (f.At + f.For).Seconds(), Name: name})
	}
	return all
}

func (d drawing) overTime(title, unit string, lines ...chart.Line) chart.Drawing {
	return chart.Chart{Title: title, XLabel: "virtual time", YLabel: unit, X: chart.Seconds, FromZero: true, Lines: lines, Bands: d}.SVG()
}

// ifAny is overTime, unless nothing but zeros would be drawn.
func (d drawing) ifAny(title, unit string, lines []chart.Line) []chart.Drawing {
	for _, l := range lines {
		for _, at := range l.Points {
			if at.Y != 0 {
				return []chart.Drawing{d.overTime(title, unit, lines...)}
			}
		}
	}
	return nil
}

// line is a value at the end of each step of a plot, in another unit.
func line[T int | int64](p *sim.Plot, name string, values []T, unit float64) chart.Line {
	l := chart.Line{Name: name, Bare: true, Points: make([]chart.Point, len(values))}
	for i, v := range values {
		l.Points[i] = chart.Point{X: p.Step.Seconds() * float64(i+1), Y: float64(v) * unit}
	}
	return l
}

// scaling draws the instances and slots of the largest scaled functions.
func scaling(d drawing, r *sim.Result) (out []chart.Drawing) {
	var scaled []*sim.PlotFunction
	for i := range r.Plot.Functions {
		if f := &r.Plot.Functions[i]; len(f.Wanted) > 0 {
			scaled = append(scaled, f)
		}
	}
	slices.SortStableFunc(scaled, func(a, b *sim.PlotFunction) int { return slices.Max(b.Wanted) - slices.Max(a.Wanted) })
	steps := func(name string, values []int) chart.Line {
		l := line(r.Plot, name, values, 1)
		l.Steps = true
		return l
	}
	for _, f := range scaled[:min(len(scaled), maxLines)] {
		wanted := steps("wanted", f.Wanted)
		wanted.Dashed = true
		out = append(out,
			d.overTime("Instances of "+f.Name, "instances", steps("starting", f.Starting), steps("ready", f.Replicas), wanted),
			d.overTime("Slots of "+f.Name, "executions at once", line(r.Plot, "in use", f.InFlight, 1), steps("slots", f.Slots)),
		)
	}
	return out
}

// sizes gives the functions that have most a curve each, in the scenario's order,
// so that with few of them each has one colour on the whole page, and the others
// one together. unit is that of the drawn values.
func sizes(r *sim.Result, unit float64, of func(*sim.PlotFunction) []int) []chart.Line {
	all := make([]int, len(r.Plot.Functions)) // numbers of functions
	for i := range all {
		all[i] = i
	}
	values := func(n int) []int { return of(&r.Plot.Functions[n]) }
	slices.SortStableFunc(all, func(a, b int) int { return slices.Max(values(b)) - slices.Max(values(a)) })
	shown := all[:min(len(all), maxLines)]
	slices.Sort(shown)
	var lines []chart.Line
	for _, n := range shown {
		lines = append(lines, line(r.Plot, r.Plot.Functions[n].Name, values(n), unit))
	}
	rest := all[len(shown):]
	if len(rest) == 0 {
		return lines
	}
	others := make([]int, len(r.Plot.Ended))
	for _, n := range rest {
		for i, v := range values(n) {
			others[i] += v
		}
	}
	return append(lines, line(r.Plot, fmt.Sprintf("%d others", len(rest)), others, unit))
}

// distribution draws the latencies of all functions in logarithmic bins, four
// to a factor of two.
func distribution(r *sim.Result) chart.Drawing {
	bins := map[int]int64{}
	for i := range r.Functions {
		h := r.Functions[i].Histogram("e2e")
		if h == nil {
			continue
		}
		for from, n := range h.Bars() {
			bins[int(math.Floor(4*math.Log2(math.Max(1, float64(from)/1000))))] += n
		}
	}
	c := chart.Chart{Title: "Distribution of end-to-end latency", XLabel: "ms", YLabel: "executions", X: chart.Log, FromZero: true}
	edge := func(bin int) float64 { return math.Exp2(float64(bin)/4) / 1000 }
	for _, bin := range slices.Sorted(maps.Keys(bins)) {
		c.Bars = append(c.Bars, chart.Bar{From: edge(bin), To: edge(bin + 1), Y: float64(bins[bin])})
	}
	return c.SVG()
}
