package report

import (
	"io"

	"simplane/bench/chart"
	"simplane/bench/page"
	"simplane/sim/sweep"
)

// WriteSweep renders a sweep.
func WriteSweep(w io.Writer, r *sweep.Result) error {
	p := page.Page{Title: r.Scenario + ": sweep", Notes: []string{r.About(), sweep.Meanings}}
	if a := r.Answer(); a != "" {
		p.Notes = append([]string{a}, p.Notes...)
		if p.Passed = r.Cheapest != nil; p.Passed {
			p.Verdict = "the SLO can be kept"
		} else {
			p.Verdict = "no setting keeps the SLO"
		}
	}
	if b := r.Broken(); b != "" {
		p.Passed, p.Verdict, p.Misses = false, "an invariant is broken", []string{b}
	}
	var maps, curves []chart.Drawing
	for _, h := range r.HeatMaps() {
		maps = append(maps, h.SVG())
	}
	for _, c := range r.Curves() {
		curves = append(curves, c.SVG())
	}
	if len(maps) > 0 {
		p.Sections = append(p.Sections, page.Section{Heading: "Heat maps", Note: "The frame is around the cheapest setting that keeps the SLO, if one was given.", Charts: maps})
	}
	if len(curves) > 0 {
		p.Sections = append(p.Sections, page.Section{Heading: "Curves", Charts: curves})
	}
	head, rows := r.Table()
	p.Sections = append(p.Sections, page.Section{Heading: "All settings", Tables: []page.Table{{Head: head, Rows: rows, Good: sweep.Cheapest, Bad: sweep.Missed}}})
	return p.Write(w)
}

// WriteComparison renders a comparison.
func WriteComparison(w io.Writer, c *sweep.Comparison) error {
	p := page.Page{Title: "Comparison", Notes: []string{"A: " + c.A, "B: " + c.B, c.About(), sweep.Meanings}}
	if c.Broken != "" {
		p.Verdict, p.Misses = "an invariant is broken", []string{c.Broken}
	}
	head, rows := c.Table()
	head[1], head[2] = "A", "B"
	p.Sections = []page.Section{{Heading: "Figures", Tables: []page.Table{{Head: head, Rows: rows}}}}
	return p.Write(w)
}
