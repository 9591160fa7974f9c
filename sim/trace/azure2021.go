package trace

import (
	"fmt"
	"slices"
	"time"

	"simplane/sim/scenario"
)

// Azure2021 reads the 2021 layout: one row an invocation, with app, func,
// end_timestamp and duration in seconds. Starts are counted by the minute, and
// durations become percentiles.
func Azure2021(path string, o Options) (*scenario.Scenario, string, error) {
	t, err := open(path, "app", "func", "end_timestamp", "duration")
	if err != nil {
		return nil, "", err
	}
	type calls struct {
		starts    []time.Duration
		durations []time.Duration
	}
	byKey := map[string]*calls{}
	var order []*function
	err = t.each(func(get func(string) string, _ []string) error {
		end, err := scaled("end_timestamp", get("end_timestamp"), time.Second)
		if err != nil {
			return err
		}
		d, err := scaled("duration", get("duration"), time.Second)
		if err != nil {
			return err
		}
		f := &function{key: get("app") + "/" + get("func"), hash: get("func")}
		if f.hash == "" {
			return fmt.Errorf("func is empty")
		}
		c := byKey[f.key]
		if c == nil {
			c = &calls{}
			byKey[f.key] = c
			order = append(order, f)
		}
		c.starts = append(c.starts, max(0, end-d))
		c.durations = append(c.durations, d)
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	first, last := time.Duration(1<<62), time.Duration(0)
	for _, f := range order {
		first = min(first, slices.Min(byKey[f.key].starts))
		last = max(last, slices.Max(byKey[f.key].starts))
	}
	if len(order) == 0 {
		return nil, "", fmt.Errorf("%s: no invocations", path)
	}
	first = first.Truncate(time.Minute)
	minutes := int((last-first)/time.Minute) + 1
	for _, f := range order {
		c := byKey[f.key]
		f.counts = make([]int, minutes)
		for _, s := range c.starts {
			f.counts[(s-first)/time.Minute]++
		}
		f.total = len(c.starts)
		slices.Sort(c.durations)
		for _, rank := range durationColumns {
			at := int(rank) * (len(c.durations) - 1) / 100
			f.percentiles = append(f.percentiles, scenario.Percentile{Rank: rank, Value: c.durations[at]})
		}
	}
	return build(order, minutes, "an Azure Functions 2021 trace", o)
}
