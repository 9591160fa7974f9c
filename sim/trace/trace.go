// Package trace turns public invocation traces into scenarios: the per-minute
// counts of the Azure Functions 2019 data set, and the single invocations of
// the 2021 one.
package trace

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"simplane/sim/scenario"
)

// Options shape the scenario.
type Options struct {
	Name string
	Seed uint64
	// Within is how arrivals lie inside a minute: uniform or poisson.
	Within string
	// Functions > 0 keeps only that many, the busiest.
	Functions int
}

// function is one function of a trace.
type function struct {
	key         string // owner, app and function
	hash        string // what it is named after
	counts      []int  // per minute
	total       int
	percentiles []scenario.Percentile
	memory      string // for the comment
}

// maxFunctions is what a scenario can hold.
const maxFunctions = 10_000

// build makes the scenario of a trace's functions, and its head comment.
func build(all []*function, minutes int, source string, o Options) (*scenario.Scenario, string, error) {
	all = slices.DeleteFunc(all, func(f *function) bool { return f.total == 0 })
	if len(all) == 0 {
		return nil, "", errors.New("the trace has no invocations")
	}
	limit := maxFunctions
	if o.Functions > 0 {
		limit = o.Functions
	}
	skipped := max(0, len(all)-limit)
	slices.SortStableFunc(all, func(a, b *function) int { return b.total - a.total })
	all = all[:len(all)-skipped]

	sc := scenario.New()
	sc.Name, sc.Seed = o.Name, o.Seed
	sc.Duration = time.Duration(minutes) * time.Minute
	sc.Core.RateMaxPerSecond = 0
	comment := []string{"Made by `simplane sim import-trace` from " + source + "."}
	if skipped > 0 {
		comment = append(comment, fmt.Sprintf("The %d least busy functions are left out.", skipped))
	}
	total := 0
	used := map[string]bool{}
	for _, f := range all {
		fn := scenario.NewFunction()
		fn.Name = uniqueName(f.hash, used)
		fn.Concurrency, fn.QueueSize, fn.MaxRetries = 16, 10_000, 0
		fn.Behavior.Latency = scenario.Latency{Distribution: "empirical", Percentiles: f.percentiles}
		slowest := f.percentiles[len(f.percentiles)-1].Value
		fn.TimeoutMillis = max(fn.TimeoutMillis, int(min(2*slowest, 24*time.Hour)/time.Millisecond)+1)
		sc.Functions = append(sc.Functions, fn)
		sc.Load = append(sc.Load, scenario.Load{
			Function: fn.Name, Mode: "enqueue",
			Arrivals: scenario.Arrivals{Process: "trace", Counts: f.counts, Within: o.Within},
		})
		line := fmt.Sprintf("%s: %s, %d invocations", fn.Name, f.key, f.total)
		if f.memory != "" {
			line += ", " + f.memory
		}
		if len(all) <= 50 {
			comment = append(comment, line)
		}
		total += f.total
	}
	sc.Description = fmt.Sprintf("%d functions, %d invocations in %v", len(all), total, sc.Duration)
	if o.Within == "uniform" {
		sc.Expect = []scenario.Check{{Count: "offered", Op: "==", Value: strconv.Itoa(total)}}
	}
	return &sc, strings.Join(comment, "\n"), nil
}

func uniqueName(hash string, used map[string]bool) string {
	for n := min(8, len(hash)); ; n++ {
		name := "fn-" + hash[:min(n, len(hash))]
		if n > len(hash) {
			name += "-" + strconv.Itoa(n-len(hash)+1)
		}
		if !used[name] {
			used[name] = true
			return name
		}
	}
}

// table is a CSV file read row by row, with its header.
type table struct {
	path string
	r    *csv.Reader
	f    *os.File
	cols map[string]int
	head []string
}

func open(path string, needed ...string) (*table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	t := &table{path: path, f: f, r: csv.NewReader(f), cols: map[string]int{}}
	t.r.ReuseRecord = true
	head, err := t.r.Read()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s:1: no header: %w", path, err)
	}
	t.head = slices.Clone(head)
	for i, name := range t.head {
		t.cols[strings.TrimPrefix(strings.TrimSpace(name), "\ufeff")] = i
	}
	for _, name := range needed {
		if _, ok := t.cols[name]; !ok {
			f.Close()
			return nil, fmt.Errorf("%s:1: no column %q; is this the file meant?", path, name)
		}
	}
	return t, nil
}

// each calls row for every row; get finds a column, "" when it is absent. An
// error of row gets the file and line put in front.
func (t *table) each(row func(get func(string) string, cells []string) error) error {
	defer t.f.Close()
	for {
		cells, err := t.r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", t.path, err)
		}
		get := func(name string) string {
			if i, ok := t.cols[name]; ok {
				return strings.TrimSpace(cells[i])
			}
			return ""
		}
		if err := row(get, cells); err != nil {
			line, _ := t.r.FieldPos(0)
			return fmt.Errorf("%s:%d: %w", t.path, line, err)
		}
	}
}

// scaled reads a number in some unit as a duration.
func scaled(column, s string, unit time.Duration) (time.Duration, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || v < 0 || v > float64(100*24*time.Hour)/float64(unit) {
		return 0, fmt.Errorf("%s: %q is not a duration", column, s)
	}
	return time.Duration(math.Round(v * float64(unit))).Round(time.Microsecond), nil
}
