package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"simplane/bench/chart"
	"simplane/bench/compare"
)

var compareHead = []string{"figure", "A/B", "interval", "pairs", "median A", "median B", "verdict"}

// compareRows lays out the figures of one phase.
func compareRows(r *compare.Result, p compare.Phase) [][]string {
	var out [][]string
	for _, row := range p.Rows {
		cells := []string{row.Name, "-", "-", "-", unitText(row.A, row.Unit), unitText(row.B, row.Unit), p.Verdict(row, r.A, r.B)}
		if e := row.Ratio; e != nil {
			cells[1] = fmt.Sprintf("%.3f", e.Ratio)
			cells[2] = fmt.Sprintf("%.3f to %.3f (%.0f%%)", e.Low, e.High, 100*e.Confidence)
			cells[3] = fmt.Sprint(e.Pairs)
		}
		out = append(out, cells)
	}
	return out
}

// overview puts the ratios of one kind of phase into one table, a row for each
// number of connections.
func overview(r *compare.Result, open bool) (head []string, rows [][]string) {
	head = []string{"connections"}
	var figures []string
	for _, p := range r.Phases {
		if p.Rate > 0 != open {
			continue
		}
		for _, row := range p.Rows {
			if !slices.Contains(figures, row.Figure) {
				figures = append(figures, row.Figure)
				head = append(head, row.Figure)
			}
		}
	}
	head = append(head, "verdict")
	for _, p := range r.Phases {
		if p.Rate > 0 != open {
			continue
		}
		cells := []string{fmt.Sprint(p.Connections)}
		for _, f := range figures {
			cell := "-"
			for _, row := range p.Rows {
				if row.Figure == f && row.Ratio != nil {
					cell = fmt.Sprintf("%.2f (%.2f–%.2f)", row.Ratio.Ratio, row.Ratio.Low, row.Ratio.High)
				}
			}
			cells = append(cells, cell)
		}
		verdict := "given"
		if p.Withheld != "" {
			verdict = "withheld"
		}
		rows = append(rows, append(cells, verdict))
	}
	return head, rows
}

// numbers returns the numbers of connections in the order they were measured.
func numbers(r *compare.Result) []int {
	var out []int
	for _, p := range r.Phases {
		if !slices.Contains(out, p.Connections) {
			out = append(out, p.Connections)
		}
	}
	return out
}

func (d *Document) compareText(w io.Writer) {
	c := d.Compare
	fmt.Fprintf(w, "A = %s, B = %s; interval: %s\n", c.A, c.B, c.Method)
	print := func(title string, head []string, rows [][]string) {
		fmt.Fprintf(w, "\n%s\n%s\n", title, strings.Join(head, "\t"))
		for _, row := range rows {
			fmt.Fprintln(w, strings.Join(row, "\t"))
		}
	}
	for _, p := range c.Phases {
		print(p.Title(), compareHead, compareRows(c, p))
		if p.Withheld != "" {
			fmt.Fprintf(w, "verdict withheld, saturated: %s\n", p.Withheld)
		}
	}
	if len(numbers(c)) > 1 {
		head, rows := overview(c, false)
		print("A/B in the closed loop, by connections", head, rows)
	}
	fmt.Fprintln(w)
}

func compareSections(r *compare.Result) []section {
	over := section{
		Heading: "A against B",
		Note:    fmt.Sprintf("A is %s, B is %s. Figures are A/B with their interval, a %s. Above 1 is better for throughput, below 1 for all others.", r.A, r.B, r.Method),
		Charts:  []chart.Drawing{connectionsChart(r)},
	}
	for _, kind := range []struct {
		caption string
		open    bool
	}{{"Closed loop: each connection asks again when its answer is there", false}, {"Open loop: both sides at the same rate", true}} {
		if head, rows := overview(r, kind.open); len(rows) > 0 {
			over.Tables = append(over.Tables, table{Caption: kind.caption, Head: head, Rows: rows})
		}
	}
	out := []section{over}
	for _, n := range numbers(r) {
		s := section{Heading: fmt.Sprintf("%d connections", n)}
		for _, p := range r.Phases {
			if p.Connections != n {
				continue
			}
			caption := p.Name
			if p.Rate > 0 {
				caption += ", " + rateText(p.Rate)
			}
			if p.Withheld != "" {
				caption += "; verdict withheld, saturated: " + p.Withheld
			}
			s.Tables = append(s.Tables, table{Caption: caption, Head: compareHead, Rows: compareRows(r, p)}, coresTable(p))
			s.Charts = append(s.Charts, percentilesChart(p), roundsChart(p))
		}
		out = append(out, s)
	}
	return out
}

// coresTable says who used the machine.
func coresTable(p compare.Phase) table {
	t := table{
		Caption: "Cores in use, mean over the rounds (" + p.Name + ")",
		Head:    []string{"side", "client", "server and its backends", "other processes, at least", "machine busy"},
	}
	for _, side := range []struct {
		name string
		of   func(compare.Round) compare.Sample
	}{{"A", func(r compare.Round) compare.Sample { return r.A }}, {"B", func(r compare.Round) compare.Sample { return r.B }}} {
		mean := func(of func(compare.Sample) float64, format string, scale float64) string {
			sum := 0.0
			for _, r := range p.Rounds {
				v := of(side.of(r))
				if v < 0 {
					return "unknown"
				}
				sum += v
			}
			return fmt.Sprintf(format, scale*sum/float64(max(1, len(p.Rounds))))
		}
		t.Rows = append(t.Rows, []string{
			side.name,
			mean(func(s compare.Sample) float64 { return s.ClientCores }, "%.2f", 1),
			mean(func(s compare.Sample) float64 { return s.ServerCores }, "%.2f", 1),
			mean(func(s compare.Sample) float64 { return s.OtherCores }, "%.2f", 1),
			mean(func(s compare.Sample) float64 { return s.MachineBusy }, "%.0f%%", 100),
		})
	}
	return t
}

// connectionsChart shows the ratios of the closed loop by connections.
func connectionsChart(r *compare.Result) chart.Drawing {
	var lines []chart.Line
	for _, f := range []string{"throughput", "cpu", "p50", "p99", "p99.9"} {
		l := chart.Line{Name: f}
		for _, p := range r.Phases {
			for _, row := range p.Rows {
				if p.Rate == 0 && row.Figure == f && row.Ratio != nil {
					l.Points = append(l.Points, chart.Point{X: float64(p.Connections), Y: row.Ratio.Ratio, Low: row.Ratio.Low, High: row.Ratio.High})
				}
			}
		}
		lines = append(lines, l)
	}
	if len(numbers(r)) < 2 {
		return ""
	}
	return chart.Chart{Title: "A/B in the closed loop by connections", XLabel: "connections", YLabel: "ratio A/B", X: chart.Log, Y: chart.Log, Lines: lines}.SVG()
}

// percentilesChart shows both distributions, all rounds together.
func percentilesChart(p compare.Phase) chart.Drawing {
	return chart.Chart{
		Title: "Latency by percentile, all rounds (" + p.Name + ")", XLabel: "percentile", YLabel: "ms", X: chart.Percentile, Y: chart.Log,
		Lines: []chart.Line{curve("A", p.LatencyA), curve("B", p.LatencyB)},
	}.SVG()
}

// roundsChart shows the pairs behind the ratio: a trend or an outlier here is
// a reason to measure again.
func roundsChart(p compare.Phase) chart.Drawing {
	lines := []chart.Line{{Name: "throughput"}, {Name: "p50"}, {Name: "p99"}, {Name: "p99.9"}}
	add := func(l *chart.Line, x int, a, b float64) {
		if a > 0 && b > 0 {
			l.Points = append(l.Points, chart.Point{X: float64(x), Y: a / b})
		}
	}
	for i, r := range p.Rounds {
		if p.Rate == 0 {
			add(&lines[0], i+1, r.A.Throughput, r.B.Throughput)
		}
		add(&lines[1], i+1, r.A.P50Ms, r.B.P50Ms)
		add(&lines[2], i+1, r.A.P99Ms, r.B.P99Ms)
		add(&lines[3], i+1, r.A.P999Ms, r.B.P999Ms)
	}
	if p.Rate > 0 {
		lines = lines[1:]
	}
	return chart.Chart{Title: "A/B by round (" + p.Name + ")", XLabel: "round", YLabel: "ratio A/B", Y: chart.Log, Lines: lines}.SVG()
}
