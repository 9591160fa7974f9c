package recording

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// A recording as a file is magic, the version of this format, and frames. A frame
// is a head of frameHead bytes and a payload. The first one has the Header, the
// last one says that nothing is missing. All integers are little-endian.
const (
	magic         = "simplane record\n"
	formatVersion = 1
	prefix        = len(magic) + 4

	// frameHead: kind (1 byte), compression (1), zero (2), number of the frame
	// from 0 (4), bytes of the payload as stored (4) and unpacked (4), steps or
	// bases in it (4), earliest and latest wall time of those (8, 8), CRC-32C of
	// the payload as stored (4), CRC-32C of the head before (4).
	frameHead = 44
)

type frameKind uint8

const (
	frameHeader frameKind = iota + 1
	frameSteps
	frameBases
	frameEnd
)

// Bounds of a frame. Whoever reads one takes no more memory than these for it.
const (
	// BlockSteps is how many steps a block has at most: at some 15 bytes each,
	// about 64 KiB.
	BlockSteps = 4096
	// MaxBaseBytes bounds a base as JSON.
	MaxBaseBytes = 16 << 20

	maxStepsRaw   = BlockSteps * 96 // a step takes at most 90 bytes
	maxSmallRaw   = 64 << 10        // header and end
	blockBases    = 4096
	basesTogether = 64 << 10 // smaller bases share a block of about this size
)

// maxRaw is the largest unpacked payload of a kind; 0 = there is no such kind.
func (k frameKind) maxRaw() int {
	switch k {
	case frameHeader, frameEnd:
		return maxSmallRaw
	case frameSteps:
		return maxStepsRaw
	case frameBases:
		return MaxBaseBytes
	}
	return 0
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frame is one frame's head.
type frame struct {
	kind        frameKind
	packed      bool
	number      uint32
	stored, raw int
	count       int
	first, last int64
	payloadSum  uint32
}

func (f *frame) append(b []byte) []byte {
	start := len(b)
	packed := byte(0)
	if f.packed {
		packed = 1
	}
	le := binary.LittleEndian
	b = append(b, byte(f.kind), packed, 0, 0)
	b = le.AppendUint32(b, f.number)
	b = le.AppendUint32(b, uint32(f.stored))
	b = le.AppendUint32(b, uint32(f.raw))
	b = le.AppendUint32(b, uint32(f.count))
	b = le.AppendUint64(b, uint64(f.first))
	b = le.AppendUint64(b, uint64(f.last))
	b = le.AppendUint32(b, f.payloadSum)
	return le.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// parse reads a head; number is what the frame's must be.
func (f *frame) parse(b *[frameHead]byte, number uint32) error {
	le := binary.LittleEndian
	if le.Uint32(b[40:]) != crc32.Checksum(b[:40], castagnoli) {
		return errors.New("the head of a block is damaged: its checksum does not match")
	}
	*f = frame{
		kind: frameKind(b[0]), packed: b[1] == 1, number: le.Uint32(b[4:]),
		first: int64(le.Uint64(b[20:])), last: int64(le.Uint64(b[28:])), payloadSum: le.Uint32(b[36:]),
	}
	stored, raw, count := le.Uint32(b[8:]), le.Uint32(b[12:]), le.Uint32(b[16:])
	most := uint32(f.kind.maxRaw())
	switch {
	case most == 0 || b[1] > 1 || b[2] != 0 || b[3] != 0:
		return fmt.Errorf("a block is of an unknown kind (%d, packed %d)", b[0], b[1])
	case f.number != number:
		return fmt.Errorf("block %d follows where block %d should: blocks are missing, or not in their order", f.number, number)
	case raw > most || stored > raw || !f.packed && stored != raw:
		return fmt.Errorf("a block of %d bytes, stored as %d: at most %d are read", raw, stored, most)
	case f.kind == frameSteps && count > BlockSteps, f.kind == frameBases && count > blockBases:
		return fmt.Errorf("a block says that it has %d entries in %d bytes", count, raw)
	}
	f.stored, f.raw, f.count = int(stored), int(raw), int(count)
	return nil
}

// UnusableError says that a file is no recording, or that it was changed.
type UnusableError struct {
	Offset int64 // of the block, in bytes
	Why    string
}

func (e *UnusableError) Error() string {
	return fmt.Sprintf("unusable, at byte %d: %s", e.Offset, e.Why)
}

// isShort reports whether a read found the end before its last byte.
func isShort(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
