package core

import (
	"encoding/binary"
	"math/bits"
)

// recordTable holds a shard's executions in the order they came, in segments
// that are given back once all of theirs are gone. An execution's place is
// part of its id, so finding one takes neither a hash nor a probe, adding one
// touches memory that the previous one has just brought into the cache, and
// growing moves nothing. The shard's lock guards it.
//
// That order is nearly the order of creation: a submission reads the clock
// before it takes a place. Each segment knows how far its executions are from
// that order, so a search for the newest can stop early and miss none.
type recordTable struct {
	segments []*segment // nil where all are gone
	first    uint64     // place of segments[0], in segments
	next     uint64     // place of the next execution
	newest   int64      // the latest creation so far, wall ns
}

const segmentSize = 1024

// segment has, beside the executions, what a search reads to pass by those it
// does not look for without touching them.
type segment struct {
	slots  [segmentSize]*execution
	tags   [segmentSize]uint8       // Function.tag of each
	failed [segmentSize / 64]uint64 // a bit for each that ended in error or timeout
	live   int
	from   int64 // the table's newest just after the first one came
	late   int64 // the most by which one came after another that was created later, ns
}

// add stores an execution of a function with this tag and returns its place.
func (t *recordTable) add(ex *execution, tag uint8) uint64 {
	place := t.next
	t.next++
	if place%segmentSize == 0 {
		t.segments = append(t.segments, &segment{from: max(t.newest, ex.created)})
	}
	seg := t.segments[len(t.segments)-1]
	seg.slots[place%segmentSize] = ex
	seg.tags[place%segmentSize] = tag
	seg.live++
	if ex.created >= t.newest {
		t.newest = ex.created
	} else {
		seg.late = max(seg.late, t.newest-ex.created)
	}
	return place
}

// markFailed notes that the execution at place, which is held, has failed.
func (t *recordTable) markFailed(place uint64) {
	t.segment(place).failed[place%segmentSize/64] |= 1 << (place % 64)
}

// segment returns where place is held, nil when it is gone or never was.
func (t *recordTable) segment(place uint64) *segment {
	i := place/segmentSize - t.first
	if place >= t.next || i >= uint64(len(t.segments)) {
		return nil
	}
	return t.segments[i]
}

func (t *recordTable) get(place uint64) *execution {
	if seg := t.segment(place); seg != nil {
		return seg.slots[place%segmentSize]
	}
	return nil
}

// remove empties a place that is held, and drops its segment when that was
// the last one in it and no more can come.
func (t *recordTable) remove(place uint64) {
	seg := t.segment(place)
	seg.slots[place%segmentSize] = nil
	seg.live--
	i := place/segmentSize - t.first
	if seg.live > 0 || (t.first+i+1)*segmentSize > t.next {
		return
	}
	t.segments[i] = nil
	gone := 0
	for gone < len(t.segments) && t.segments[gone] == nil {
		gone++
	}
	if gone == len(t.segments) {
		t.segments = nil // of memory, too
	} else {
		t.segments = t.segments[gone:]
	}
	t.first += uint64(gone)
}

// candidates says which executions of a table a search looks at.
type candidates struct {
	failed bool // only those that have failed
	tagged bool // only those with this tag
	tag    uint8
}

// before returns the slot of the last candidate below slot i; -1 when there
// is none.
func (seg *segment) before(i int, want candidates) int {
	for i > 0 {
		if want.failed {
			i--
			word := seg.failed[i/64] << (63 - i%64)
			if word == 0 {
				i &^= 63
				continue
			}
			i -= bits.LeadingZeros64(word)
		} else {
			i--
		}
		if (!want.tagged || seg.tags[i] == want.tag) && seg.slots[i] != nil {
			return i
		}
	}
	return -1
}

// seek returns a slot, at most end, from which on all were created after time
// t. It is near the lowest one.
func (seg *segment) seek(end int, t int64) int {
	low := 0
	for low < end {
		mid := (low + end) / 2
		i := mid
		for i >= low && seg.slots[i] == nil {
			i--
		}
		if i >= low && seg.slots[i].created-seg.late > t {
			end = i
		} else {
			low = mid + 1
		}
	}
	return end
}

// backwards is a walk over a table from the newest execution to the oldest.
type backwards struct {
	at    uint64 // the next one is below this place
	bound int64  // the next ones were created at this time or before
	ended bool
}

// backFrom begins a walk that leaves out as many as it can of those created
// after time t.
func (t *recordTable) backFrom(at int64) backwards {
	w := backwards{at: t.next, bound: t.newest, ended: len(t.segments) == 0}
	for i := len(t.segments) - 1; i >= 0; i-- {
		seg, base := t.segments[i], (t.first+uint64(i))*segmentSize
		switch {
		case seg == nil:
			w.at = base
		case seg.from-seg.late > at:
			w.at, w.bound = base, seg.from
		default:
			w.at = base + uint64(seg.seek(int(w.at-base), at))
			return w
		}
	}
	w.ended = true
	return w
}

// segmentsAtOnce bounds a step of a walk that finds no candidate.
const segmentsAtOnce = 8

// back takes w a step on and appends the candidates it meets, at most n.
func (t *recordTable) back(w *backwards, want candidates, n int, out []*execution) []*execution {
	for left := segmentsAtOnce; left > 0 && n > 0; {
		if len(t.segments) == 0 || w.at <= t.first*segmentSize {
			w.ended = true
			return out
		}
		seg, base := t.segment(w.at-1), (w.at-1)/segmentSize*segmentSize
		i := -1
		if seg != nil {
			i = seg.before(int(w.at-base), want)
		}
		if i < 0 {
			w.at = base
			if seg != nil {
				w.bound = min(w.bound, seg.from)
			}
			left--
			continue
		}
		out = append(out, seg.slots[i])
		n--
		w.at, w.bound = base+uint64(i), min(w.bound, seg.slots[i].created+seg.late)
	}
	return out
}

// The place is written into bytes 9 to 13 of the id, mixed with its other
// bytes so that it looks no less random than they do. 40 bits last for 10^12
// executions of a shard before they wrap; a look-up compares the whole id.
const placeBits = 40

// withPlace returns id with the place written into it.
func (id ID) withPlace(place uint64) ID {
	v := place ^ id.mixed()
	id[9] = byte(v >> 32)
	binary.BigEndian.PutUint32(id[10:14], uint32(v))
	return id
}

// place reads the place back; next, the table's, tells the bits above 40.
func (id ID) place(next uint64) uint64 {
	v := uint64(id[9])<<32 | uint64(binary.BigEndian.Uint32(id[10:14]))
	low := (v ^ id.mixed()) & (1<<placeBits - 1)
	place := next&^(1<<placeBits-1) | low
	if place >= next && place >= 1<<placeBits {
		place -= 1 << placeBits
	}
	return place
}

// mixed hashes the bytes that hold no place (the finalizer of MurmurHash3, by
// Austin Appleby).
func (id ID) mixed() uint64 {
	h := binary.BigEndian.Uint64(id[:8]) ^ uint64(id[8])<<56 ^ uint64(id[14])<<48 ^ uint64(id[15])<<40
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
