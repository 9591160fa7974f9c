package main

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"simplane/bench/live"
)

// function is the only one of a run.
func (p *point) function() *live.Function { return &p.Result.Functions[0] }

func (p *point) row(figure string) *live.Row {
	for i := range p.function().Rows {
		if r := &p.function().Rows[i]; r.Figure == figure {
			return r
		}
	}
	return nil
}

// shown are the columns of the tables: figures with headings.
var shown = []struct{ figure, heading string }{
	{"success", "success"}, {"goodput", "goodput"}, {"e2e.p50", "p50"}, {"e2e.p90", "p90"}, {"e2e.p99", "p99"}, {"queue_wait.p99", "wait p99"},
}

var signs = map[string]string{live.Same: "", live.Agrees: "", live.Costs: " ᶜ", live.Parts: " **≠**"}

// distances writes how far the real figures are from the simulation of the same seed,
// as a share of it: the median and the greatest over the runs of each setting.
func distances(b *bytes.Buffer, points []point) {
	fmt.Fprint(b, "\nReal figures against the simulation of the same seed, median (greatest) distance in percent of it, first without,\n"+
		"then with the cost of a call:\n\n| setting |")
	for _, c := range shown {
		fmt.Fprintf(b, " %s |", c.heading)
	}
	fmt.Fprint(b, "\n|---|")
	for range shown {
		fmt.Fprint(b, "--:|")
	}
	fmt.Fprintln(b)
	for from := 0; from < len(points); {
		to := from
		for to < len(points) && points[to].Setting == points[from].Setting {
			to++
		}
		fmt.Fprintf(b, "| %s |", points[from].Setting)
		for _, c := range shown {
			var plain, dear []float64
			for i := from; i < to; i++ {
				if row := points[i].row(c.figure); row != nil && row.Same > 0 {
					plain = append(plain, 100*math.Abs(row.Real/row.Same-1))
					if with := row.SameWithCost; with != nil && *with > 0 {
						dear = append(dear, 100*math.Abs(row.Real / *with - 1))
					}
				}
			}
			fmt.Fprintf(b, " %s; %s |", spread(plain), spread(dear))
		}
		fmt.Fprintln(b)
		from = to
	}
}

// spread is the median and the greatest.
func spread(v []float64) string {
	if len(v) == 0 {
		return "?"
	}
	slices.Sort(v)
	return fmt.Sprintf("%.1f (%.1f)", v[len(v)/2], v[len(v)-1])
}

// simulated is what the same seed gives, without and with the cost of a call.
func simulated(row *live.Row) string {
	text := row.Text(row.Same)
	if row.SameWithCost != nil {
		text += ", " + row.Text(*row.SameWithCost)
	}
	return text
}

// loadAverages are the least and the greatest after a run.
func loadAverages(points []point) (least, most string) {
	at := func(p point) float64 {
		v, _ := strconv.ParseFloat(p.Result.Machine.LoadAverage, 64)
		return v
	}
	byLoad := func(a, b point) int { return cmp.Compare(at(a), at(b)) }
	return slices.MinFunc(points, byLoad).Result.Machine.LoadAverage, slices.MaxFunc(points, byLoad).Result.Machine.LoadAverage
}

// figures is figures.md.
func figures(points []point) []byte {
	var b bytes.Buffer
	r := points[0].Result
	m := r.Machine
	least, most := loadAverages(points)
	fmt.Fprintf(&b, "# Figures\n\nWritten by `make results-fidelity`; [README.md](README.md) says what they show.\n"+
		"%s, %d cores, Go %s, %s. Runs of %g s, %d simulations of other seeds for each range.\n"+
		"The machine's load average was %s to %s: other work was running, see *busy* and how late calls and answers were.\n\n"+
		"Cells: simulated with the same seed, the same with the cost of a call, → real. ᶜ: the real figure is out of the\n"+
		"range of 95 %% of simulations, and in it with the cost of a call; **≠**: it is in neither.\n",
		m.CPU, m.Cores, m.Go, m.Kernel, r.Seconds, r.Runs, least, most)
	setting, parting := "", 0
	for i := range points {
		p := &points[i]
		if p.Setting != setting {
			setting = p.Setting
			fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| service times | load |", setting, about(setting))
			for _, c := range shown {
				fmt.Fprintf(&b, " %s |", c.heading)
			}
			fmt.Fprint(&b, " a call's cost | calls late p99 | answers late p99 | busy |\n|---|--:|")
			for range shown {
				fmt.Fprint(&b, "--:|")
			}
			fmt.Fprintln(&b, "--:|--:|--:|--:|")
		}
		fmt.Fprintf(&b, "| %s | %g |", p.Service, p.Load)
		for _, c := range shown {
			if row := p.row(c.figure); row != nil {
				fmt.Fprintf(&b, " %s → %s%s |", simulated(row), row.Text(row.Real), signs[row.Verdict])
			} else {
				fmt.Fprint(&b, " |")
			}
		}
		cost := "?"
		if c := p.function().CostMs; c != nil {
			cost = fmt.Sprintf("%.2f ms", *c)
		}
		fmt.Fprintf(&b, " %s | %.1f ms | %.1f ms | %.0f %% |\n", cost, p.Result.Lag.P99Ms, p.Result.Oversleep.P99Ms, 100*p.Result.Usage.MachineCPU)
		for _, row := range p.function().Rows {
			if row.Verdict == live.Parts {
				parting++
			}
		}
	}
	n := map[string]int{}
	for i := range points {
		for _, row := range points[i].function().Rows {
			n[row.Verdict]++
		}
	}
	fmt.Fprintf(&b, "\n## Verdicts\n\n%d figures: %d in the simulations' range, %d in it with the cost of a call, %d in neither.\n",
		n[live.Same]+n[live.Agrees]+n[live.Costs]+n[live.Parts], n[live.Same]+n[live.Agrees], n[live.Costs], n[live.Parts])
	distances(&b, points)
	if parting == 0 {
		return b.Bytes()
	}
	fmt.Fprint(&b, "\nThose that part:\n\n| run | figure | 95 % of simulations | with a call's cost | simulated, with it | real | 95 % interval |\n|---|---|--:|--:|--:|--:|--:|\n")
	for i := range points {
		p := &points[i]
		for j := range p.function().Rows {
			if row := &p.function().Rows[j]; row.Verdict == live.Parts {
				fmt.Fprintf(&b, "| %s %s %g | %s | %s | %s | %s | %s | %s |\n", p.Setting, p.Service, p.Load, row.Figure,
					row.Span(&row.Simulated), row.Span(row.WithCost), simulated(row), row.Text(row.Real), row.Span(row.RealRange))
			}
		}
	}
	return b.Bytes()
}
