package main

import (
	_ "embed"
	"html/template"
	"os"
	"path/filepath"

	"simplane/bench/chart"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// writePage writes plots of each scenario's first seed, and the table.
func writePage(path string, all []comparison, seeds int) error {
	type part struct {
		comparison
		Charts []template.HTML
		Rows   [][]string
	}
	data := struct {
		Seeds int
		Head  []string
		Parts []part
	}{Seeds: seeds, Head: head}
	for _, c := range all {
		data.Parts = append(data.Parts, part{comparison: c, Rows: c.rows(), Charts: []template.HTML{
			c.chart("Ready instances", "instances", func(f *figures) []int { return f.plot.Functions[f.function].Replicas }),
			c.chart("Queued executions", "executions", func(f *figures) []int { return f.plot.Functions[f.function].Queued }),
		}})
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	w, err := os.Create(path)
	if err != nil {
		return err
	}
	defer w.Close()
	if err := page.Execute(w, data); err != nil {
		return err
	}
	return w.Close()
}

func (c *comparison) chart(title, unit string, values func(*figures) []int) template.HTML {
	out := chart.Chart{Title: title, XLabel: "virtual seconds", YLabel: unit, FromZero: true}
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
