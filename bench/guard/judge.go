package guard

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
)

// Row is one benchmark's comparison in one unit.
type Row struct {
	Name       string  `json:"name"`
	Unit       string  `json:"unit"` // sec/op, B/op or allocs/op
	Base       float64 `json:"base"` // medians
	Head       float64 `json:"head"`
	P          float64 `json:"p"` // Mann-Whitney U, two-sided
	Regressed  bool    `json:"regressed"`
	Improved   bool    `json:"improved"`
	Difference string  `json:"difference"` // "~" when none is shown
}

// Result of a check.
type Result struct {
	Base  string  `json:"base"`
	Alpha float64 `json:"alphaPerTest"` // after dividing by the number of tests
	Rows  []Row   `json:"rows"`
}

// Regressions counts the rows that got worse.
func (r *Result) Regressions() int {
	n := 0
	for _, row := range r.Rows {
		if row.Regressed {
			n++
		}
	}
	return n
}

type key struct{ name, unit string }

// measurements are the values of both sides: 0 base, 1 head.
type measurements struct {
	order  []key
	values map[key]*[2][]float64
}

func newMeasurements() *measurements { return &measurements{values: make(map[key]*[2][]float64)} }

// units that are judged; custom metrics have no known direction.
var units = []string{"sec/op", "B/op", "allocs/op"}

func (m *measurements) add(side int, text string) error {
	r := benchfmt.NewReader(strings.NewReader(text), "")
	for r.Scan() {
		res, ok := r.Result().(*benchfmt.Result)
		if !ok {
			continue
		}
		for _, v := range res.Values {
			if !slices.Contains(units, v.Unit) {
				continue
			}
			k := key{string(res.Name), v.Unit}
			if m.values[k] == nil {
				m.values[k] = new([2][]float64)
				m.order = append(m.order, k)
			}
			m.values[k][side] = append(m.values[k][side], v.Value)
		}
	}
	return r.Err()
}

func (m *measurements) judge(base string, o Options) (*Result, error) {
	common := slices.DeleteFunc(slices.Clone(m.order), func(k key) bool {
		v := m.values[k]
		return len(v[0]) == 0 || len(v[1]) == 0
	})
	if len(common) == 0 {
		return nil, fmt.Errorf("base %.12s and the working tree have no benchmark in common: nothing was compared", base)
	}
	// Many tests make a small chance of error a large one, so each gets its
	// share of it (Bonferroni).
	alpha := o.Alpha / float64(len(common))
	if p := smallestP(o.Rounds); p >= alpha {
		return nil, fmt.Errorf("%d rounds cannot show a difference in %d tests at alpha %v: use more rounds", o.Rounds, len(common), o.Alpha)
	}
	out := &Result{Base: base, Alpha: alpha}
	for _, k := range common {
		out.Rows = append(out.Rows, compare(k, m.values[k], alpha, o.Threshold))
	}
	return out, nil
}

func compare(k key, v *[2][]float64, alpha, threshold float64) Row {
	t := &benchmath.Thresholds{CompareAlpha: alpha}
	a, b := benchmath.NewSample(slices.Clone(v[0]), t), benchmath.NewSample(slices.Clone(v[1]), t)
	c := benchmath.AssumeNothing.Compare(a, b)
	row := Row{
		Name: k.name, Unit: k.unit, P: c.P,
		Base: benchmath.AssumeNothing.Summary(a, 0.95).Center, Head: benchmath.AssumeNothing.Summary(b, 0.95).Center,
	}
	row.Difference = c.FormatDelta(row.Base, row.Head)
	if k.unit == "allocs/op" {
		threshold = 0
	}
	significant := c.P < c.Alpha
	row.Regressed = significant && row.Head > row.Base*(1+threshold)
	row.Improved = significant && row.Head < row.Base
	return row
}

// Text prints the table.
func (r *Result) Text(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "base %.12s against the working tree, Mann-Whitney U, alpha %.2g for each test\n", r.Base, r.Alpha)
	fmt.Fprintln(tw, "benchmark\tunit\tbase\thead\tdifference\tp\t")
	for _, row := range r.Rows {
		mark := ""
		switch {
		case row.Regressed:
			mark = "WORSE"
		case row.Improved:
			mark = "better"
		}
		fmt.Fprintf(tw, "%s\t%s\t%.4g\t%.4g\t%s\t%.4f\t%s\n", row.Name, row.Unit, row.Base, row.Head, row.Difference, row.P, mark)
	}
	return tw.Flush()
}
