// Package corebench measures the engine in process: its components one by one
// and the whole cycle, over goroutines and store sizes. It uses core's public
// API only.
package corebench

import (
	"context"
	"fmt"
	"os"
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
	// CPUNanosPerOp is CPU time, so other work on the machine does not count.
	CPUNanosPerOp float64 `json:"cpuNanosPerOp"`
	// AllocsPerOp and BytesPerOp are heap allocations.
	AllocsPerOp float64 `json:"allocsPerOp"`
	BytesPerOp  float64 `json:"bytesPerOp"`
	GCShare     float64 `json:"gcShare"` // of the time cores were in use
	// Latency of single calls, sampled, reading the clock included.
	Latency latency.Summary `json:"latency"`
	// Unexpected counts calls that did not do what the case is about.
	Unexpected int64 `json:"unexpected,omitempty"`
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
		// A size that does not fit is refused beforehand; the kernel would
		// kill the process.
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
			rows := sweepGoroutines(ctx, op, o, func(g int) {
				progress(fmt.Sprintf("%s, size %d: %d goroutines", c.Name, size, g))
			})
			for _, row := range rows {
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

// sweepGoroutines measures op with every number of goroutines. Each round
// covers all of them, so that a disturbance of the machine does not affect
// one alone. A cancelled measurement returns nothing.
func sweepGoroutines(ctx context.Context, op operation, o Options, progress func(g int)) []Row {
	sums := make([]sum, len(o.Goroutines))
	for i, g := range o.Goroutines {
		sums[i].row.Goroutines = g
		sums[i].samples = latency.NewHistogram()
	}
	for round := -1; round < o.Rounds; round++ {
		for i, g := range o.Goroutines {
			if ctx.Err() != nil {
				return nil
			}
			progress(g)
			if round < 0 {
				measure(op, g, o.Duration/4) // warm up
				continue
			}
			sums[i].add(measure(op, g, o.Duration))
		}
	}
	var rows []Row
	for i := range sums {
		rows = append(rows, sums[i].total())
	}
	return rows
}

// sum gathers the rounds of one row.
type sum struct {
	row                Row
	rates              []float64
	ops, allocs, bytes float64
	cpu                float64 // seconds
	samples            *latency.Histogram
}

func (s *sum) add(r run) {
	s.rates = append(s.rates, float64(r.ops)/r.elapsed.Seconds())
	s.ops += float64(r.ops)
	s.cpu += r.usage.ProcessSeconds
	s.allocs += float64(r.allocs)
	s.bytes += float64(r.bytes)
	s.row.Unexpected += r.bad
	s.row.GCShare += r.usage.GCCPU
	s.samples.Merge(r.samples)
}

func (s *sum) total() Row {
	slices.Sort(s.rates)
	n := len(s.rates)
	s.row.OpsPerSecond, s.row.Slowest, s.row.Fastest = s.rates[n/2], s.rates[0], s.rates[n-1]
	s.row.AllocsPerOp, s.row.BytesPerOp = s.allocs/s.ops, s.bytes/s.ops
	s.row.CPUNanosPerOp = s.cpu * 1e9 / s.ops
	s.row.GCShare /= float64(n)
	s.row.Latency = latency.Summarize(s.samples, false)
	return s.row
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
