// Package latency records durations in HDR histograms and summarises them.
package latency

import (
	"io"
	"iter"
	"sort"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Highest is the largest duration that a measured histogram keeps apart, 120 s
// in nanoseconds. Longer ones are counted as Highest.
const Highest = 120e9

// Precision is what a histogram tells apart: times of Unit to Highest with a
// number of significant digits.
type Precision struct {
	Unit, Highest time.Duration
	Digits        int
}

// Measured is the precision of what is measured: 0.1 %, about 230 kB each.
var Measured = Precision{Unit: time.Nanosecond, Highest: Highest, Digits: 3}

// Histogram is a record of durations: an HDR histogram, with their number, sum
// and extremes kept exactly beside it. Its memory is taken with the first
// value. It is not safe for concurrent use; see Sharded.
type Histogram struct {
	Precision                // must not change once a value is recorded
	Sparse              bool // takes little memory while its values are few and far between
	h                   *hdr.Histogram
	few                 few   // in place of h, when Sparse
	n, sum, least, most int64 // ns
}

// NewHistogram returns an empty histogram of precision Measured.
func NewHistogram() *Histogram { return &Histogram{Precision: Measured} }

// Record adds one duration in nanoseconds; a negative one counts as 0.
func (h *Histogram) Record(ns int64) {
	ns = max(ns, 0)
	if h.n == 0 || ns < h.least {
		h.least = ns
	}
	h.n++
	h.sum += ns
	h.most = max(h.most, ns)
	value := min(ns, int64(h.Highest)) / int64(h.Unit)
	if h.h == nil {
		if h.Sparse && h.few.add(value, 1, h.Digits) {
			return
		}
		h.allocate()
	}
	_ = h.h.RecordValue(value) // in range
}

// Merge adds what another histogram of the same precision has.
func (h *Histogram) Merge(other *Histogram) {
	if other.n == 0 {
		return
	}
	if h.h == nil {
		h.allocate()
	}
	if h.n == 0 || other.least < h.least {
		h.least = other.least
	}
	h.n += other.n
	h.sum += other.sum
	h.most = max(h.most, other.most)
	if other.h != nil {
		h.h.Merge(other.h)
	} else {
		other.few.into(h.h)
	}
}

// Reset empties the histogram.
func (h *Histogram) Reset() {
	if h.n > 0 {
		if h.few = h.few[:0]; h.h != nil {
			h.h.Reset()
		}
		h.n, h.sum, h.least, h.most = 0, 0, 0, 0
	}
}

// Count is the number of durations.
func (h *Histogram) Count() int64 { return h.n }

// Mean is their exact mean in nanoseconds, rounded down; 0 when there are none.
func (h *Histogram) Mean() int64 { return h.sum / max(h.n, 1) }

// Min is the shortest in nanoseconds, exactly; 0 when there are none.
func (h *Histogram) Min() int64 { return h.least }

// Max is the longest in nanoseconds, exactly; 0 when there are none.
func (h *Histogram) Max() int64 { return h.most }

// Percentile is the duration at p (0 to 100) in nanoseconds, at the histogram's
// precision; 0 when there are none.
func (h *Histogram) Percentile(p float64) int64 {
	if h.n == 0 {
		return 0
	}
	if h.h == nil {
		b := h.few.at(p, h.n)
		if p <= 0 {
			return min(b.from*int64(h.Unit), h.most)
		}
		return min((b.from+b.width-1)*int64(h.Unit), h.most)
	}
	return min(h.h.ValueAtPercentile(p)*int64(h.Unit), h.most)
}

// PercentileRange is the range of nanoseconds that the histogram cannot tell
// from the percentile p.
func (h *Histogram) PercentileRange(p float64) (low, high int64) {
	if h.n == 0 {
		return 0, 0
	}
	if h.h == nil {
		b := h.few.at(p, h.n)
		return b.from * int64(h.Unit), (b.from+b.width)*int64(h.Unit) - 1
	}
	at := h.h.ValueAtPercentile(p)
	lowest := sort.Search(int(at), func(v int) bool { return h.h.ValuesAreEquivalent(int64(v), at) })
	return int64(lowest) * int64(h.Unit), (at+1)*int64(h.Unit) - 1
}

// Bars are the histogram's buckets that are not empty: where they begin, in
// nanoseconds, and what is in them.
func (h *Histogram) Bars() iter.Seq2[int64, int64] {
	return func(yield func(from, count int64) bool) {
		if h.n == 0 {
			return
		}
		for _, bar := range h.full().Distribution() {
			if bar.Count > 0 && !yield(bar.From*int64(h.Unit), bar.Count) {
				return
			}
		}
	}
}

// WriteHgrm writes the percentile distribution in milliseconds in the text
// form that HdrHistogram's plotters read.
func (h *Histogram) WriteHgrm(w io.Writer) error {
	all := h.full()
	if all == nil {
		all = h.dense()
	}
	_, err := all.PercentilesPrint(w, 5, float64(time.Millisecond/h.Unit))
	return err
}
