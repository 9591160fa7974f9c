package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"

	"simplane/bench/chart"
	"simplane/bench/page"
	"simplane/sim/history"
	"simplane/sim/replay"
	"simplane/sim/whatif"
)

// Recording is what a page about a recording shows.
type Recording struct {
	Name     string
	Replay   *replay.Report // nil = it was not replayed
	History  *history.History
	Timeline *replay.Timeline   // nil = none
	WhatIf   *whatif.Comparison // nil = none
}

// WriteRecording renders a recording.
func WriteRecording(w io.Writer, r *Recording) error {
	p := page.Page{Title: r.Name}
	if r.Replay != nil {
		replayed(&p, r.Replay)
	}
	if r.WhatIf != nil {
		p.Sections = append(p.Sections, whatIf(r.WhatIf))
		p.Sections = append(p.Sections, page.Section{Heading: "Recorded and simulated over time", Charts: versus(r.WhatIf)})
	}
	p.Sections = append(p.Sections, page.Section{Heading: "Functions", Tables: []page.Table{recordedFunctions(r.History)}},
		page.Section{Heading: "Over time", Charts: overRecording(r.History)})
	if r.Timeline != nil {
		p.Sections = append(p.Sections, timeline(r.Timeline))
	}
	return p.Write(w)
}

func replayed(p *page.Page, r *replay.Report) {
	h := &r.Header
	p.Passed, p.Verdict = r.Exit() == replay.ExitIdentical, r.Verdict()
	p.Notes = []string{
		fmt.Sprintf("Recorded by simplane %s (%s, %s) until %s: %s.", h.Version, h.Commit, h.Platform, time.Unix(0, h.Made).UTC().Format(time.RFC3339), h.Why),
		fmt.Sprintf("%v, %d functions, %d records, %d refusals before any step.", r.Length.Round(time.Millisecond), len(r.Functions), r.Records, r.Refusals),
	}
	if r.Dropped != "" {
		p.Findings = append(p.Findings, "The recorder stopped before the end: "+r.Dropped)
	}
	if r.Truncated {
		p.Findings = append(p.Findings, "The end of the file is missing.")
	}
	t := page.Table{Head: []string{"function", "steps", "identical", "not verified", "differ", "after that", ""}, Bad: "differs"}
	for _, f := range r.Functions {
		verdict := f.Unusable
		if f.Diverged > 0 {
			verdict = "differs"
			p.Misses = append(p.Misses, fmt.Sprintf("%s: %d decisions come out differently. The first: %s", f.Label(), f.Diverged, f.First.Why))
		} else if f.Unusable != "" {
			p.Misses = append(p.Misses, f.Label()+": "+f.Unusable)
		}
		t.Rows = append(t.Rows, []string{f.Label(), number(f.Steps), number(f.Identical), number(f.Before + f.Elsewhere), number(f.Diverged), number(f.Behind), verdict})
	}
	p.Sections = append(p.Sections, page.Section{Heading: "Replay", Tables: []page.Table{t}})
	if d := r.First(); d != nil {
		s := page.Section{Heading: "The first difference", Note: d.Why}
		for i := range d.Before {
			s.Lines = append(s.Lines, r.Line(d.Function, &d.Before[i]))
		}
		s.Lines = append(s.Lines, "recorded: "+r.Line(d.Function, &d.Recorded[0]))
		if len(d.Again) > 0 {
			s.Lines = append(s.Lines, "now:      "+r.Line(d.Function, &d.Again[0]))
		}
		p.Sections = append(p.Sections, s)
	}
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// recordedFunctions are the busiest first.
func recordedFunctions(h *history.History) page.Table {
	t := page.Table{Head: []string{"function", "offered", "accepted", "refused", "success", "error", "timeout", "retries", "peak queue", "p50", "p99"}}
	for _, f := range busiest(h) {
		one := h.Of(f)
		t.Rows = append(t.Rows, []string{
			label(f), number(one.Offered), number(one.Accepted), number(one.AllRefused()), number(one.Success), number(one.Errors), number(one.Timeouts),
			number(one.Retries), strconv.Itoa(one.PeakQueued), human(int64(one.P50)), human(int64(one.P99)),
		})
	}
	return t
}

// maxRecorded is how many functions the table of a recording lists.
const maxRecorded = 100

func busiest(h *history.History) []*history.Function {
	all := slices.Clone(h.Functions)
	slices.SortStableFunc(all, func(a, b *history.Function) int { return len(b.Calls) - len(a.Calls) })
	return all[:min(len(all), maxRecorded)]
}

func label(f *history.Function) string {
	if f.Name != "" {
		return f.Name
	}
	return fmt.Sprintf("#%d", f.Domain)
}

func overRecording(h *history.History) (out []chart.Drawing) {
	perSecond := float64(bins(h)) / h.Length().Seconds()
	draw := func(title, unit string, scale float64, of func(*history.Plot) []int) {
		var lines []chart.Line
		for i, f := range busiest(h) {
			if i == maxLines {
				break
			}
			lines = append(lines, recordedLine(h, label(f), of(&f.Plot), scale))
		}
		out = append(out, ifDrawn(title, unit, lines)...)
	}
	draw("Queue depth", "executions", 1, func(p *history.Plot) []int { return p.Queued })
	draw("Running", "executions", 1, func(p *history.Plot) []int { return p.Running })
	draw("Arrivals", "calls a second", perSecond, func(p *history.Plot) []int { return p.Arrived })
	draw("Refusals", "calls a second", perSecond, func(p *history.Plot) []int { return p.Refused })
	draw("Retries", "a second", perSecond, func(p *history.Plot) []int { return p.Retried })
	draw("Errors, timeouts and cancelled calls", "executions a second", perSecond, func(p *history.Plot) []int { return p.Failed })
	return append(out, recordedTime("Latency of successes", "ms", percentile(h, "p50", 50), percentile(h, "p99", 99)))
}

func bins(h *history.History) int {
	if len(h.Functions) == 0 {
		return 1
	}
	return len(h.Functions[0].Plot.Queued)
}

func recordedTime(title, unit string, lines ...chart.Line) chart.Drawing {
	return chart.Chart{Title: title, XLabel: "time", YLabel: unit, X: chart.Seconds, FromZero: true, Lines: lines}.SVG()
}

// ifDrawn leaves a chart out in which there would be nothing but zeros.
func ifDrawn(title, unit string, lines []chart.Line) []chart.Drawing {
	for _, l := range lines {
		for _, p := range l.Points {
			if p.Y != 0 {
				return []chart.Drawing{recordedTime(title, unit, lines...)}
			}
		}
	}
	return nil
}

func recordedLine(h *history.History, name string, values []int, scale float64) chart.Line {
	l := chart.Line{Name: name, Bare: true, Points: make([]chart.Point, len(values))}
	step := h.Length().Seconds() / float64(len(values))
	for i, v := range values {
		l.Points[i] = chart.Point{X: step * float64(i+1), Y: float64(v) * scale}
	}
	return l
}

// percentile is that of all functions' successes over time; a bin without one is
// a gap.
func percentile(h *history.History, name string, rank float64) chart.Line {
	n := bins(h)
	l := chart.Line{Name: name, Bare: true, Points: make([]chart.Point, n)}
	step := h.Length().Seconds() / float64(n)
	for i := range n {
		var took []int64
		for _, f := range h.Functions {
			took = append(took, f.Plot.Latency[i]...)
		}
		slices.Sort(took)
		y := math.NaN()
		if len(took) > 0 {
			y = float64(history.Percentile(took, rank)) / 1e6
		}
		l.Points[i] = chart.Point{X: step * float64(i+1), Y: y}
	}
	return l
}
