package history

import (
	"maps"
	"slices"
	"time"
)

// Figures are what callers have seen, of one function or of all together.
type Figures struct {
	Offered   int64 `json:"offered"` // accepted and refused
	Accepted  int64 `json:"accepted"`
	Joined    int64 `json:"joined"`
	Success   int64 `json:"success"`
	Errors    int64 `json:"errors"`
	Timeouts  int64 `json:"timeouts"`
	Cancelled int64 `json:"cancelled"`
	Retries   int64 `json:"retries"`
	// Refused is by code; QUEUE_WAIT is of those that were accepted first.
	Refused    map[string]int64 `json:"refused"`
	PeakQueued int              `json:"peakQueued"`
	// Goodput is successes a second, P50 and P99 are of their latencies from
	// arrival to end; 0 without any.
	Goodput float64       `json:"goodput"`
	P50     time.Duration `json:"p50Ns"`
	P99     time.Duration `json:"p99Ns"`
}

// AllRefused is the sum of all refusals.
func (f *Figures) AllRefused() (n int64) {
	for _, of := range f.Refused {
		n += of
	}
	return n
}

// Codes are those of refusals, in order.
func (f *Figures) Codes() []string { return slices.Sorted(maps.Keys(f.Refused)) }

// Of is the figures of some functions together.
func (h *History) Of(functions ...*Function) Figures {
	out := Figures{Refused: map[string]int64{}}
	var took []int64
	for _, f := range functions {
		out.Accepted += f.Accepted
		out.Joined += f.Joined
		out.Success += f.Success
		out.Errors += f.Errors
		out.Timeouts += f.Timeouts
		out.Cancelled += f.Cancelled
		out.Retries += f.Retries
		out.Offered += int64(len(f.Calls))
		out.PeakQueued = max(out.PeakQueued, f.PeakQueued)
		for code, n := range f.Refused {
			out.Refused[code] += n
		}
		took = append(took, f.Latencies...)
	}
	out.Goodput = float64(out.Success) / h.Length().Seconds()
	slices.Sort(took)
	out.P50, out.P99 = time.Duration(Percentile(took, 50)), time.Duration(Percentile(took, 99))
	return out
}

// Length is how long the part that counts is.
func (h *History) Length() time.Duration { return time.Duration(max(1, h.opts.Until-h.opts.From)) }

// Find is the function of a name; nil when there is none.
func (h *History) Find(name string) *Function { return h.byName[name] }

// Percentile is that of sorted values, by the nearest rank; 0 of none.
func Percentile(sorted []int64, rank float64) int64 {
	if len(sorted) == 0 {
		return 0
	}
	n := int(rank/100*float64(len(sorted)) + 0.999999)
	return sorted[min(max(n, 1), len(sorted))-1]
}
