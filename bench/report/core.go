package report

import (
	"fmt"
	"io"
	"strings"

	"simplane/bench/chart"
	"simplane/bench/corebench"
)

var coreHead = []string{"case", "stored", "goroutines", "ops/s", "range", "scaling", "CPU/op", "allocs/op", "B/op", "GC", "p50", "p99", "p99.9", "max"}

// coreRows lays the rows out; scaling is against one case's first row.
func coreRows(r *corebench.Result) [][]string {
	var out [][]string
	base := make(map[string]float64)
	for _, row := range r.Rows {
		k := fmt.Sprint(row.Case, row.Size)
		if base[k] == 0 {
			base[k] = row.OpsPerSecond
		}
		size := "-"
		if row.Size > 0 {
			size = fmt.Sprint(row.Size)
		}
		out = append(out, []string{
			row.Case, size, fmt.Sprint(row.Goroutines), count(row.OpsPerSecond), count(row.Slowest) + " to " + count(row.Fastest),
			fmt.Sprintf("%.2f", row.OpsPerSecond/base[k]), fmt.Sprintf("%.0f ns", row.CPUNanosPerOp), fmt.Sprintf("%.2f", row.AllocsPerOp), fmt.Sprintf("%.0f", row.BytesPerOp),
			fmt.Sprintf("%.0f%%", 100*row.GCShare), short(row.Latency.P50Ms), short(row.Latency.P99Ms), short(row.Latency.P999Ms), short(row.Latency.MaxMs),
		})
	}
	return out
}

var expiryHead = []string{"stored", "heap per record", "sweep per record", "sweeps", "look-up p50 quiet", "sweeping", "p99 quiet", "sweeping", "p99.9 quiet", "sweeping"}

func expiryRows(r *corebench.Result) [][]string {
	var out [][]string
	for _, e := range r.Expiry {
		q, s, bytes := e.Quiet, e.Sweeping, "-"
		if e.BytesPerRecord > 0 {
			bytes = fmt.Sprintf("%.0f B", e.BytesPerRecord)
		}
		out = append(out, []string{
			fmt.Sprint(e.Size), bytes, fmt.Sprintf("%.0f ns", e.NanosPerRecord), fmt.Sprint(e.Sweeps),
			short(q.P50Ms), short(s.P50Ms), short(q.P99Ms), short(s.P99Ms), short(q.P999Ms), short(s.P999Ms),
		})
	}
	return out
}

func (d *Document) coreText(w io.Writer) {
	print := func(head []string, rows [][]string) {
		if len(rows) == 0 {
			return
		}
		fmt.Fprintln(w, strings.Join(head, "\t"))
		for _, row := range rows {
			fmt.Fprintln(w, strings.Join(row, "\t"))
		}
		fmt.Fprintln(w)
	}
	print(coreHead, coreRows(d.Core))
	print(expiryHead, expiryRows(d.Core))
}

func coreSections(r *corebench.Result) []section {
	var names []string
	what := table{Caption: "What the cases do", Head: []string{"case", "what"}}
	scaling, sizes := make(map[string]*chart.Line), make(map[string]*chart.Line)
	for _, row := range r.Rows {
		if scaling[row.Case] == nil {
			names = append(names, row.Case)
			scaling[row.Case], sizes[row.Case] = &chart.Line{Name: row.Case}, &chart.Line{Name: row.Case}
			what.Rows = append(what.Rows, []string{row.Case, row.What})
		}
		whisker := func(x float64) chart.Point {
			return chart.Point{X: x, Y: row.OpsPerSecond, Low: row.Slowest, High: row.Fastest}
		}
		if row.Size == 0 {
			scaling[row.Case].Points = append(scaling[row.Case].Points, whisker(float64(row.Goroutines)))
		} else if row.Goroutines == r.Rows[0].Goroutines {
			sizes[row.Case].Points = append(sizes[row.Case].Points, whisker(float64(row.Size)))
		}
	}
	var cycles, parts, bySize []chart.Line
	for _, n := range names {
		switch l := *scaling[n]; {
		case len(l.Points) == 0:
			bySize = append(bySize, *sizes[n])
		case strings.HasPrefix(n, "cycle"):
			cycles = append(cycles, l)
		default:
			parts = append(parts, l)
		}
	}
	draw := func(title, x string, lines []chart.Line) chart.Drawing {
		return chart.Chart{Title: title, XLabel: x, YLabel: "calls per second", X: chart.Log, Y: chart.Log, Lines: lines}.SVG()
	}
	out := []section{{
		Heading: "The engine in process",
		Note:    "Whole cycles and components, without HTTP. Whiskers span the rounds. Latency is of single calls, one in sixteen, reading the clock included; with more goroutines than cores its maximum holds time spent off the core. Scaling is against the first number of goroutines.",
		Charts: []chart.Drawing{
			draw("Whole cycle by goroutines", "goroutines", cycles), draw("Components by goroutines", "goroutines", parts),
			draw("Look-ups by executions stored", "executions stored", bySize),
		},
		Tables: []table{what, {Caption: "Measurements", Head: coreHead, Rows: coreRows(r)}},
	}}
	if len(r.Expiry) > 0 {
		out = append(out, section{
			Heading: "Expiry", Note: "A full store grows old at once and is swept away while another goroutine looks executions up: the look-ups show what the sweep does to others.",
			Tables: []table{{Head: expiryHead, Rows: expiryRows(r)}},
		})
	}
	return out
}

// count writes a large number briefly.
func count(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.2fM", v/1e6)
	case v >= 1e3:
		return fmt.Sprintf("%.1fk", v/1e3)
	}
	return fmt.Sprintf("%.1f", v)
}

// short writes milliseconds down to nanoseconds.
func short(ms float64) string {
	if ms < 0.001 {
		return fmt.Sprintf("%.0f ns", ms*1e6)
	}
	return msText(ms)
}
