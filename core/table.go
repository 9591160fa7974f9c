package core

import "encoding/binary"

// recordTable holds a shard's executions in the order they came, in segments
// that are given back once all of theirs are gone. An execution's place is
// part of its id, so finding one takes neither a hash nor a probe, adding one
// touches memory that the previous one has just brought into the cache, and
// growing moves nothing. The shard's lock guards it.
type recordTable struct {
	segments []*segment // nil where all are gone
	first    uint64     // place of segments[0], in segments
	next     uint64     // place of the next execution
}

const segmentSize = 1024

type segment struct {
	slots [segmentSize]*execution
	live  int
}

// add stores ex and returns its place.
func (t *recordTable) add(ex *execution) uint64 {
	place := t.next
	t.next++
	if place%segmentSize == 0 {
		t.segments = append(t.segments, &segment{})
	}
	seg := t.segments[len(t.segments)-1]
	seg.slots[place%segmentSize] = ex
	seg.live++
	return place
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
