// Package trace turns public invocation traces into scenarios: the per-minute
// counts of the Azure Functions 2019 data set, and the single invocations of
// the 2021 one.
package trace

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"simplane/core"
	"simplane/sim/scenario"
)

// Options shape the scenario.
type Options struct {
	Name string
	File string // where it will be written; its side files are named after it
	Seed uint64
	// Within is how arrivals lie inside a minute, of the 2019 layout: uniform or
	// poisson.
	Within string
	// Functions > 0 keeps only that many, the busiest.
	Functions int
}

// Import is a trace as a scenario.
type Import struct {
	Scenario *scenario.Scenario
	// Notes say what of the trace is not in the scenario, or not as it was, a
	// sentence each.
	Notes []string

	source string
	lines  []string // a line for each of a few functions
}

func (im *Import) note(format string, args ...any) {
	im.Notes = append(im.Notes, fmt.Sprintf(format, args...))
}

// count notes a number of things, unless there are none.
func (im *Import) count(n int, format string) {
	if n > 0 {
		im.note(format, n)
	}
}

// Comment is for the scenario's head.
func (im *Import) Comment() string {
	head := []string{"Made by `simplane sim import-trace` from " + im.source + "."}
	return strings.Join(slices.Concat(head, im.Notes, im.lines), "\n")
}

// function is one function of a trace.
type function struct {
	key    string // owner, app and function
	name   string // what it is named after
	memory string // for the comment
	total  int    // of its calls

	counts      []int32 // 2019: per minute
	percentiles []scenario.Percentile
	calls       []scenario.Call // 2021
	slowest     time.Duration
	slots       int // that its calls need
}

const (
	// leastSlots is the concurrency of a function of a 2019 trace, at least.
	leastSlots = 16
	queueSize  = 10_000
	// listed is how many functions are explained in the head.
	listed = 50
	// inline is how many counts there may be in the scenario itself.
	inline = 100_000
)

// enough is how many slots let calls begin at once that are that many on average
// and come at random times: six standard deviations more.
func enough(mean float64) int {
	return int(math.Ceil(min(mean+6*math.Sqrt(mean), core.MaxConcurrency+1)))
}

// build makes the scenario of a trace's functions.
func (im *Import) build(all []*function, duration time.Duration, o Options) error {
	all = slices.DeleteFunc(all, func(f *function) bool { return f.total == 0 })
	if len(all) == 0 {
		return errors.New("the trace has no invocations")
	}
	limit := scenario.MaxFunctions
	if o.Functions > 0 {
		limit = min(limit, o.Functions)
	}
	slices.SortStableFunc(all, func(a, b *function) int { return b.total - a.total })
	if skipped := all[min(len(all), limit):]; len(skipped) > 0 {
		calls := 0
		for _, f := range skipped {
			calls += f.total
		}
		im.note("The %d least busy functions are left out, with %d invocations.", len(skipped), calls)
		all = all[:limit]
	}
	b := &builder{im: im, o: o, sc: scenario.New(), used: map[string]bool{}}
	b.sc.Name, b.sc.Seed, b.sc.Duration, b.sc.Core.RateMaxPerSecond = o.Name, o.Seed, duration, 0
	cells := 0
	for _, f := range all {
		cells += len(f.counts)
	}
	b.inline = cells <= inline
	for _, f := range all {
		b.function(f, len(all) <= listed)
	}
	return b.finish()
}

type builder struct {
	im      *Import
	o       Options
	sc      scenario.Scenario
	used    map[string]bool
	inline  bool
	total   int
	calls   int // in side files
	renamed int
	crowded int // need more slots than a function can have
	timeout int // milliseconds, the longest
}

func (b *builder) function(f *function, explain bool) {
	fn := scenario.NewFunction()
	fn.Name = b.uniqueName(f.name)
	if f.slots > core.MaxConcurrency {
		b.crowded++
	}
	fn.Concurrency, fn.QueueSize, fn.MaxRetries = min(f.slots, core.MaxConcurrency), queueSize, 0
	if f.percentiles != nil {
		fn.Behavior.Latency = scenario.Latency{Distribution: "empirical", Percentiles: f.percentiles}
	}
	// No call runs into its timeout, or is stale before it ends.
	fn.TimeoutMillis = max(fn.TimeoutMillis, int(min(2*f.slowest/time.Millisecond+1, core.MaxTimeoutMillis)))
	b.timeout = max(b.timeout, fn.TimeoutMillis)
	b.sc.Functions = append(b.sc.Functions, fn)
	b.sc.Load = append(b.sc.Load, scenario.Load{Function: fn.Name, Mode: "enqueue", Arrivals: b.arrivals(f)})
	b.total += f.total
	if explain {
		line := fmt.Sprintf("%s: %s, %d invocations", fn.Name, printable(f.key), f.total)
		if f.memory != "" {
			line += ", " + f.memory
		}
		b.im.lines = append(b.im.lines, line)
	}
}

func (b *builder) arrivals(f *function) scenario.Arrivals {
	a := scenario.Arrivals{Process: "trace", Within: b.o.Within, Counts: f.counts}
	if f.calls != nil {
		calls, _ := scenario.SideFiles(b.o.File)
		b.calls += len(f.calls)
		return scenario.Arrivals{Process: "times", Within: "uniform", File: calls, Calls: f.calls}
	}
	if !b.inline {
		a.File = scenario.CountsFile(b.o.File)
	}
	return a
}

func (b *builder) finish() error {
	if b.calls > scenario.MaxRecorded {
		return fmt.Errorf("%d calls; a scenario has at most %d: cut the trace, or keep the busiest functions with --functions", b.calls, scenario.MaxRecorded)
	}
	b.sc.Core.StaleTTL = max(b.sc.Core.StaleTTL, 2*time.Duration(b.timeout)*time.Millisecond)
	b.im.count(b.renamed, "%d functions have other characters than letters and digits in their names: they are named with '-' in place of those.")
	b.im.count(b.crowded, "%d functions need more slots than a function can have: their calls wait, or are refused.")
	b.sc.Description = fmt.Sprintf("%d functions, %d invocations in %v", len(b.sc.Functions), b.total, b.sc.Duration)
	if b.calls > 0 || b.o.Within == "uniform" {
		b.sc.Expect = []scenario.Check{{Count: "offered", Op: "==", Value: strconv.Itoa(b.total)}}
	}
	b.im.Scenario = &b.sc
	return nil
}

// uniqueName is fn- and as much of a name as tells it from the others, at least
// eight characters.
func (b *builder) uniqueName(of string) string {
	plain := strings.Map(func(r rune) rune {
		if r < 128 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9') {
			return r
		}
		return '-'
	}, of)
	if plain != of {
		b.renamed++
	}
	plain = plain[:min(len(plain), maxName)]
	for n := min(8, len(plain)); ; n++ {
		name := strings.TrimRight("fn-"+plain[:min(n, len(plain))], "-")
		if n > len(plain) {
			name += "-" + strconv.Itoa(n-len(plain)+1)
		}
		if !b.used[name] {
			b.used[name] = true
			return name
		}
	}
}

// maxName leaves room for what is put before and behind a name.
const maxName = 100

// printable is a text as a comment can have it.
func printable(s string) string {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
