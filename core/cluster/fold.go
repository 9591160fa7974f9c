package cluster

import (
	"cmp"
	"fmt"
	"slices"

	"simplane/core"
)

// Folder reads the frames of a partition up to a claim, and finds out whether any
// are missing. It is for one goroutine.
type Folder struct {
	partition core.Partition
	claim     Fence
	freed     *Tail // the partition was given up after this frame; nil = it was not
	frames    []readFrame
}

type readFrame struct {
	Frame
	place uint64
	size  int
	sum   uint32
}

// Folded is what a partition's frames come to.
type Folded struct {
	// Facts are those that are needed, and perhaps some that are not, in their order.
	Facts []PlacedFact
	// Tail is the last frame; Bytes is the size of all that are needed.
	Tail  Tail
	Bytes int

	partition core.Partition
	frames    []*frameState
	moved     map[core.LSN]*frameState
	gone      map[core.LSN]bool // moved once, and not needed any more
	next      core.LSN
	base      uint64
}

// NewFolder makes a Folder for a partition that was claimed at claim, in place of
// the record before; nil = there was none.
func NewFolder(p core.Partition, claim Fence, before *Ownership) *Folder {
	f := &Folder{partition: p, claim: claim}
	if before != nil && before.Free {
		f.freed = before.Tail
	}
	return f
}

func (f *Folder) lost(format string, args ...any) error {
	return &LostError{f.partition, fmt.Sprintf(format, args...)}
}

// Add takes the next frame, at place in the engine's order. It copies what it keeps
// of data. A frame that comes a second time is passed over. The error wraps ErrClosed.
func (f *Folder) Add(place uint64, data []byte) error {
	got, err := DecodeFrame(slices.Clone(data))
	if err != nil {
		return &UnreadableError{Partition: f.partition, Place: place, Seq: f.next(), Why: err}
	}
	r := readFrame{got, place, len(data), Sum(data)}
	switch {
	case r.Partition != f.partition:
		return f.lost("at place %d is a frame of partition %d", place, r.Partition)
	case r.Epoch >= f.claim:
		return f.lost("frame %d at place %d is of epoch %d, before the claim at %d", r.Seq, place, r.Epoch, f.claim)
	}
	if n := len(f.frames); n > 0 {
		last := &f.frames[n-1]
		i, known := slices.BinarySearchFunc(f.frames, r.Seq, func(a readFrame, seq uint64) int { return cmp.Compare(a.Seq, seq) })
		switch {
		case known && f.frames[i].sum == r.sum:
			return nil
		case r.Seq <= last.Seq:
			return f.lost("frame %d at place %d comes after frame %d", r.Seq, place, last.Seq)
		case r.Epoch < last.Epoch:
			return f.lost("frame %d of epoch %d comes after frame %d of epoch %d", r.Seq, r.Epoch, last.Seq, last.Epoch)
		}
	}
	f.frames = append(f.frames, r)
	return nil
}

// next is the Seq of the frame that is to come; 0 = not known.
func (f *Folder) next() uint64 {
	if n := len(f.frames); n > 0 {
		return f.frames[n-1].Seq + 1
	}
	return 0
}

// Bounded says that the last frame is known before it is met.
func (f *Folder) Bounded() bool { return f.freed != nil }

// Complete says that nothing can follow what was added: the partition was given up
// after the last of it.
func (f *Folder) Complete() bool {
	if f.freed == nil {
		return false
	}
	n := len(f.frames)
	return n == 0 && *f.freed == Tail{} || n > 0 && f.frames[n-1].Seq == f.freed.Seq
}

// Done says what the frames come to. The error is a *LostError when some are
// missing.
func (f *Folder) Done() (*Folded, error) {
	d := &Folded{partition: f.partition, moved: map[core.LSN]*frameState{}, gone: map[core.LSN]bool{}, next: 1}
	if n := len(f.frames); n > 0 {
		d.Tail = Tail{f.frames[n-1].Seq, f.frames[n-1].sum}
	}
	if f.freed != nil && *f.freed != d.Tail {
		return nil, f.lost("it was given up after frame %d (checksum %08x), and the last one is %d (%08x)", f.freed.Seq, f.freed.Sum, d.Tail.Seq, d.Tail.Sum)
	}
	if len(f.frames) == 0 {
		return d, nil
	}
	last := &f.frames[len(f.frames)-1]
	d.base = last.Base
	needed := f.frames[slices.IndexFunc(f.frames, func(r readFrame) bool { return r.Seq >= d.base }):]
	if first := needed[0].Seq; first != d.base {
		return nil, f.lost("frames from %d on are needed, and the first one is %d", d.base, first)
	}
	for i := range needed {
		r := &needed[i]
		if i > 0 {
			before := &needed[i-1]
			if r.Seq != before.Seq+1 || r.Prev != before.sum {
				return nil, f.lost("frame %d (after one with checksum %08x) does not follow frame %d (%08x)", r.Seq, r.Prev, before.Seq, before.sum)
			}
			if r.First != d.next {
				return nil, f.lost("frame %d has facts from %d on, and the one before up to %d", r.Seq, r.First, d.next-1)
			}
		}
		d.add(r)
	}
	slices.SortFunc(d.Facts, func(a, b PlacedFact) int { return cmp.Compare(a.At, b.At) })
	d.Facts = slices.CompactFunc(d.Facts, func(a, b PlacedFact) bool { return a.At == b.At })
	d.Facts = slices.DeleteFunc(d.Facts, func(f PlacedFact) bool { return d.gone[f.At] })
	return d, nil
}

// add takes the next frame that is needed.
func (d *Folded) add(r *readFrame) {
	s := &frameState{seq: r.Seq, place: r.place, size: r.size, sum: r.sum, first: r.First, count: len(r.Facts), kept: len(r.Kept), live: len(r.Facts) + len(r.Kept)}
	for i, fact := range r.Facts {
		d.Facts = append(d.Facts, PlacedFact{r.First + core.LSN(i), fact})
	}
	for _, k := range r.Kept {
		d.superseded(k.At)
		d.moved[k.At] = s
		d.Facts = append(d.Facts, k)
	}
	for _, at := range r.Gone {
		d.superseded(at)
		delete(d.moved, at)
		d.gone[at] = true
	}
	d.frames = append(d.frames, s)
	d.Bytes += r.size
	d.next = r.First + core.LSN(len(r.Facts))
}

// superseded notes that a newer frame has the fact at.
func (d *Folded) superseded(at core.LSN) {
	if s, ok := d.moved[at]; ok {
		s.live--
	} else if s := frameOf(d.frames, at); s != nil {
		s.release(at)
	}
}
