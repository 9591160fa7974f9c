package trace

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"simplane/sim/scenario"
)

// Azure2021 reads the 2021 layout: one row a call, with app, func, end_timestamp
// and duration in seconds. Each call begins at its time and takes what it took. The
// error names file and line.
func Azure2021(path string, o Options) (*Import, error) {
	im := &Import{source: "an Azure Functions 2021 trace"}
	t, err := open(path, "app", "func", "end_timestamp", "duration")
	if err != nil {
		return nil, err
	}
	byKey := map[[2]string]*function{}
	var all []*function
	err = t.each(func() error {
		end, err := t.seconds("end_timestamp", longestTrace)
		if err != nil {
			return err
		}
		took, err := t.seconds("duration", longestCall)
		if err != nil {
			return err
		}
		k := [2]string{t.get("app"), t.get("func")}
		f := byKey[k]
		if f == nil {
			if k[1] == "" {
				return fmt.Errorf("func is empty")
			}
			f = &function{key: k[0] + "/" + k[1]}
			f.name = f.key[len(k[0])+1:]
			byKey[[2]string{f.key[:len(k[0])], f.name}] = f
			all = append(all, f)
		}
		f.calls = append(f.calls, scenario.Call{At: end - took, Took: took, Timed: true})
		f.slowest = max(f.slowest, took)
		f.total++
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s:1: no calls below the header", path)
	}
	first, last, twice := longestTrace, -longestTrace, 0
	for _, f := range all {
		slices.SortFunc(f.calls, func(a, b scenario.Call) int {
			return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Took, b.Took))
		})
		first, last = min(first, f.calls[0].At), max(last, f.calls[len(f.calls)-1].At)
		twice += repeated(f.calls)
		f.slots = max(1, atOnce(f.calls))
	}
	// Times stay as far apart as they were; minutes stay minutes.
	begin := first.Truncate(time.Minute)
	if begin > first { // a call that began before the trace
		begin -= time.Minute
	}
	for _, f := range all {
		for i := range f.calls {
			f.calls[i].At -= begin
		}
	}
	if begin != 0 {
		im.note("0 is %v in the trace.", begin)
	}
	im.count(twice, "%d calls have the function, begin and duration of another: all of them count.")
	minutes := (last - begin) / time.Minute
	if err := im.build(all, (minutes+1)*time.Minute, o); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return im, nil
}

// repeated is how many of the calls, which are in order of their times and then of
// what they took, are equal to the one before.
func repeated(calls []scenario.Call) (n int) {
	for i := 1; i < len(calls); i++ {
		if calls[i] == calls[i-1] {
			n++
		}
	}
	return n
}

// atOnce is how many of the calls were under way at a time, at most. One that
// begins when another ends needs a place of its own.
func atOnce(calls []scenario.Call) int {
	ends := make([]time.Duration, len(calls))
	for i := range calls {
		ends[i] = calls[i].At + calls[i].Took
	}
	slices.Sort(ends)
	most, ended := 0, 0
	for i := range calls {
		for ends[ended] < calls[i].At {
			ended++
		}
		most = max(most, i+1-ended)
	}
	return most
}
