// Package corebench measures the engine in process: its components one by one
// and the whole cycle, over goroutines and store sizes. It sees core as any
// caller does.
package corebench

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"simplane/bench/latency"
)

// Options of a measurement.
type Options struct {
	Cases      []Case
	Goroutines []int         // each 1..MaxGoroutines
	Sizes      []int         // stored executions, each 1..MaxSize
	Duration   time.Duration // of one timed stretch
	Rounds     int           // stretches of each kind, 1..MaxRounds
	Expiry     bool          // also measure expiry for each size
}

// Bounds of a measurement.
const (
	MaxGoroutines = 10_000
	MaxSize       = 20_000_000
	MaxRounds     = 100
)

// Validate reports what makes the options unusable.
func (o Options) Validate() error {
	for _, g := range o.Goroutines {
		if g < 1 || g > MaxGoroutines {
			return fmt.Errorf("goroutines %d is out of range: want 1 to %d", g, MaxGoroutines)
		}
	}
	for _, n := range o.Sizes {
		if n < 1 || n > MaxSize {
			return fmt.Errorf("size %d is out of range: want 1 to %d", n, MaxSize)
		}
	}
	switch {
	case len(o.Goroutines) == 0 || len(o.Goroutines) > 32:
		return fmt.Errorf("%d numbers of goroutines: want 1 to 32", len(o.Goroutines))
	case len(o.Sizes) == 0 || len(o.Sizes) > 32:
		return fmt.Errorf("%d sizes: want 1 to 32", len(o.Sizes))
	case o.Duration <= 0 || o.Duration > time.Hour:
		return fmt.Errorf("duration %v is out of range: want more than 0 and at most 1h", o.Duration)
	case o.Rounds < 1 || o.Rounds > MaxRounds:
		return fmt.Errorf("rounds %d is out of range: want 1 to %d", o.Rounds, MaxRounds)
	}
	return nil
}

// Row is one case at one number of goroutines and one store size.
type Row struct {
	Case       string `json:"case"`
	What       string `json:"what"`
	Goroutines int    `json:"goroutines"`
	Size       int    `json:"size,omitempty"`
	// Ops per second of all goroutines together; median and range over the
	// rounds.
	OpsPerSecond float64 `json:"opsPerSecond"`
	Slowest      float64 `json:"slowest"`
	Fastest      float64 `json:"fastest"`
	// AllocsPerOp and BytesPerOp are heap allocations.
	AllocsPerOp float64 `json:"allocsPerOp"`
	BytesPerOp  float64 `json:"bytesPerOp"`
	GCShare     float64 `json:"gcShare"` // of the CPU time used
	// Latency of single calls, sampled, reading the clock included.
	Latency latency.Summary `json:"latency"`
	// Unexpected counts calls that did not do what the case is about.
	Unexpected int64 `json:"unexpected,omitempty"`
}

// Expiry is what getting rid of a full store costs.
type Expiry struct {
	Size int `json:"size"`
	// NanosPerRecord of Sweep, and the longest single call in milliseconds.
	NanosPerRecord float64 `json:"nanosPerRecord"`
	LongestMs      float64 `json:"longestSweepMs"`
	Sweeps         int     `json:"sweeps"`
	// BytesPerRecord is the heap a stored execution takes.
	BytesPerRecord float64 `json:"bytesPerRecord"`
}

// Result of a measurement.
type Result struct {
	Rows        []Row    `json:"rows"`
	Expiry      []Expiry `json:"expiry,omitempty"`
	Findings    []string `json:"findings,omitempty"`
	Interrupted bool     `json:"interrupted,omitempty"`
}

// Unexpected counts all calls that did not do what their case is about.
func (r *Result) Unexpected() (n int64) {
	for _, row := range r.Rows {
		n += row.Unexpected
	}
	return n
}

// Run measures every case. progress, when not nil, is told what is measured.
func Run(ctx context.Context, o Options, progress func(string)) (*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if progress == nil {
		progress = func(string) {}
	}
	out := &Result{}
	room := availableMemory()
	sizes := slices.DeleteFunc(slices.Clone(o.Sizes), func(n int) bool {
		// Filling is refused beforehand rather than ended by the kernel.
		over := room > 0 && int64(n)*bytesGuess > room/2
		if over {
			out.Findings = append(out.Findings, fmt.Sprintf("size %d left out: it could take more than half of the %d MB available", n, room>>20))
		}
		return over
	})
	for _, c := range o.Cases {
		at := []int{0}
		if c.PerSize {
			at = sizes
		}
		for _, size := range at {
			if ctx.Err() != nil {
				break
			}
			progress(fmt.Sprintf("%s, size %d: setting up", c.Name, size))
			// One set-up serves all numbers of goroutines: filling a large
			// store takes longer than measuring it.
			op, err := c.setup(slices.Max(o.Goroutines), size)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.Name, err)
			}
			for _, g := range o.Goroutines {
				if ctx.Err() != nil {
					break
				}
				progress(fmt.Sprintf("%s, size %d: %d goroutines", c.Name, size, g))
				row := one(op, g, o)
				row.Case, row.What, row.Size = c.Name, c.What, size
				out.Rows = append(out.Rows, row)
			}
		}
	}
	for _, size := range sizes {
		if !o.Expiry || ctx.Err() != nil {
			break
		}
		progress(fmt.Sprintf("expiry, size %d", size))
		e, err := expire(size)
		if err != nil {
			return nil, err
		}
		out.Expiry = append(out.Expiry, e)
	}
	out.Interrupted = ctx.Err() != nil
	return out, nil
}

func one(op operation, goroutines int, o Options) Row {
	row := Row{Goroutines: goroutines}
	measure(op, goroutines, o.Duration/4) // warm up
	samples := latency.NewHistogram()
	var rates []float64
	var ops int64
	var allocs, bytes uint64
	for range o.Rounds {
		r := measure(op, goroutines, o.Duration)
		rates = append(rates, float64(r.ops)/r.elapsed.Seconds())
		ops += r.ops
		allocs, bytes = allocs+r.allocs, bytes+r.bytes
		row.Unexpected += r.bad
		row.GCShare += r.usage.GCCPU / float64(o.Rounds)
		samples.Merge(r.samples)
	}
	slices.Sort(rates)
	row.OpsPerSecond, row.Slowest, row.Fastest = rates[len(rates)/2], rates[0], rates[len(rates)-1]
	row.AllocsPerOp, row.BytesPerOp = float64(allocs)/float64(ops), float64(bytes)/float64(ops)
	row.Latency = latency.Summarize(samples, false)
	return row
}

// expire fills a store, lets everything grow old at once and sweeps it away.
func expire(size int) (Expiry, error) {
	debug.FreeOSMemory()
	before := heap()
	clock := &handClock{}
	c, err := engine(cycleConfig(), clock, instant{}, 1, 1000, 1000)
	if err != nil {
		return Expiry{}, err
	}
	if err := fill(c, size); err != nil {
		return Expiry{}, err
	}
	runtime.GC()
	e := Expiry{Size: size, BytesPerRecord: float64(heap()-before) / float64(size)}
	clock.at.Store(int64(time.Hour))
	var total time.Duration
	// Sweeps work in batches; the bound only guards against one that gives up.
	for c.Gauges().StoredExecutions > 0 {
		if e.Sweeps++; e.Sweeps > size+1000 {
			return e, fmt.Errorf("expiry: %d executions are left after %d sweeps", c.Gauges().StoredExecutions, e.Sweeps)
		}
		start := time.Now()
		c.Sweep()
		took := time.Since(start)
		total += took
		e.LongestMs = max(e.LongestMs, took.Seconds()*1e3)
	}
	e.NanosPerRecord = float64(total.Nanoseconds()) / float64(size)
	return e, nil
}

func heap() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// bytesGuess is a cautious guess of what one stored execution takes.
const bytesGuess = 1024

// availableMemory reads what the kernel would hand out, in bytes; 0 unknown.
func availableMemory() int64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(b), "\n") {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "MemAvailable:" {
			kb, _ := strconv.ParseInt(f[1], 10, 64)
			return kb << 10
		}
	}
	return 0
}
