package sweep

import (
	"context"
	"fmt"
	"math"

	"simplane/sim/scenario"
)

// Comparison is two scenarios side by side, run with the same seeds.
type Comparison struct {
	A     string `json:"a"`
	B     string `json:"b"`
	Seed  uint64 `json:"seed"` // the first
	Seeds int    `json:"seeds"`
	Rows  []Row  `json:"figures"`
	// Broken is an invariant that a run broke.
	Broken string `json:"broken,omitempty"`
}

// Row is a figure of both. Difference is B less A, seed by seed: its interval is
// narrower than those of A and B where what chance does to both is the same.
type Row struct {
	Figure     string   `json:"figure"`
	A          Interval `json:"a"`
	B          Interval `json:"b"`
	Difference Interval `json:"difference"`
	Differs    bool     `json:"differs"` // the difference's interval leaves out 0

	figure *figure
}

// Changed is sc with settings as of --set: SETTING=VALUE,SETTING=VALUE.
func Changed(sc *scenario.Scenario, settings string) (*scenario.Scenario, error) {
	changed := sc.Clone()
	if err := changed.Set(settings); err != nil {
		return nil, err
	}
	return changed, nil
}

// Compare runs a and b, which go by names.
func Compare(ctx context.Context, a, b *scenario.Scenario, nameA, nameB string, o Options) (*Comparison, error) {
	c := &Comparison{A: nameA, B: nameB, Seed: a.Seed, Seeds: o.Seeds}
	from := *b
	from.Seed = a.Seed // the same seeds
	runs, err := runAll(ctx, []*scenario.Scenario{a, &from}, standard, o)
	if err != nil {
		return nil, err
	}
	for f := range standard {
		var values [3][]float64
		for i := range o.Seeds {
			was, is := runs[0][i].values[f], runs[1][i].values[f]
			for j, v := range []float64{was, is, is - was} {
				values[j] = append(values[j], v)
			}
		}
		row := Row{Figure: standard[f].Name, A: interval(values[0]), B: interval(values[1]), Difference: interval(values[2]), figure: &standard[f]}
		d := row.Difference
		row.Differs = d.Runs > 1 && math.Abs(d.Mean) > d.Half || d.Runs == 1 && d.Mean != 0
		c.Rows = append(c.Rows, row)
	}
	for side, all := range runs {
		for i := range all {
			if all[i].broken != "" && c.Broken == "" {
				c.Broken = fmt.Sprintf("%s: %s", []string{nameA, nameB}[side], all[i].broken)
			}
		}
	}
	return c, nil
}
