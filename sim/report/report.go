// Package report renders a simulation as one self-contained HTML page.
package report

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"simplane/bench/page"
	"simplane/sim"
)

// Write renders the result of a run made with sim.Options.Series.
func Write(w io.Writer, r *sim.Result, description string) error {
	p := page.Page{
		Title: r.Scenario, Passed: r.Holds(), Verdict: "failed",
		Notes: []string{description, fmt.Sprintf("Seed %d, %v of virtual time, %d events. Digest:", r.Seed, r.Virtual, r.Events)},
		Code:  r.Digest,
	}
	if p.Passed {
		p.Verdict = "all checks hold"
	}
	if v := r.Violation; v != nil {
		p.Misses = []string{fmt.Sprintf("Invariant broken at %v: %s. %s", v.At, v.Invariant, v.Detail)}
		p.Sections = append(p.Sections, page.Section{Heading: "Last events", Lines: v.Tail})
	}
	if len(r.Checks) > 0 {
		p.Sections = append(p.Sections, page.Section{Heading: "Checks", Tables: []page.Table{checks(r)}})
	}
	p.Sections = append(p.Sections, page.Section{Heading: "Functions", Tables: []page.Table{functions(r)}})
	if t := scalingTable(r); len(t.Rows) > 0 {
		p.Sections = append(p.Sections, page.Section{Heading: "Scaling", Tables: []page.Table{t}})
	}
	if c := charts(r); len(c) > 0 {
		p.Sections = append(p.Sections, page.Section{Heading: "Over virtual time", Charts: c})
	}
	return p.Write(w)
}

func checks(r *sim.Result) page.Table {
	t := page.Table{Head: []string{"", "check", "got"}, Good: "holds", Bad: "fails"}
	for i := range r.Checks {
		c, verdict := &r.Checks[i], "fails"
		if c.Holds {
			verdict = "holds"
		}
		t.Rows = append(t.Rows, []string{verdict, c.Check + " " + c.Want, c.Got})
	}
	return t
}

func functions(r *sim.Result) page.Table {
	t := page.Table{Head: []string{
		"function", "offered", "accepted", "rejected", "hits", "success", "error", "timeout", "retries", "late", "wait p99", "e2e p50", "p99", "max",
	}}
	add := func(name string, c *sim.Counts, times ...string) {
		t.Rows = append(t.Rows, append([]string{
			name, count(c, "offered"), count(c, "accepted"), strconv.FormatInt(c.Rejected(), 10), count(c, "idempotent_hits"), count(c, "success"),
			count(c, "error"), count(c, "timeout"), count(c, "retries"), count(c, "late_results"),
		}, times...))
	}
	for i := range r.Functions {
		f := &r.Functions[i]
		add(f.Name, &f.Counts, human(f.QueueWait.P99), human(f.E2E.P50), human(f.E2E.P99), human(f.E2E.Max))
	}
	if len(r.Functions) > 1 {
		add("total", &r.Total, "", "", "", "")
	}
	return t
}

func scalingTable(r *sim.Result) page.Table {
	t := page.Table{Head: []string{"function", "steps up", "down", "turns", "replica seconds", "cold starts"}}
	for i := range r.Functions {
		if c := &r.Functions[i].Counts; r.Plot != nil && len(r.Plot.Functions[i].Wanted) > 0 {
			t.Rows = append(t.Rows, []string{
				r.Functions[i].Name, count(c, "scale_ups"), count(c, "scale_downs"), count(c, "scale_turns"), count(c, "replica_seconds"), count(c, "cold_starts"),
			})
		}
	}
	return t
}

func count(c *sim.Counts, name string) string { return strconv.FormatInt(c.Get(name), 10) }

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
