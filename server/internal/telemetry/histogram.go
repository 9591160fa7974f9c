package telemetry

import (
	"math"
	"slices"
	"sync/atomic"
	"time"
)

// classicBounds are the upper bounds of the classic buckets in milliseconds:
// 0.1 ms to 100 s, three buckets a decade. A last bucket has no bound.
var classicBounds = [...]float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000}

// Native buckets divide each power of two by eight (Prometheus' schema 3): each
// is 9.1 % wider than the one below. Their zero bucket counts nothing but 0.
const (
	nativeSchema    = 3
	nativePerDouble = 1 << nativeSchema
)

// nativeBound is the upper bound of a native bucket in milliseconds, inclusive.
func nativeBound(bucket int) float64 {
	return math.Ldexp(math.Exp2(float64(bucket&(nativePerDouble-1))/nativePerDouble), bucket>>nativeSchema)
}

// cell is a range of durations between two neighbours among all bounds, classic
// and native: whatever is in it is in one classic and in one native bucket. So
// one counter serves both.
type cell struct {
	upper   float64 // ms, inclusive
	classic int     // index of the classic bucket
	native  int     // number of the native bucket
}

// The cells of all durations above 0, in order. firstCell has, for each binary
// exponent from minExponent, the cell whose upper bound the values of that
// exponent begin at.
var (
	cells       []cell
	firstCell   []int
	minExponent int
)

func init() {
	_, minExponent = math.Frexp(millis(1)) // of the shortest duration there is
	_, maxExponent := math.Frexp(millis(math.MaxInt64))
	bounds := slices.Clone(classicBounds[:])
	lowest := (minExponent - 1) * nativePerDouble
	for bucket := lowest; bucket <= maxExponent*nativePerDouble; bucket++ {
		bounds = append(bounds, nativeBound(bucket))
	}
	slices.Sort(bounds)
	native := lowest
	for _, upper := range slices.Compact(bounds) {
		classic, _ := slices.BinarySearch(classicBounds[:], upper)
		cells = append(cells, cell{upper, classic, native})
		if upper == nativeBound(native) {
			if native%nativePerDouble == 0 {
				firstCell = append(firstCell, len(cells)-1)
			}
			native++
		}
	}
}

// cellOf finds the cell of a duration in milliseconds, which is above 0.
func cellOf(ms float64) int {
	_, exponent := math.Frexp(ms)
	i := firstCell[exponent-minExponent]
	for cells[i].upper < ms {
		i++
	}
	return i
}

// Cells are counted in blocks, which are made when first needed: the durations
// of one function are seldom far apart.
const (
	blockCells = 64
	blocks     = 9 // enough for all cells
)

type block [blockCells]atomic.Uint64

// histogram counts durations. Its zero value is empty and small; observing
// takes no lock, and allocates only for the first duration in a block. No count
// ever falls.
type histogram struct {
	sum    atomic.Uint64 // ms, the bits of a float64
	zero   atomic.Uint64 // observations of 0
	blocks [blocks]atomic.Pointer[block]
}

func (h *histogram) observe(d time.Duration) {
	if d <= 0 {
		h.zero.Add(1)
		return
	}
	ms := millis(d)
	i := cellOf(ms)
	b := h.blocks[i/blockCells].Load()
	if b == nil {
		b = h.newBlock(i / blockCells)
	}
	b[i%blockCells].Add(1)
	for {
		old := h.sum.Load()
		if h.sum.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+ms)) {
			return
		}
	}
}

func (h *histogram) newBlock(i int) *block {
	b := new(block)
	if h.blocks[i].CompareAndSwap(nil, b) {
		return b
	}
	return h.blocks[i].Load() // another observation was quicker
}

func (h *histogram) empty() bool {
	if h.zero.Load() > 0 {
		return false
	}
	for i := range h.blocks {
		if h.blocks[i].Load() != nil {
			return false
		}
	}
	return true
}

// histograms are counted together as one; unused places are nil.
type histograms [2]*histogram

// empty reports whether nothing was observed.
func (hs histograms) empty() bool {
	return (hs[0] == nil || hs[0].empty()) && (hs[1] == nil || hs[1].empty())
}

// tally reads what was observed, native buckets only if they are asked for.
func (hs histograms) tally(native bool) (t tally) {
	if native {
		t.native = map[int]int64{}
	}
	for _, h := range hs {
		if h != nil {
			t.add(h)
		}
	}
	return t
}

// tally is what one or several histograms have counted together.
type tally struct {
	sum     float64 // ms
	count   uint64
	zero    uint64
	classic [len(classicBounds) + 1]uint64 // each bucket's own
	native  map[int]int64                  // nil unless asked for
}

// add adds what h has counted. Counts that come meanwhile may be in or not, but
// all kinds of buckets agree.
func (t *tally) add(h *histogram) {
	// The sum is read first, so that it never includes more than is counted.
	t.sum += math.Float64frombits(h.sum.Load())
	zero := h.zero.Load()
	t.zero += zero
	t.classic[0] += zero
	t.count += zero
	for i := range h.blocks {
		b := h.blocks[i].Load()
		if b == nil {
			continue
		}
		for j := range b {
			n := b[j].Load()
			if n == 0 {
				continue
			}
			c := &cells[i*blockCells+j]
			t.count += n
			t.classic[c.classic] += n
			if t.native != nil {
				t.native[c.native] += int64(n)
			}
		}
	}
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
