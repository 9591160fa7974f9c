package whatif

import (
	"fmt"
	"runtime"
	"slices"
	"sync"

	"simplane/core"
	"simplane/sim"
	"simplane/sim/history"
	"simplane/sim/scenario"
)

// Comparison is what was recorded beside what is simulated.
type Comparison struct {
	Recorded history.Figures `json:"recorded"`
	// Simulated are the scenario as it was recorded, whose distance from Recorded
	// is the model's own error, and then with each of the settings.
	Simulated []Variant `json:"simulated"`
	Seconds   float64   `json:"seconds"`
	Seeds     int       `json:"seeds"`
	Notes     []string  `json:"notes"`

	RecordedHistory *history.History `json:"-"`
}

// Variant is a scenario run with several seeds.
type Variant struct {
	Settings string            `json:"settings"` // "" = as recorded
	Runs     []history.Figures `json:"runs"`
	// First is what the first seed came to.
	First *history.History `json:"-"`
}

// Compare runs the scenario that was made of recorded, as it is and with each of
// the settings (see scenario.Scenario.Set), with seeds 1 to seeds. The error is
// for settings that cannot be, and says of which.
func Compare(sc *scenario.Scenario, recorded *history.History, settings []string, seeds int) (*Comparison, error) {
	c := &Comparison{Seconds: recorded.Length().Seconds(), Seeds: seeds, RecordedHistory: recorded}
	functions := functionsOf(sc, recorded)
	c.Recorded = recorded.Of(functions...)
	var all []*scenario.Scenario
	for _, s := range append([]string{""}, settings...) {
		changed := sc.Clone()
		if s != "" {
			if err := changed.Set(s); err != nil {
				return nil, err
			}
		}
		all = append(all, changed)
		c.Simulated = append(c.Simulated, Variant{Settings: s, Runs: make([]history.Figures, seeds)})
	}
	type job struct{ variant, seed int }
	jobs := make(chan job)
	errs := make([]error, len(all)*seeds)
	var wg sync.WaitGroup
	for range min(len(errs), runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for j := range jobs {
				v := &c.Simulated[j.variant]
				h, err := simulate(all[j.variant], j.seed, len(recorded.Functions[0].Plot.Queued))
				if errs[j.variant*seeds+j.seed] = err; err != nil {
					continue
				}
				v.Runs[j.seed] = h.Of(functionsOf(sc, h)...)
				if j.seed == 0 {
					v.First = h
				}
			}
		})
	}
	for i := range errs {
		jobs <- job{i / seeds, i % seeds}
	}
	close(jobs)
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Simulated[i/seeds].Label(), err)
		}
	}
	return c, nil
}

// functionsOf are the functions of the scenario in h.
func functionsOf(sc *scenario.Scenario, h *history.History) (all []*history.Function) {
	for i := range sc.Functions {
		if f := h.Find(sc.Functions[i].Name); f != nil {
			all = append(all, f)
		}
	}
	return all
}

// simulate tells what became of a run's calls up to the end of the load, as Read
// does of a recording's.
func simulate(sc *scenario.Scenario, seed, bins int) (*history.History, error) {
	run := *sc
	run.Seed = uint64(seed) + 1
	r := &recorder{sc: sc, bins: bins}
	if _, err := sim.Run(&run, sim.Options{Recorder: r, Unchecked: true}); err != nil {
		return nil, err
	}
	r.Close()
	return r.History, nil
}

// recorder is a history that begins with the first function's state.
type recorder struct {
	*history.History
	sc   *scenario.Scenario
	bins int
}

func (r *recorder) Base(b *core.Base) {
	if r.History == nil {
		r.History = history.New(history.Options{From: b.Mono, Until: b.Mono + int64(r.sc.Duration), StaleTTL: r.sc.Core.StaleTTL, Bins: r.bins})
	}
	r.History.Base(b)
}

// Label is what the variant goes by.
func (v *Variant) Label() string {
	if v.Settings == "" {
		return "as recorded"
	}
	return v.Settings
}

// middle is the median of a figure over the runs, and its least and largest.
func (v *Variant) middle(figure func(*history.Figures) float64) (median, least, most float64) {
	values := make([]float64, len(v.Runs))
	for i := range v.Runs {
		values[i] = figure(&v.Runs[i])
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2, values[0], values[n-1]
}
