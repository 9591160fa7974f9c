package live

import (
	"fmt"
	"io"

	"simplane/bench/chart"
	"simplane/bench/latency"
	"simplane/bench/page"
)

// WriteHTML writes the result as a page that needs nothing beside itself.
func (r *Result) WriteHTML(w io.Writer) error {
	p := page.Page{
		Title: r.Scenario + ", simulated and real", Verdict: "nothing parts", Passed: true,
		Notes: []string{r.Description, fmt.Sprintf("%s: %g s in real time, seed %d, server %s. %s",
			r.Started.Format("2006-01-02 15:04:05 MST"), r.Seconds, r.Seed, r.Server, r.summary())},
		Findings: r.Findings,
	}
	parts := 0
	for i := range r.Functions {
		f := &r.Functions[i]
		t := page.Table{Head: head, Good: Agrees, Bad: Parts}
		for j := range f.Rows {
			t.Rows = append(t.Rows, f.Rows[j].cells())
			if f.Rows[j].Verdict == Parts {
				parts++
			}
		}
		p.Sections = append(p.Sections, page.Section{
			Heading: f.Name, Note: f.Name + f.costText() + ".", Tables: []page.Table{t},
			Charts: []chart.Drawing{
				curves("End-to-end latency", f, func(o *observed) *latency.Histogram { return o.e2e }),
				curves("Queue wait", f, func(o *observed) *latency.Histogram { return o.wait }),
			},
		})
	}
	if parts > 0 {
		p.Verdict, p.Passed = fmt.Sprintf("%d figures part", parts), false
	}
	ms := func(v float64) string { return fmt.Sprintf("%.3f ms", v) }
	m := r.Machine
	p.Sections = append(p.Sections, page.Section{Heading: "This machine's part", Tables: []page.Table{
		{Head: []string{"", "p50", "p99", "max"}, Rows: [][]string{
			{"calls were made late by", ms(r.Lag.P50Ms), ms(r.Lag.P99Ms), ms(r.Lag.MaxMs)},
			{"backends answered late by", ms(r.Oversleep.P50Ms), ms(r.Oversleep.P99Ms), ms(r.Oversleep.MaxMs)},
		}},
		{Head: []string{"what", "value"}, Rows: [][]string{
			{"CPU", m.CPU}, {"cores", fmt.Sprint(m.Cores)}, {"kernel", m.Kernel}, {"Go", m.Go}, {"load average after the run", m.LoadAverage},
			{"cores in use by anything during the run", fmt.Sprintf("%.0f %%", 100*r.Usage.MachineCPU)},
			{"cores taken by other machines", fmt.Sprintf("%.1f %%", 100*r.Usage.Steal)},
		}},
	}})
	return p.Write(w)
}

// curves draws percentiles of the real run and of the simulation of the same seed.
func curves(title string, f *Function, of func(*observed) *latency.Histogram) chart.Drawing {
	c := chart.Chart{Title: title, XLabel: "percentile", YLabel: "ms", X: chart.Percentile, FromZero: true}
	for _, side := range []struct {
		name string
		h    *latency.Histogram
	}{{"simulated", of(&f.same)}, {"real", of(&f.real)}} {
		l := chart.Line{Name: side.name, Bare: true}
		n := float64(side.h.Count())
		for _, rank := range curveRanks {
			if n > 0 && (rank <= 50 || n*(100-rank) >= 100) { // a value at least is beyond it
				l.Points = append(l.Points, chart.Point{X: rank, Y: latency.Percentile(side.h, rank)})
			}
		}
		c.Lines = append(c.Lines, l)
	}
	return c.SVG()
}

var curveRanks = []float64{0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 88, 90, 92, 94, 95, 96, 97, 98, 98.5, 99, 99.3, 99.5, 99.7, 99.8, 99.9, 99.95, 99.99}
