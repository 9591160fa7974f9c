package main

import (
	"bytes"
	"fmt"
	"math"
	"os"

	"simplane/bench/chart"
	"simplane/bench/live"
	"simplane/bench/page"
)

// drawn are the charts of each setting and distribution. scale is what a value is
// multiplied with.
var drawn = []struct {
	figure, title, unit string
	scale               float64
}{
	{"success", "Success", "% of calls", 100},
	{"e2e.p50", "End-to-end latency, p50", "ms", 1},
	{"e2e.p99", "End-to-end latency, p99", "ms", 1},
	{"queue_wait.p90", "Queue wait, p90", "ms", 1},
}

// writePage writes plots of all points over load.
func writePage(path string, points []point) error {
	r := points[0].Result
	p := page.Page{
		Title: "Simulated and real",
		Notes: []string{
			fmt.Sprintf("A real simplane serve and its simulation, with the same arrivals and service times, %g s each. ", r.Seconds) +
				"A function of four slots with service times of 40 ms on average, so of 100 calls a second; load is in multiples of that.",
			fmt.Sprintf("Lines: the simulation with the seed of the real run. Whiskers at the line: the range of 95 %% of %d simulations with other seeds. ", r.Runs) +
				"Grey: the same simulation with the cost of a call. Dots: the real run, with its own 95 % interval.",
		},
	}
	for from := 0; from < len(points); {
		to := from
		for to < len(points) && points[to].Setting == points[from].Setting && points[to].Service == points[from].Service {
			to++
		}
		group := points[from:to]
		s := page.Section{Heading: group[0].Setting + ", " + group[0].Service, Note: about(group[0].Setting)}
		for _, d := range drawn {
			s.Charts = append(s.Charts, draw(group, d.figure, d.title, d.unit, d.scale))
		}
		s.Tables = []page.Table{verdicts(group)}
		p.Sections = append(p.Sections, s)
		from = to
	}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

func draw(group []point, figure, title, unit string, scale float64) chart.Drawing {
	simulated, cost, real := chart.Line{Name: "simulated"}, chart.Line{Name: "with a call's cost", Dashed: true, Bare: true}, chart.Line{Name: "real", Dots: true}
	for i := range group {
		row := group[i].row(figure)
		if row == nil {
			continue
		}
		at := func(x, y float64, span *live.Interval) chart.Point {
			p := chart.Point{X: x, Y: y * scale}
			if span != nil {
				p.Low, p.High = span.Low*scale, span.High*scale
			}
			return p
		}
		load := group[i].Load
		simulated.Points = append(simulated.Points, at(load, row.Same, &row.Simulated))
		// Beside the line, so that both whiskers show.
		real.Points = append(real.Points, at(load+0.015, row.Real, row.RealRange))
		dear := math.NaN()
		if row.SameWithCost != nil {
			dear = *row.SameWithCost
		}
		cost.Points = append(cost.Points, at(load, dear, nil))
	}
	return chart.Chart{Title: title, XLabel: "load, multiples of the capacity", YLabel: unit, FromZero: true, Lines: []chart.Line{simulated, cost, real}}.SVG()
}

// verdicts are those of all figures of a group.
func verdicts(group []point) page.Table {
	t := page.Table{Head: []string{"load"}, Good: live.Agrees, Bad: live.Parts}
	var figures []string
	known := map[string]bool{}
	for i := range group {
		for _, row := range group[i].function().Rows {
			if !known[row.Figure] {
				known[row.Figure] = true
				figures = append(figures, row.Figure)
			}
		}
	}
	t.Head = append(t.Head, figures...)
	for i := range group {
		cells := []string{fmt.Sprint(group[i].Load)}
		for _, figure := range figures {
			verdict := ""
			if row := group[i].row(figure); row != nil {
				verdict = row.Verdict
			}
			cells = append(cells, verdict)
		}
		t.Rows = append(t.Rows, cells)
	}
	return t
}
