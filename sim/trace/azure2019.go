package trace

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"simplane/sim/scenario"
)

// durationColumns are the percentiles of the 2019 durations file.
var durationColumns = []float64{0, 1, 25, 50, 75, 99, 100}

// Azure2019 reads the 2019 layout: invocations per minute, durations in
// milliseconds, and (memory may be "") allocated megabytes. It returns the
// scenario and a comment for its head.
func Azure2019(invocations, durations, memory string, o Options) (*scenario.Scenario, string, error) {
	all, minutes, twice, err := readInvocations(invocations)
	if err != nil {
		return nil, "", err
	}
	byKey := map[string]*function{}
	for _, f := range all {
		byKey[f.key] = f
	}
	if err := readDurations(durations, byKey); err != nil {
		return nil, "", err
	}
	if memory != "" {
		if err := readMemory(memory, byKey); err != nil {
			return nil, "", err
		}
	}
	timed, without, calls, err := withDurations(all)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w, of those that %s has; give the files of one day", durations, err, invocations)
	}
	sc, comment, err := build(timed, minutes, "an Azure Functions 2019 trace", o)
	if twice > 0 {
		comment += fmt.Sprintf("\n%d rows of functions that are there twice are left out: the first one counts.", twice)
	}
	if without > 0 {
		comment += fmt.Sprintf("\n%d functions without durations are left out, with %d invocations.", without, calls)
	}
	return sc, comment, err
}

// withDurations leaves out the functions whose durations are not known, which
// the published days have too, and says how many there are, with how many
// invocations. The error is for no function with durations.
func withDurations(all []*function) (timed []*function, without, calls int, err error) {
	for _, f := range all {
		switch {
		case f.total == 0:
		case f.percentiles == nil:
			without++
			calls += f.total
		default:
			timed = append(timed, f)
		}
	}
	if without > 0 && len(timed) == 0 {
		return nil, 0, 0, fmt.Errorf("no durations of any function")
	}
	return timed, without, calls, nil
}

func key(get func(string) string) (key, hash string, err error) {
	hash = get("HashFunction")
	if hash == "" {
		return "", "", fmt.Errorf("HashFunction is empty")
	}
	for _, r := range hash {
		if !strings.ContainsRune("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", r) {
			return "", "", fmt.Errorf("HashFunction %q is not letters and digits", hash)
		}
	}
	return get("HashOwner") + "/" + get("HashApp") + "/" + hash, hash, nil
}

func readInvocations(path string) (all []*function, minutes, twice int, err error) {
	t, err := open(path, "HashFunction", "1")
	if err != nil {
		return nil, 0, 0, err
	}
	for t.has(strconv.Itoa(minutes + 1)) {
		minutes++
	}
	seen := map[string]bool{}
	err = t.each(func(get func(string) string, _ []string) error {
		f := &function{counts: make([]int, minutes)}
		var err error
		if f.key, f.hash, err = key(get); err != nil {
			return err
		}
		if seen[f.key] {
			twice++
			return nil
		}
		seen[f.key] = true
		for i := range f.counts {
			n, err := strconv.ParseInt(get(strconv.Itoa(i+1)), 10, 32)
			if err != nil || n < 0 {
				return fmt.Errorf("minute %d: %q is not a number of invocations", i+1, get(strconv.Itoa(i+1)))
			}
			f.counts[i] = int(n)
			f.total += int(n)
		}
		all = append(all, f)
		return nil
	})
	return all, minutes, twice, err
}

func (t *table) has(column string) bool {
	_, ok := t.cols[column]
	return ok
}

func readDurations(path string, byKey map[string]*function) error {
	t, err := open(path, "HashFunction", "percentile_Average_50")
	if err != nil {
		return err
	}
	return t.each(func(get func(string) string, _ []string) error {
		k, _, err := key(get)
		f := byKey[k]
		if err != nil || f == nil {
			return err
		}
		f.percentiles = nil
		last := time.Duration(0)
		for _, rank := range durationColumns {
			column := "percentile_Average_" + strconv.Itoa(int(rank))
			if !t.has(column) {
				continue
			}
			d, err := scaled(column, get(column), time.Millisecond)
			if err != nil {
				return err
			}
			last = max(last, d) // averages over intervals need not be in order
			f.percentiles = append(f.percentiles, scenario.Percentile{Rank: rank, Value: last})
		}
		return nil
	})
}

func readMemory(path string, byKey map[string]*function) error {
	t, err := open(path, "HashFunction", "AverageAllocatedMb")
	if err != nil {
		return err
	}
	return t.each(func(get func(string) string, _ []string) error {
		k, _, err := key(get)
		if f := byKey[k]; f != nil && err == nil {
			f.memory = get("AverageAllocatedMb") + " MB on average"
		}
		return err
	})
}
