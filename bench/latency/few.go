package latency

import (
	"math/bits"
	"slices"
	"sort"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// few are the values of a Sparse histogram as long as they are few: the buckets that
// are not empty, in order. It says what the HDR histogram of these values says.
type few []bucket

type bucket struct {
	from, width int64 // in units: the values that are not told apart
	count       int64
}

// fewest is how many buckets are kept so; an HDR histogram of a day in microseconds
// has thousands.
const fewest = 96

// bucketOf is the bucket of a value at a number of significant digits: values up to
// twice ten to the power of digits, rounded up to a power of two, have their own.
func bucketOf(value int64, digits int) (from, width int64) {
	own := 2
	for range digits {
		own *= 10
	}
	shift := max(0, bits.Len64(uint64(value))-bits.Len64(uint64(own-1)))
	return value >> shift << shift, 1 << shift
}

// add counts n values; false when there is no room for another bucket.
func (f *few) add(value, n int64, digits int) bool {
	from, width := bucketOf(value, digits)
	at := sort.Search(len(*f), func(i int) bool { return (*f)[i].from >= from })
	switch {
	case at < len(*f) && (*f)[at].from == from:
		(*f)[at].count += n
	case len(*f) == fewest:
		return false
	default:
		*f = slices.Insert(*f, at, bucket{from, width, n})
	}
	return true
}

// at is the bucket of the p-th percentile of n values.
func (f few) at(p float64, n int64) bucket {
	rank := n
	if r := p/100*float64(n) + 0.5; r < float64(n) {
		rank = max(1, int64(r))
	}
	seen := int64(0)
	for _, b := range f {
		if seen += b.count; seen >= rank {
			return b
		}
	}
	return f[len(f)-1]
}

// into adds all values to an HDR histogram.
func (f few) into(h *hdr.Histogram) {
	for _, b := range f {
		_ = h.RecordValues(b.from, b.count) // in range
	}
}

// full is the histogram as an HDR histogram: its own, or one made of few values. nil
// when it is empty.
func (h *Histogram) full() *hdr.Histogram {
	if h.h != nil || h.n == 0 {
		return h.h
	}
	made := h.dense()
	h.few.into(made)
	return made
}

func (h *Histogram) dense() *hdr.Histogram { return hdr.New(1, int64(h.Highest/h.Unit), h.Digits) }

// allocate has an HDR histogram of its own from now on.
func (h *Histogram) allocate() {
	h.h = h.dense()
	h.few.into(h.h)
	h.few = nil
}
