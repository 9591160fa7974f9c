package trace

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"simplane/sim/scenario"
)

// durationColumns are the percentiles of the 2019 durations file.
var durationColumns = []float64{0, 1, 25, 50, 75, 99, 100}

// dayMinutes is how many minutes a published day has.
const dayMinutes = 1440

// Azure2019 reads the 2019 layout: invocations per minute, durations in
// milliseconds, and (memory may be "") allocated megabytes. The error names file
// and line.
func Azure2019(invocations, durations, memory string, o Options) (*Import, error) {
	im := &Import{source: "an Azure Functions 2019 trace"}
	d, err := im.readInvocations(invocations)
	if err != nil {
		return nil, err
	}
	if err := d.readDurations(durations); err != nil {
		return nil, err
	}
	if memory != "" {
		if err := d.readMemory(memory); err != nil {
			return nil, err
		}
	}
	timed, err := d.withDurations()
	if err != nil {
		return nil, fmt.Errorf("%s: %w, of those that %s has; give the files of one day", durations, err, invocations)
	}
	for _, f := range timed {
		f.sizes2019()
	}
	if err := im.build(timed, time.Duration(d.minutes)*time.Minute, o); err != nil {
		return nil, fmt.Errorf("%s: %w", invocations, err)
	}
	return im, nil
}

// day is the files of a day while they are read.
type day struct {
	*Import
	all     []*function
	byKey   map[[3]string]*function // by owner, application and function
	byApp   map[[2]string][]*function
	minutes int
}

// withDurations leaves out the functions whose durations are not known, which
// the published days have too. The error is for no function with durations.
func (d *day) withDurations() (timed []*function, err error) {
	without, calls, idle := 0, 0, 0
	for _, f := range d.all {
		switch {
		case f.total == 0:
			idle++
		case f.percentiles == nil:
			without++
			calls += f.total
		default:
			timed = append(timed, f)
		}
	}
	if without > 0 && len(timed) == 0 {
		return nil, fmt.Errorf("no durations of any function")
	}
	d.count(idle, "%d functions without a call are left out.")
	if without > 0 {
		d.note("%d functions without durations are left out, with %d invocations.", without, calls)
	}
	return timed, nil
}

// key says which function a row is of: its owner, application and name. It shares
// the memory of the row.
func key(t *table) (key [3]string, err error) {
	for i, column := range []string{"HashOwner", "HashApp", "HashFunction"} {
		key[i] = t.get(column)
	}
	if key[2] == "" {
		return key, fmt.Errorf("HashFunction is empty")
	}
	return key, nil
}

// minuteColumns are the columns 1, 2, 3 and so on. The error is for a gap: behind
// it the day would be lost.
func minuteColumns(t *table) ([]int, error) {
	last := 0
	for _, name := range t.head {
		if n, err := strconv.Atoi(name); err == nil && strconv.Itoa(n) == name && n > 0 && n <= 100*dayMinutes {
			last = max(last, n)
		}
	}
	at := make([]int, last)
	for i := range at {
		column := strconv.Itoa(i + 1)
		if !t.has(column) {
			return nil, fmt.Errorf("%s:1: no column %q, and the last minute is %d; the days of the data set have one for each minute", t.path, column, last)
		}
		at[i] = t.cols[column]
	}
	return at, nil
}

func (im *Import) readInvocations(path string) (*day, error) {
	d := &day{Import: im, byKey: map[[3]string]*function{}, byApp: map[[2]string][]*function{}}
	t, err := open(path, "HashFunction", "1")
	if err != nil {
		return nil, err
	}
	minutes, err := minuteColumns(t)
	if err != nil {
		t.f.Close()
		return nil, err
	}
	d.minutes = len(minutes)
	twice := 0
	err = t.each(func() error {
		k, err := key(t)
		if err != nil {
			return err
		}
		if d.byKey[k] != nil {
			twice++
			return nil
		}
		f := &function{key: strings.Join(k[:], "/")}
		f.name = f.key[len(f.key)-len(k[2]):]
		k = [3]string{f.key[:len(k[0])], f.key[len(k[0])+1:][:len(k[1])], f.name}
		if f.counts, f.total, err = minuteCounts(t, minutes); err != nil {
			return err
		}
		d.byKey[k] = f
		app := [2]string(k[:2])
		d.byApp[app] = append(d.byApp[app], f)
		d.all = append(d.all, f)
		return nil
	})
	d.count(twice, "%d rows of functions that are there twice are left out: the first one counts.")
	if d.minutes != dayMinutes {
		d.note("%d minutes; a whole day has %d.", d.minutes, dayMinutes)
	}
	return d, err
}

func minuteCounts(t *table, minutes []int) (counts []int32, total int, err error) {
	counts = make([]int32, len(minutes))
	for i, at := range minutes {
		cell := t.cells[at]
		if cell == "0" {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(cell), 10, 31)
		if err != nil || n > maxPerMinute {
			return nil, 0, fmt.Errorf("minute %d: %q is not a number of invocations from 0 to %d", i+1, cell, maxPerMinute)
		}
		counts[i] = int32(n)
		total += int(n)
	}
	return counts, total, nil
}

// maxPerMinute is how many calls a scenario's minute can have.
const maxPerMinute = 1_000_000_000

// readDurations gives functions their distributions: by the percentiles that the
// file has, up to the slowest call, with the mean that it says.
func (d *day) readDurations(path string) error {
	t, err := open(path, "HashFunction", "percentile_Average_50")
	if err != nil {
		return err
	}
	var absent []string
	for _, rank := range durationColumns {
		if column := percentileColumn(rank); !t.has(column) {
			absent = append(absent, column)
		}
	}
	for _, column := range []string{"Average", "Maximum"} {
		if !t.has(column) {
			absent = append(absent, column)
		}
	}
	if len(absent) > 0 {
		d.note("The durations have no columns %s: what these say of the slow calls is lost.", strings.Join(absent, ", "))
	}
	var unknown, twice, bent, falling int
	err = t.each(func() error {
		k, err := key(t)
		if err != nil {
			return err
		}
		f := d.byKey[k]
		switch {
		case f == nil:
			unknown++
			return nil
		case f.percentiles != nil:
			twice++
			return nil
		}
		row, err := f.distribution(t)
		if row.falls {
			falling++
		}
		if row.impossible {
			bent++
		}
		return err
	})
	d.count(unknown, "%d rows of durations are of functions without invocations.")
	d.count(twice, "%d rows of durations are of functions that have some: the first ones count.")
	d.count(falling, "%d functions have a percentile, or a Maximum, below the percentile before it: it counts as that one.")
	d.count(bent, "%d functions have an Average that their percentiles do not allow: they come as near to it as those do.")
	return err
}

func percentileColumn(rank float64) string { return "percentile_Average_" + strconv.Itoa(int(rank)) }

// oddities are what is wrong with a function's row of durations.
type oddities struct {
	falls      bool // a percentile is below the one before it, or the maximum below all
	impossible bool // no distribution with these percentiles has the mean
}

// distribution reads a function's row.
func (f *function) distribution(t *table) (row oddities, err error) {
	last := time.Duration(0)
	for _, rank := range durationColumns {
		column := percentileColumn(rank)
		if !t.has(column) {
			continue
		}
		d, err := t.millis(column)
		if err != nil {
			return row, err
		}
		row.falls = row.falls || d < last
		last = max(last, d)
		f.percentiles = append(f.percentiles, scenario.Percentile{Rank: rank, Value: last})
	}
	if t.has("Maximum") { // the percentiles are of averages: one call can be slower
		most, err := t.millis("Maximum")
		if err != nil {
			return row, err
		}
		row.falls = row.falls || most < last
		end := &f.percentiles[len(f.percentiles)-1]
		switch {
		case end.Rank < 100:
			f.percentiles = append(f.percentiles, scenario.Percentile{Rank: 100, Value: max(most, last)})
		default:
			end.Value = max(end.Value, most)
		}
	}
	if !t.has("Average") {
		return row, nil
	}
	mean, err := t.millis("Average")
	if err == nil {
		possible := true
		f.percentiles, possible = withMean(f.percentiles, mean)
		row.impossible = !possible
	}
	return row, err
}

// readMemory reads the megabytes of functions, or as they were published of whole
// applications.
func (d *day) readMemory(path string) error {
	t, err := open(path, "HashApp", "AverageAllocatedMb")
	if err != nil {
		return err
	}
	unknown := 0
	err = t.each(func() error {
		text := strings.Clone(t.get("AverageAllocatedMb"))
		if _, ok := number(text); !ok {
			return fmt.Errorf("AverageAllocatedMb: %q is not a number from 0 on", text)
		}
		if !t.has("HashFunction") {
			of := d.byApp[[2]string{t.get("HashOwner"), t.get("HashApp")}]
			if len(of) == 0 {
				unknown++
			}
			for _, f := range of {
				f.memory = text + " MB on average in its application"
			}
			return nil
		}
		k, err := key(t)
		if f := d.byKey[k]; f != nil {
			f.memory = text + " MB on average"
		} else {
			unknown++
		}
		return err
	})
	d.count(unknown, "%d rows of memory are of functions without invocations.")
	return err
}

// sizes2019 gives a function the slots for the calls that its busiest minute makes
// one of, and some more for their being at random times in it.
func (f *function) sizes2019() {
	atOnce := float64(slices.Max(f.counts)) / 60 * meanOf(f.percentiles).Seconds()
	f.slots = max(leastSlots, enough(atOnce))
	f.slowest = f.percentiles[len(f.percentiles)-1].Value
}
