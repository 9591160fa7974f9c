package recording

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/zstd"

	"simplane/core"
)

// Reader reads a recording block by block, in bounded memory. It is not for
// concurrent use.
type Reader struct {
	from   io.Reader
	zip    *zstd.Decoder
	header Header

	number    uint32 // of the next frame
	offset    int64  // of it
	steps     uint64
	bases     uint64
	dropped   string
	truncated bool
	done      error // what Next returns from now on
	stored    []byte
	raw       []byte
}

// Block is what was recorded together: steps, or bases.
type Block struct {
	First, Last int64 // earliest and latest wall time, ns; 0 = none
	Steps       []core.Step
	Bases       []*core.Base
}

// NewReader reads the header. The error is an *UnusableError, or from's.
func NewReader(from io.Reader) (*Reader, error) {
	zip, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxBaseBytes),
		zstd.WithDecoderLowmem(true), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, err
	}
	r := &Reader{from: from, zip: zip}
	start := make([]byte, prefix)
	n, err := io.ReadFull(from, start)
	switch {
	case err != nil && !isShort(err):
		return nil, err
	case !bytes.HasPrefix([]byte(magic), start[:min(n, len(magic))]) || n == 0:
		return nil, r.unusable("this is no recording of simplane")
	case n < prefix:
		return nil, r.unusable("the file ends within its header")
	}
	if v := binary.LittleEndian.Uint32(start[len(magic):]); v != formatVersion {
		return nil, r.unusable("the format has version %d; this simplane reads version %d", v, formatVersion)
	}
	r.offset = int64(prefix)
	f, payload, err := r.frame()
	switch {
	case errors.Is(err, io.EOF):
		return nil, r.unusable("the file ends within its header")
	case err != nil:
		return nil, err
	case f.kind != frameHeader:
		return nil, r.unusable("a header should be here")
	}
	if err := json.Unmarshal(payload, &r.header); err != nil {
		return nil, r.unusable("the header cannot be read: %v", err)
	}
	return r, nil
}

// Header says what was recorded.
func (r *Reader) Header() Header { return r.header }

// Dropped is why the recorder stopped before the end; "" = it did not. It is known
// when Next has returned io.EOF.
func (r *Reader) Dropped() string { return r.dropped }

// Truncated says that the end of the file is missing. It is known when Next has
// returned io.EOF.
func (r *Reader) Truncated() bool { return r.truncated }

// Next reads the next block; io.EOF after the last one. Any other error is an
// *UnusableError, or that of reading the file.
func (r *Reader) Next() (Block, error) {
	if r.done != nil {
		return Block{}, r.done
	}
	b, err := r.next()
	r.done = err
	return b, err
}

func (r *Reader) next() (b Block, err error) {
	f, payload, err := r.frame()
	if errors.Is(err, io.EOF) {
		r.truncated = true
	}
	if err != nil {
		return b, err
	}
	b.First, b.Last = f.first, f.last
	switch f.kind {
	case frameSteps:
		if b.Steps, err = decodeSteps(payload, f.count); err != nil {
			return b, r.unusable("%v", err)
		}
		r.steps += uint64(f.count)
	case frameBases:
		if b.Bases, err = decodeBases(payload, f.count); err != nil {
			return b, r.unusable("%v", err)
		}
		r.bases += uint64(f.count)
	case frameEnd:
		return b, r.atEnd(payload)
	default:
		return b, r.unusable("a second header")
	}
	return b, nil
}

func (r *Reader) atEnd(payload []byte) error {
	var e end
	if err := json.Unmarshal(payload, &e); err != nil {
		return r.unusable("the end cannot be read: %v", err)
	}
	if e.Steps != r.steps || e.Bases != r.bases {
		return r.unusable("the end speaks of %d steps and %d bases; there are %d and %d", e.Steps, e.Bases, r.steps, r.bases)
	}
	switch n, err := io.ReadFull(r.from, make([]byte, 1)); {
	case n > 0:
		return r.unusable("there is more behind the end")
	case !isShort(err):
		return err
	}
	r.dropped = e.Dropped
	return io.EOF
}

// frame reads a frame and unpacks its payload, valid until the next call; io.EOF
// when the file ends before the frame's last byte.
func (r *Reader) frame() (f frame, payload []byte, err error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(r.from, head[:]); err != nil {
		return f, nil, endOr(err)
	}
	if err := f.parse(&head, r.number); err != nil {
		return f, nil, r.unusable("%v", err)
	}
	r.stored = grown(r.stored, f.stored)
	if _, err := io.ReadFull(r.from, r.stored); err != nil {
		return f, nil, endOr(err)
	}
	if crc32.Checksum(r.stored, castagnoli) != f.payloadSum {
		return f, nil, r.unusable("block %d is damaged: its checksum does not match", f.number)
	}
	payload = r.stored
	if f.packed {
		r.raw = grown(r.raw, f.raw)
		payload, err = r.zip.DecodeAll(r.stored, r.raw[:0:f.raw])
		if err != nil || len(payload) != f.raw {
			return f, nil, r.unusable("block %d cannot be unpacked to %d bytes", f.number, f.raw)
		}
	}
	r.number++
	r.offset += frameHead + int64(f.stored)
	return f, payload, nil
}

// grown is b with length n, made anew if b is too small.
func grown(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

func endOr(err error) error {
	if isShort(err) {
		return io.EOF
	}
	return err
}

func (r *Reader) unusable(format string, args ...any) error {
	return &UnusableError{Offset: r.offset, Why: fmt.Sprintf(format, args...)}
}

func decodeBases(raw []byte, n int) ([]*core.Base, error) {
	bases := make([]*core.Base, 0, min(n, 1024))
	for line := range bytes.Lines(raw) {
		// An object in memory is larger than the shortest one as JSON. In what a
		// Writer has written, one comes with 70 bytes and more.
		if objects := bytes.Count(line, []byte("{")); len(bases) >= n || objects > 256+len(line)/32 {
			return nil, fmt.Errorf("a block of %d states of functions has another form", n)
		}
		b := new(core.Base)
		if err := json.Unmarshal(line, b); err != nil {
			return nil, fmt.Errorf("the state of a function cannot be read: %w", err)
		}
		bases = append(bases, b)
	}
	if len(bases) != n {
		return nil, fmt.Errorf("a block has %d states of functions, and says %d", len(bases), n)
	}
	return bases, nil
}

// Bounds of what Read keeps.
const (
	// MaxSteps is as many as 2 GiB hold.
	MaxSteps = 32 << 20
	// MaxBases bounds bases, live executions in them included.
	MaxBases = 4 << 20
)

// Read reads a whole recording. A file whose end is missing is read up to its last
// whole block, see Recording.Truncated. The error is an *UnusableError, that of
// reading, or says that there is more than Read keeps: a Reader has no such bound.
func Read(from io.Reader) (*Recording, error) {
	r, err := NewReader(from)
	if err != nil {
		return nil, err
	}
	all := &Recording{Header: r.header}
	inBases := 0
	for {
		b, err := r.Next()
		if errors.Is(err, io.EOF) {
			all.Dropped, all.Truncated = r.dropped, r.truncated
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all.Steps = append(all.Steps, b.Steps...)
		all.Bases = append(all.Bases, b.Bases...)
		for _, base := range b.Bases {
			inBases += 1 + len(base.Live) + len(base.Queue)/16
		}
		if len(all.Steps) > MaxSteps || inBases > MaxBases {
			return nil, fmt.Errorf("the recording has more than %d steps, or states of more than %d executions: it is too large to be kept in memory", MaxSteps, MaxBases)
		}
	}
}
