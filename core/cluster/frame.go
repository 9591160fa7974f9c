package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"simplane/core"
)

// Frame is one message of a partition: what was decided since the last one. Its
// stored form is a head of numbers, and each fact after its place and length. The
// number of a frame and the checksum of the one before show a loss; Base says which
// frames are needed at all.
type Frame struct {
	Partition core.Partition
	Epoch     Fence
	Seq       uint64 // from 1 in each partition, without gaps
	Prev      uint32 // CRC-32C of the frame before; 0 for the first
	// Base is the Seq of the oldest frame that is still needed once this one is
	// durable. What is before it may be gone.
	Base uint64
	// First is the place of the first new fact, or of the next one if there is none.
	// Facts are those, in their order; Kept are older ones, of frames before Base.
	First core.LSN
	Facts [][]byte
	Kept  []PlacedFact
	// Gone are the places of facts that older frames have in Kept and that are not
	// needed any more. Those of one execution go in their order, which is that of
	// frames, unless the first ones were moved behind the last: then a reader would
	// find the beginning without the end.
	Gone []core.LSN
}

// PlacedFact is a fact's stored form and its place in its partition.
type PlacedFact struct {
	At   core.LSN
	Fact []byte
}

const frameVersion = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Sum is the checksum of a frame's stored form, as the next one has it.
func Sum(stored []byte) uint32 { return crc32.Checksum(stored, castagnoli) }

// AppendTo appends the frame's stored form to b. Partition and Epoch are part of
// it, so that a frame in the wrong place is noticed.
func (f *Frame) AppendTo(b []byte) []byte {
	b = append(b, frameVersion, byte(f.Partition))
	b = binary.AppendUvarint(b, uint64(f.Epoch))
	b = binary.AppendUvarint(b, f.Seq)
	b = binary.LittleEndian.AppendUint32(b, f.Prev)
	b = binary.AppendUvarint(b, f.Base)
	b = binary.AppendUvarint(b, uint64(f.First))
	b = binary.AppendUvarint(b, uint64(len(f.Kept)))
	for _, p := range f.Kept {
		b = binary.AppendUvarint(b, uint64(p.At))
		b = appendSized(b, p.Fact)
	}
	b = binary.AppendUvarint(b, uint64(len(f.Gone)))
	for _, at := range f.Gone {
		b = binary.AppendUvarint(b, uint64(at))
	}
	for _, fact := range f.Facts {
		b = appendSized(b, fact)
	}
	return b
}

func appendSized(b, fact []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(fact))), fact...)
}

// factRoom is what a fact of n bytes takes in a frame at most.
func factRoom(n int) int { return n + 2*binary.MaxVarintLen64 }

// frameRoom is what a frame without facts takes at most, Gone aside.
const frameRoom = 2 + 6*binary.MaxVarintLen64 + 4

var (
	errFrameCut = errors.New("cut short")
	// ErrFrameVersion says that a frame was stored by a newer version of the program.
	ErrFrameVersion = errors.New("stored by a newer version of the program")
)

// DecodeFrame reads a frame's stored form. Its facts are parts of b.
func DecodeFrame(b []byte) (f Frame, err error) {
	if len(b) < 2 {
		return f, fmt.Errorf("stored frame: %w after %d bytes", errFrameCut, len(b))
	}
	if b[0] != frameVersion {
		return f, fmt.Errorf("stored frame of format %d: %w, which knows format %d", b[0], ErrFrameVersion, frameVersion)
	}
	f.Partition = core.Partition(b[1])
	r := frameReader{rest: b[2:]}
	f.Epoch, f.Seq = Fence(r.number()), r.number()
	if head := r.bytes(4); head != nil {
		f.Prev = binary.LittleEndian.Uint32(head)
	}
	f.Base = r.number()
	f.First = core.LSN(r.number())
	for kept := r.number(); r.err == nil && kept > 0; kept-- {
		at := core.LSN(r.number())
		f.Kept = append(f.Kept, PlacedFact{at, r.bytes(r.number())})
	}
	for gone := r.number(); r.err == nil && gone > 0; gone-- {
		f.Gone = append(f.Gone, core.LSN(r.number()))
	}
	for r.err == nil && len(r.rest) > 0 {
		f.Facts = append(f.Facts, r.bytes(r.number()))
	}
	switch {
	case r.err != nil:
		return Frame{}, fmt.Errorf("stored frame: %w", r.err)
	case f.Seq == 0 || f.Base > f.Seq || f.Base == 0:
		return Frame{}, fmt.Errorf("stored frame %d: frames from %d on cannot be what it needs", f.Seq, f.Base)
	case f.First == 0 || slices.ContainsFunc(f.Kept, func(k PlacedFact) bool { return k.At == 0 || k.At >= f.First }):
		return Frame{}, fmt.Errorf("stored frame %d: it keeps facts that are not older than its own, from %d on", f.Seq, f.First)
	}
	return f, nil
}

type frameReader struct {
	rest []byte
	err  error
}

func (r *frameReader) number() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *frameReader) bytes(n uint64) []byte {
	if r.err != nil || n > uint64(len(r.rest)) {
		r.fail()
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *frameReader) fail() {
	if r.err == nil {
		r.err = errFrameCut
	}
	r.rest = nil
}

// StoredFrame is a frame's stored form with the fence that must hold for it.
type StoredFrame struct {
	Partition core.Partition
	Fence     Fence
	Data      []byte
}
