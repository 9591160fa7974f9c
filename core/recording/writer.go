package recording

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/zstd"

	"simplane/core"
)

// Writer writes a recording. It is not for concurrent use. After an error, what
// was written up to the last whole block can be read.
type Writer struct {
	to    io.Writer
	names bool
	zip   *zstd.Encoder

	number  uint32 // of the next frame
	written int64
	steps   []core.Step // of the next block
	bases   []byte      // of the next one, one a line
	inBases int
	first   int64 // wall time of the earliest base in it
	last    int64
	end     end
	failed  error
	out     []byte // reused
	packed  []byte // reused
}

// end is the last frame.
type end struct {
	Steps   uint64 `json:"steps"`
	Bases   uint64 `json:"bases"`
	Dropped string `json:"dropped,omitempty"`
}

// ErrBaseTooLarge says that a base was left out: as JSON it has more than
// MaxBaseBytes.
var ErrBaseTooLarge = errors.New("a function's state is too large for a recording")

// NewWriter writes the header. If h.Names is false, the names of functions and
// metrics are replaced by numbers in all that follows.
func NewWriter(to io.Writer, h Header) (*Writer, error) {
	zip, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithWindowSize(512<<10), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, err
	}
	w := &Writer{to: to, names: h.Names, zip: zip}
	header, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	if len(header) > maxSmallRaw {
		return nil, fmt.Errorf("the header of a recording has %d bytes, more than %d", len(header), maxSmallRaw)
	}
	w.out = binary.LittleEndian.AppendUint32(append(w.out, magic...), formatVersion)
	return w, w.frame(frame{kind: frameHeader}, header)
}

// Steps adds steps, which are copied.
func (w *Writer) Steps(steps []core.Step) error {
	for len(steps) > 0 && w.failed == nil {
		n := min(len(steps), BlockSteps-len(w.steps))
		w.steps, steps = append(w.steps, steps[:n]...), steps[n:]
		if len(w.steps) == BlockSteps {
			w.writeSteps()
		}
	}
	return w.failed
}

// Base adds a function's state. It comes before the steps that are added later,
// and may come before some that were added earlier. Without it, what is in the recording stays
// readable: after ErrBaseTooLarge the Writer goes on.
func (w *Writer) Base(b *core.Base) error {
	if w.failed != nil {
		return w.failed
	}
	if !w.names {
		b = nameless(b)
	}
	line, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("the state of a function cannot be written: %w", err)
	}
	if len(line) >= MaxBaseBytes {
		return ErrBaseTooLarge
	}
	if w.inBases == blockBases || w.inBases > 0 && len(w.bases)+len(line) >= basesTogether {
		w.writeBases()
	}
	if w.inBases == 0 {
		w.first, w.last = b.Wall, b.Wall
	}
	w.first, w.last = min(w.first, b.Wall), max(w.last, b.Wall)
	w.bases = append(append(w.bases, line...), '\n')
	w.inBases++
	return w.failed
}

// Flush writes what was added, as blocks that may be small.
func (w *Writer) Flush() error {
	if w.inBases > 0 {
		w.writeBases()
	}
	if len(w.steps) > 0 {
		w.writeSteps()
	}
	return w.failed
}

// Close writes what was added and the end, and does not close the io.Writer.
// dropped says why steps are missing from here on; "" = none are.
func (w *Writer) Close(dropped string) error {
	if err := w.Flush(); err != nil {
		return err
	}
	w.end.Dropped = dropped
	payload, err := json.Marshal(w.end)
	if err != nil {
		return err
	}
	err = w.frame(frame{kind: frameEnd}, payload)
	w.failed = errors.Join(err, errors.New("the recording is closed"))
	return err
}

// Written is the number of bytes so far. What waits for a block to fill is not
// among them.
func (w *Writer) Written() int64 { return w.written }

// writeSteps writes the states before the steps: whoever reads a block of steps
// has had those that they follow.
func (w *Writer) writeSteps() {
	if w.inBases > 0 {
		w.writeBases()
	}
	f := frame{kind: frameSteps, count: len(w.steps)}
	for i := range w.steps {
		switch at := At(&w.steps[i]); {
		case at == 0:
		case f.first == 0:
			f.first, f.last = at, at
		default:
			f.first, f.last = min(f.first, at), max(f.last, at)
		}
	}
	w.packed = appendSteps(w.packed[:0], w.steps)
	w.end.Steps += uint64(len(w.steps))
	w.steps = w.steps[:0]
	_ = w.frame(f, w.packed)
}

func (w *Writer) writeBases() {
	f := frame{kind: frameBases, count: w.inBases, first: w.first, last: w.last}
	w.end.Bases += uint64(w.inBases)
	_ = w.frame(f, w.bases)
	if w.bases, w.inBases = w.bases[:0], 0; cap(w.bases) > 4*basesTogether {
		w.bases = nil
	}
}

// frame writes a frame, in one call of Write. Header and end are stored as they
// are, so that people can read them.
func (w *Writer) frame(f frame, payload []byte) error {
	if w.failed != nil {
		return w.failed
	}
	f.number, f.raw, f.stored = w.number, len(payload), len(payload)
	if f.kind == frameSteps || f.kind == frameBases {
		if packed := w.zip.EncodeAll(payload, nil); len(packed) < len(payload) {
			payload, f.stored, f.packed = packed, len(packed), true
		}
	}
	f.payloadSum = crc32.Checksum(payload, castagnoli)
	w.out = append(f.append(w.out), payload...)
	n, err := w.to.Write(w.out)
	w.written += int64(n)
	w.number++
	if w.out = w.out[:0]; cap(w.out) > 1<<20 {
		w.out = nil
	}
	w.failed = err
	return err
}
