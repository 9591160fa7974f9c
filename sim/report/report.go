// Package report renders a simulation as one self-contained HTML page.
package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"simplane/bench/page"
	"simplane/sim"
	"simplane/sim/scenario"
)

// Write renders the result of a run of sc made with sim.Options.Series.
func Write(w io.Writer, sc *scenario.Scenario, r *sim.Result) error {
	p := page.Page{
		Title: r.Scenario, Passed: r.Holds(), Verdict: "failed",
		Notes: []string{sc.Description, fmt.Sprintf("Seed %d, %v of virtual time, %d events. Digest:", r.Seed, r.Virtual, r.Events)},
		Code:  r.Digest,
	}
	switch {
	case p.Passed && len(r.Checks) == 0:
		p.Unjudged, p.Verdict = true, r.Verdict()
	case p.Passed:
		p.Verdict = "all checks hold"
	}
	if v := r.Violation; v != nil {
		p.Misses = []string{fmt.Sprintf("Invariant broken at %v: %s. %s", v.At, v.Invariant, v.Detail)}
		p.Sections = append(p.Sections, page.Section{Heading: "Last events", Lines: v.Tail})
	}
	if len(r.Checks) > 0 {
		p.Sections = append(p.Sections, page.Section{Heading: "Checks", Tables: []page.Table{checks(r)}})
	}
	p.Sections = append(p.Sections,
		page.Section{Heading: "Functions", Tables: []page.Table{functions(r)}},
		page.Section{Heading: "Latency", Note: "From arrival to end, of the executions that succeed and apart from them of those that do not.", Tables: []page.Table{latencyTable(r)}},
		page.Section{Heading: "Refusals and errors", Tables: []page.Table{reasons(r)}})
	if t := faults(sc); len(t.Rows) > 0 {
		p.Sections = append(p.Sections, page.Section{Heading: "Faults", Note: "Bands in the charts.", Tables: []page.Table{t}})
	}
	if t := scalingTable(r); len(t.Rows) > 0 {
		p.Sections = append(p.Sections, page.Section{Heading: "Scaling", Tables: []page.Table{t}})
	}
	if c := charts(sc, r); len(c) > 0 {
		p.Sections = append(p.Sections, page.Section{Heading: "Over virtual time", Note: firstOnly(r), Charts: c})
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
		"function", "offered", "accepted", "rejected", "hits", "success", "error", "timeout", "retries", "late", "utilisation", "peak queue",
	}}
	add := func(name string, c *sim.Counts, times ...string) {
		t.Rows = append(t.Rows, append([]string{
			name, count(c, "offered"), count(c, "accepted"), strconv.FormatInt(c.Rejected(), 10), count(c, "idempotent_hits"), count(c, "success"),
			count(c, "error"), count(c, "timeout"), count(c, "retries"), count(c, "late_results"),
		}, times...))
	}
	for i := range r.Functions {
		f := &r.Functions[i]
		if i == maxFunctions {
			t.Caption = fmt.Sprintf("The first %d of %d functions.", maxFunctions, len(r.Functions))
			break
		}
		add(f.Name, &f.Counts, fmt.Sprintf("%.1f %%", 100*f.Utilisation()), strconv.Itoa(f.PeakQueued))
	}
	if len(r.Functions) > 1 {
		add("total", &r.Total, "", "")
	}
	return t
}

func latencyTable(r *sim.Result) page.Table {
	t := page.Table{Head: []string{"function", "successes p50", "p99", "p99.9", "max", "failures p50", "p99", "max", "queue wait p50", "p99", "max"}}
	for i := range r.Functions[:min(len(r.Functions), maxFunctions)] {
		row := []string{r.Functions[i].Name}
		for n, l := range []*sim.Latency{&r.Functions[i].Succeeded, &r.Functions[i].Failed, &r.Functions[i].QueueWait} {
			row = append(row, of(l, l.P50), of(l, l.P99))
			if n == 0 {
				row = append(row, of(l, l.P999))
			}
			row = append(row, of(l, l.Max))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// firstOnly says that not all functions are drawn, if they are not.
func firstOnly(r *sim.Result) string {
	if len(r.Functions) <= sim.MaxPlotted {
		return ""
	}
	return fmt.Sprintf("Of the %d functions the first %d are drawn one by one or with the others.", len(r.Functions), sim.MaxPlotted)
}

// maxFunctions is how many functions a table lists.
const maxFunctions = 1000

// of is a figure of a series, or a dash if that has no values.
func of(l *sim.Latency, ns int64) string {
	if l.Count == 0 {
		return "–"
	}
	return human(ns)
}

// reasons are why calls were refused and executions failed, of each function.
func reasons(r *sim.Result) page.Table {
	t := page.Table{Head: []string{"function", "", "why", "how many", "of its calls"}}
	for i := range r.Functions {
		f := &r.Functions[i]
		if len(t.Rows) >= maxFunctions {
			t.Caption = fmt.Sprintf("The first %d of them.", len(t.Rows))
			break
		}
		add := func(what, why string, n int64) {
			if n > 0 {
				share := "–"
				if offered := f.Counts.Get("offered"); offered > 0 {
					share = fmt.Sprintf("%.2f %%", 100*float64(n)/float64(offered))
				}
				t.Rows = append(t.Rows, []string{f.Name, what, why, strconv.FormatInt(n, 10), share})
			}
		}
		for _, name := range scenario.CountNames {
			if why, refused := strings.CutPrefix(name, "rejected."); refused {
				add("refused", why, f.Counts.Get(name))
			}
		}
		for _, code := range slices.Sorted(maps.Keys(f.Errors)) {
			add("failed", code, f.Errors[code])
		}
	}
	return t
}

// faults are the scenario's, in order of their times.
func faults(sc *scenario.Scenario) page.Table {
	t := page.Table{Head: []string{"at", "for", "fault", "function"}}
	all := slices.Clone(sc.Faults)
	slices.SortStableFunc(all, func(a, b scenario.Fault) int { return cmp.Compare(a.At, b.At) })
	for i := range all {
		lasts := ""
		if all[i].For > 0 {
			lasts = all[i].For.String()
		}
		t.Rows = append(t.Rows, []string{all[i].At.String(), lasts, all[i].Kind, all[i].Function})
	}
	return t
}

func scalingTable(r *sim.Result) page.Table {
	t := page.Table{Head: []string{"function", "steps up", "down", "turns", "replica seconds", "cold starts"}}
	for i := range r.Functions {
		if c := &r.Functions[i].Counts; r.Plot != nil && i < len(r.Plot.Functions) && len(r.Plot.Functions[i].Wanted) > 0 {
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
