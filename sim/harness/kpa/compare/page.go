package main

import (
	"fmt"
	"os"
	"path/filepath"

	"simplane/bench/chart"
	"simplane/bench/page"
)

// writePage writes plots of each scenario's first seed, and the table.
func writePage(path string, all []comparison, seeds int) error {
	p := page.Page{
		Title: "Autoscaling: simplane and a model of Knative's KPA",
		Notes: []string{fmt.Sprintf("The same scenarios, load, queues and simulated provider; only the decision on replicas differs. Plots: one seed. Tables: means over %d seeds.", seeds)},
	}
	for i := range all {
		c := &all[i]
		p.Sections = append(p.Sections, page.Section{
			Heading: c.Scenario, Note: c.Description,
			Charts: []chart.Drawing{
				c.chart("Ready instances", "instances", func(f *figures) []int { return f.plot.Functions[f.function].Replicas }),
				c.chart("Queued executions", "executions", func(f *figures) []int { return f.plot.Functions[f.function].Queued }),
			},
			Tables: []page.Table{{Head: head, Rows: c.rows()}},
		})
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	w, err := os.Create(path)
	if err != nil {
		return err
	}
	defer w.Close()
	if err := p.Write(w); err != nil {
		return err
	}
	return w.Close()
}

func (c *comparison) chart(title, unit string, values func(*figures) []int) chart.Drawing {
	out := chart.Chart{Title: title, XLabel: "virtual time", YLabel: unit, X: chart.Seconds, FromZero: true}
	for i := range c.Figures {
		f := &c.Figures[i]
		l := chart.Line{Name: f.Name}
		last := -1
		series := values(f)
		for step, v := range series {
			// A level line needs its two ends only.
			if v == last && step+1 < len(series) && series[step+1] == v {
				continue
			}
			last = v
			l.Points = append(l.Points, point(f.plot.Step.Seconds()*float64(step+1), v))
		}
		out.Lines = append(out.Lines, l)
	}
	return out.SVG()
}

func point(x float64, v int) chart.Point {
	y := float64(v)
	return chart.Point{X: x, Y: y, Low: y, High: y}
}
