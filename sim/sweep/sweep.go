// Package sweep runs a scenario with many settings and several seeds each, and says
// what they come to: with intervals, and which is the cheapest that keeps an SLO.
package sweep

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"

	"simplane/sim"
	"simplane/sim/scenario"
)

// Options of a sweep.
type Options struct {
	Seeds int // runs of each setting: with the scenario's seed, the next one, and so on
	SLOs  []SLO
	// Progress is called after each run, from several goroutines. May be nil.
	Progress func(done, of int)
}

// Result is a grid of settings.
type Result struct {
	Scenario string   `json:"scenario"`
	Seed     uint64   `json:"seed"` // the first
	Seeds    int      `json:"seeds"`
	Axes     []Axis   `json:"axes"`
	Figures  []string `json:"figures"`
	SLOs     []SLO    `json:"slo,omitempty"`
	Cells    []Cell   `json:"cells"`              // the last axis runs fastest
	Cheapest *int     `json:"cheapest,omitempty"` // number of the cell; absent = none, or no SLO
}

// Cell is one setting.
type Cell struct {
	Values  []string   `json:"values"` // by axis
	Figures []Interval `json:"figures"`
	SLO     []Interval `json:"sloFigures,omitempty"`
	Kept    bool       `json:"kept"`
	Broken  string     `json:"broken,omitempty"` // an invariant that a run broke
}

// grid makes the scenario of each cell. The error is for one that cannot be.
func grid(sc *scenario.Scenario, axes []Axis) (cells []Cell, all []*scenario.Scenario, err error) {
	n := 1
	for i := range axes {
		for j := range i {
			if axes[i].Path == axes[j].Path {
				return nil, nil, fmt.Errorf("--set %s is given twice; give all its values at once", axes[i].Path)
			}
		}
		if n *= len(axes[i].Values); n > maxCells {
			return nil, nil, fmt.Errorf("more than %d settings; use fewer values", maxCells)
		}
	}
	for number := range n {
		c, changed := Cell{Values: make([]string, len(axes))}, sc.Clone()
		for i, rest := len(axes)-1, number; i >= 0; i-- {
			a := &axes[i]
			c.Values[i] = a.Values[rest%len(a.Values)]
			rest /= len(a.Values)
		}
		for i := range axes {
			if err := changed.Set(axes[i].Path + "=" + c.Values[i]); err != nil {
				return nil, nil, err
			}
		}
		cells, all = append(cells, c), append(all, changed)
	}
	return cells, all, nil
}

// Run runs the grid on all processors. The result is the same on any number of
// them. The error is for settings that cannot be, and the context's.
func Run(ctx context.Context, sc *scenario.Scenario, axes []Axis, o Options) (*Result, error) {
	if len(axes) == 0 {
		return nil, errors.New("no --set; give the values of at least one setting")
	}
	r := &Result{Scenario: sc.Name, Seed: sc.Seed, Seeds: o.Seeds, Axes: axes, SLOs: o.SLOs}
	for i := range standard {
		r.Figures = append(r.Figures, standard[i].Name)
	}
	cells, all, err := grid(sc, axes)
	if err != nil {
		return nil, err
	}
	wanted := append([]figure{}, standard...)
	for i := range o.SLOs {
		wanted = append(wanted, o.SLOs[i].figure)
	}
	runs, err := runAll(ctx, all, wanted, o)
	if err != nil {
		return nil, err
	}
	r.Cells = cells
	for i := range r.Cells {
		r.Cells[i].summarise(runs[i], len(standard), o.SLOs)
	}
	if len(o.SLOs) > 0 {
		r.choose()
	}
	return r, nil
}

func (c *Cell) summarise(runs []outcome, standards int, slos []SLO) {
	c.Kept = true
	for f := range runs[0].values {
		values := make([]float64, len(runs))
		for i := range runs {
			values[i] = runs[i].values[f]
		}
		in := interval(values)
		if f < standards {
			c.Figures = append(c.Figures, in)
			continue
		}
		c.SLO = append(c.SLO, in)
		c.Kept = c.Kept && in.Runs == len(runs) && slos[f-standards].kept(in)
	}
	for i := range runs {
		if c.Broken == "" {
			c.Broken = runs[i].broken
		}
	}
}

// choose finds the cheapest cell that keeps the SLOs, the first of equal ones.
func (r *Result) choose() {
	cheapest, least := -1, math.Inf(1)
	for i := range r.Cells {
		if c := &r.Cells[i]; c.Kept && c.Broken == "" && c.Figure(costFigure).Mean < least {
			cheapest, least = i, c.Figure(costFigure).Mean
		}
	}
	if cheapest >= 0 {
		r.Cheapest = &cheapest
	}
}

// Figure is a cell's standard figure of a name.
func (c *Cell) Figure(name string) Interval { return c.Figures[standardFigure(name)] }

// Broken is an invariant that some run broke; "" = none did.
func (r *Result) Broken() string {
	for i := range r.Cells {
		if c := &r.Cells[i]; c.Broken != "" {
			return fmt.Sprintf("%v: %s", c.Values, c.Broken)
		}
	}
	return ""
}

// outcome is what one run came to.
type outcome struct {
	values []float64 // by figure
	broken string
}

// runAll runs each scenario with all seeds, on all processors.
func runAll(ctx context.Context, all []*scenario.Scenario, wanted []figure, o Options) ([][]outcome, error) {
	out := make([][]outcome, len(all))
	for i := range out {
		out[i] = make([]outcome, o.Seeds)
	}
	total := len(all) * o.Seeds
	errs := make([]error, total)
	jobs := make(chan int)
	var mu sync.Mutex
	done := 0
	var wg sync.WaitGroup
	for range min(total, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for j := range jobs {
				errs[j] = runOne(all[j/o.Seeds], j%o.Seeds, wanted, &out[j/o.Seeds][j%o.Seeds])
				mu.Lock()
				done++
				if o.Progress != nil {
					o.Progress(done, total)
				}
				mu.Unlock()
			}
		})
	}
	for j := range total {
		if ctx.Err() != nil {
			break
		}
		jobs <- j
	}
	close(jobs)
	wg.Wait()
	return out, errors.Join(ctx.Err(), firstOf(errs))
}

func firstOf(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func runOne(sc *scenario.Scenario, seed int, wanted []figure, to *outcome) error {
	run := *sc
	run.Seed += uint64(seed)
	r, err := sim.Run(&run, sim.Options{})
	if err != nil {
		return err
	}
	if r.Violation != nil {
		to.broken = fmt.Sprintf("seed %d: %v", run.Seed, r.Violation)
	}
	for i := range wanted {
		to.values = append(to.values, wanted[i].of(&run, r))
	}
	return nil
}
