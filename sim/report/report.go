// Package report renders a simulation as one self-contained HTML page.
package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"

	"simplane/sim"
)

//go:embed page.html
var pageHTML string

var page = template.Must(template.New("page").Parse(pageHTML))

// Write renders the result of a run made with sim.Options.Series.
func Write(w io.Writer, r *sim.Result, description string) error {
	type row struct {
		Name                                                             string
		Offered, Accepted, Rejected, Hits, Success, Error, Late, Retries int64
		Timeout                                                          int64
		P50, P99, Max, Wait99                                            string
	}
	var rows []row
	add := func(name string, c *sim.Counts) *row {
		rows = append(rows, row{
			Name: name, Offered: c.Get("offered"), Accepted: c.Get("accepted"), Rejected: c.Rejected(), Hits: c.Get("idempotent_hits"),
			Success: c.Get("success"), Error: c.Get("error"), Timeout: c.Get("timeout"), Retries: c.Get("retries"), Late: c.Get("late_results"),
		})
		return &rows[len(rows)-1]
	}
	for i := range r.Functions {
		f := &r.Functions[i]
		t := add(f.Name, &f.Counts)
		t.P50, t.P99, t.Max, t.Wait99 = human(f.E2E.P50), human(f.E2E.P99), human(f.E2E.Max), human(f.QueueWait.P99)
	}
	if len(r.Functions) > 1 {
		add("total", &r.Total)
	}
	type scaledRow struct {
		Name                             string
		Ups, Downs, Turns, Seconds, Cold int64
	}
	var scaled []scaledRow
	for i := range r.Functions {
		if c := &r.Functions[i].Counts; r.Plot != nil && len(r.Plot.Functions[i].Wanted) > 0 {
			scaled = append(scaled, scaledRow{
				r.Functions[i].Name, c.Get("scale_ups"), c.Get("scale_downs"), c.Get("scale_turns"), c.Get("replica_seconds"), c.Get("cold_starts"),
			})
		}
	}
	return page.Execute(w, map[string]any{
		"R": r, "Description": description, "Rows": rows, "Scaled": scaled, "Virtual": r.Virtual.String(),
		"Charts": charts(r),
	})
}

// human is a duration as people read it.
func human(ns int64) string {
	d := time.Duration(ns)
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return fmt.Sprintf("%.2fs", d.Seconds())
	case d >= time.Millisecond:
		return fmt.Sprintf("%.1fms", float64(d)/1e6)
	case d == 0:
		return "0"
	}
	return fmt.Sprintf("%.1fµs", float64(d)/1e3)
}
