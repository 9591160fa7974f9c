package history

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"simplane/core"
	"simplane/sim/scenario"
)

// Function is what became of a function's calls, over all registrations of its
// name.
type Function struct {
	Name   string // "" = not recorded
	Domain uint32 // its first registration; 0 = calls of unknown functions
	// Spec is in force at the beginning; nil = not recorded. Changes follow it.
	Spec    *core.Spec
	Changes []Change

	Calls    []Call             // all but those that joined an execution, refused ones too
	Attempts []scenario.Attempt // that are over; times since the beginning

	Accepted, Carried         int64 // Carried of these were under way at the beginning
	Joined                    int64
	Success, Errors, Timeouts int64
	Cancelled, Retries        int64
	Refused                   map[string]int64 // by code
	PeakQueued                int
	Latencies                 []int64 // of the successes, ns from arrival to end

	// Bounds are the latest figures that refusals rest on, by code.
	Bounds map[string]uint64

	Plot Plot

	queuedNo uint64
}

// Call is an arrival.
type Call struct {
	At    time.Duration
	Sync  bool
	Input uint32 // bytes
}

// Change is another spec.
type Change struct {
	At   time.Duration
	Spec *core.Spec
}

// Plot is a function over time, a value for each bin. Sizes are those at the
// bin's end.
type Plot struct {
	Queued, Running           []int
	Arrived, Refused, Retried []int
	Ended, Failed             []int
	Latency                   [][]int64 // of each success, ns
}

const unknown = -1

func newPlot(n int) Plot {
	p := Plot{Latency: make([][]int64, n)}
	for _, s := range []*[]int{&p.Queued, &p.Running, &p.Arrived, &p.Refused, &p.Retried, &p.Ended, &p.Failed} {
		*s = make([]int, n)
	}
	for i := range n {
		p.Queued[i], p.Running[i] = unknown, unknown
	}
	return p
}

// bin is the one that an instant is in.
func (h *History) bin(mono int64) int {
	share := float64(mono-h.opts.From) / float64(max(1, h.opts.Until-h.opts.From))
	return min(max(0, int(share*float64(h.opts.Bins))), h.opts.Bins-1)
}

// sample notes the sizes after a step.
func (d *domain) sample(h *History, mono int64) {
	if !h.counts(mono) {
		return
	}
	bin := h.bin(mono)
	d.Plot.Queued[bin], d.Plot.Running[bin] = d.depth, d.running
	d.PeakQueued = max(d.PeakQueued, d.depth)
}

// Close fills what no step has told, and sorts what several registrations have
// brought. It is called after the last step.
func (h *History) Close() {
	for _, f := range h.Functions {
		for _, s := range []([]int){f.Plot.Queued, f.Plot.Running} {
			last := 0
			for i := range s {
				if s[i] == unknown {
					s[i] = last
				}
				last = s[i]
			}
		}
		slices.SortStableFunc(f.Calls, func(a, b Call) int { return cmp.Compare(a.At, b.At) })
		slices.SortStableFunc(f.Attempts, func(a, b scenario.Attempt) int { return cmp.Compare(a.At, b.At) })
		slices.SortStableFunc(f.Changes, func(a, b Change) int { return cmp.Compare(a.At, b.At) })
	}
}

// add joins a function with an earlier one of the same name.
func (f *Function) add(o *Function) {
	f.Calls, f.Attempts = append(f.Calls, o.Calls...), append(f.Attempts, o.Attempts...)
	f.Latencies = append(f.Latencies, o.Latencies...)
	f.Accepted, f.Carried, f.Joined = f.Accepted+o.Accepted, f.Carried+o.Carried, f.Joined+o.Joined
	f.Success, f.Errors, f.Timeouts = f.Success+o.Success, f.Errors+o.Errors, f.Timeouts+o.Timeouts
	f.Cancelled, f.Retries = f.Cancelled+o.Cancelled, f.Retries+o.Retries
	for code, n := range o.Refused {
		f.Refused[code] += n
	}
	maps.Copy(f.Bounds, o.Bounds)
	f.PeakQueued = max(f.PeakQueued, o.PeakQueued)
	p, q := &f.Plot, &o.Plot
	for i := range p.Latency {
		p.Latency[i] = append(p.Latency[i], q.Latency[i]...)
		if q.Queued[i] != unknown {
			p.Queued[i], p.Running[i] = q.Queued[i], q.Running[i]
		}
	}
	for _, pair := range [][2][]int{{p.Arrived, q.Arrived}, {p.Refused, q.Refused}, {p.Retried, q.Retried}, {p.Ended, q.Ended}, {p.Failed, q.Failed}} {
		for i := range pair[0] {
			pair[0][i] += pair[1][i]
		}
	}
}
