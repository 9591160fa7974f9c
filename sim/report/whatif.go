package report

import (
	"fmt"
	"math"

	"simplane/bench/chart"
	"simplane/bench/page"
	"simplane/sim/history"
	"simplane/sim/replay"
	"simplane/sim/whatif"
)

func whatIf(c *whatif.Comparison) page.Section {
	head, rows := c.Table()
	return page.Section{
		Heading: "What if",
		Note: fmt.Sprintf("Medians of %d seeds, ± half their range, over %.1f s. How far the simulation with the recorded settings is off is the model's own error: differences between settings that are not larger say nothing.",
			c.Seeds, c.Seconds),
		Tables: []page.Table{{Head: head, Rows: rows}},
		Lines:  c.Notes,
	}
}

// versus draws what was recorded beside each simulation's first seed.
func versus(c *whatif.Comparison) (out []chart.Drawing) {
	perSecond := float64(bins(c.RecordedHistory)) / c.RecordedHistory.Length().Seconds()
	draw := func(title, unit string, scale float64, of func(*history.Plot) []int) {
		lines := []chart.Line{recordedLine(c.RecordedHistory, "recorded", total(c.RecordedHistory, of), scale)}
		for i := range c.Simulated {
			if v := &c.Simulated[i]; v.First != nil && len(lines) < chart.MaxLines {
				lines = append(lines, recordedLine(v.First, v.Label(), total(v.First, of), scale))
			}
		}
		out = append(out, ifDrawn(title, unit, lines)...)
	}
	draw("Goodput", "successes a second", perSecond, successes)
	draw("Queue depth", "executions", 1, func(p *history.Plot) []int { return p.Queued })
	draw("Refusals", "calls a second", perSecond, func(p *history.Plot) []int { return p.Refused })
	draw("Retries", "a second", perSecond, func(p *history.Plot) []int { return p.Retried })
	lines := []chart.Line{percentile(c.RecordedHistory, "recorded", 99)}
	for i := range c.Simulated {
		if v := &c.Simulated[i]; v.First != nil && len(lines) < chart.MaxLines {
			lines = append(lines, percentile(v.First, v.Label(), 99))
		}
	}
	return append(out, recordedTime("99th percentile of successes' latency", "ms", lines...))
}

func successes(p *history.Plot) []int {
	n := make([]int, len(p.Latency))
	for i := range n {
		n[i] = len(p.Latency[i])
	}
	return n
}

// total is the sum over all functions.
func total(h *history.History, of func(*history.Plot) []int) []int {
	sum := make([]int, bins(h))
	for _, f := range h.Functions {
		for i, v := range of(&f.Plot) {
			sum[i] += v
		}
	}
	return sum
}

// timeline draws an execution: a line for each state, as high as the attempt's
// number.
func timeline(t *replay.Timeline) page.Section {
	s := page.Section{Heading: "One execution", Note: fmt.Sprintf("%s of %s: what it did, from its arrival on, by attempt.", t.ID, t.Function), Lines: t.Lines}
	if len(t.Phases) == 0 {
		return s
	}
	begin := t.Phases[0].From
	var lines []chart.Line
	for _, state := range []string{replay.PhaseQueued, replay.PhaseRunning, replay.PhasePausing} {
		l := chart.Line{Name: state, Bare: true}
		for _, p := range t.Phases {
			if p.State == state && p.To > 0 {
				y := float64(p.Attempt)
				l.Points = append(l.Points, chart.Point{X: (p.From - begin).Seconds(), Y: y}, chart.Point{X: (p.To - begin).Seconds(), Y: y},
					chart.Point{X: (p.To - begin).Seconds(), Y: math.NaN()})
			}
		}
		if len(l.Points) > 0 {
			lines = append(lines, l)
		}
	}
	rows := page.Table{Head: []string{"state", "attempt", "from", "for"}}
	for _, p := range t.Phases {
		took := "until after the end"
		if p.To > 0 {
			took = human(int64(p.To - p.From))
		}
		rows.Rows = append(rows.Rows, []string{p.State, fmt.Sprint(p.Attempt), human(int64(p.From - begin)), took})
	}
	s.Tables = append(s.Tables, rows)
	s.Charts = append(s.Charts, chart.Chart{Title: "Attempts of the execution", XLabel: "since its arrival", YLabel: "attempt", X: chart.Seconds, FromZero: true, Lines: lines}.SVG())
	return s
}
