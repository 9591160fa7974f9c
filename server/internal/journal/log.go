package journal

import (
	"context"
	"iter"
)

// Log keeps frames. The committer is its only writer and has one call in
// flight.
type Log interface {
	// Commit stores the changes of a batch, all or none. When it has returned nil
	// they outlive the process and, as far as the log promises that, the machine.
	// After an error nothing is known about the batch, and the log must not be
	// used any more.
	Commit(ctx context.Context, b *Batch) error
	// Read calls each for every frame that is kept, by partition and then by
	// LSN, and returns its first error. The value is valid during the call.
	// Before the first Commit only.
	Read(ctx context.Context, each func(Frame) error) error
	// Next is a position that no frame has had. Before the first Commit only.
	Next() uint64
	// Space is what the log takes on its disk, and what is free there.
	Space() (Space, error)
	// Reclaim gives back the space of removed frames, as far as that is possible.
	Reclaim(ctx context.Context) error
	Close() error
}

// Place is where a frame is: its partition, and its position among the frames
// of all partitions.
type Place struct {
	Partition uint8
	LSN       uint64 // from 1
}

// Frame is one stored value.
type Frame struct {
	Place
	Value []byte
}

// Space is measured in bytes.
type Space struct {
	Used int64 // by the log
	Free int64 // on its disk, for this user
	// Short says that the disk has been full: what was kept in reserve for that is
	// in use.
	Short bool
}

// Batch is a set of changes: new frames, and frames that are not needed any
// more. A frame may be added and removed by the same batch.
type Batch struct {
	places  []Place
	ends    []int // of the values
	values  []byte
	removed []Place

	next    uint64
	settled chan struct{} // closed when the batch is durable
	late    chan struct{} // closed when that takes longer than the journal's timeout
	settle  func()        // to be called when it is durable
}

// keptValues is how many bytes of an emptied batch are kept for the next.
const keptValues = 4 << 20

// Frames are the new frames in the order of their positions.
func (b *Batch) Frames() iter.Seq[Frame] {
	return func(yield func(Frame) bool) {
		begin := 0
		for i, end := range b.ends {
			if !yield(Frame{b.places[i], b.values[begin:end]}) {
				return
			}
			begin = end
		}
	}
}

// Removed are the places of the frames that are not needed any more.
func (b *Batch) Removed() []Place { return b.removed }

// Next is the position after the last that was given to any frame so far: what
// removes frames must keep it, or a restart would give positions twice.
func (b *Batch) Next() uint64 { return b.next }

// Len is the number of new frames, Bytes the size of their values.
func (b *Batch) Len() int   { return len(b.places) }
func (b *Batch) Bytes() int { return len(b.values) }

// Add adds a frame whose value write appends to what it is given.
func (b *Batch) Add(p Place, write func([]byte) []byte) {
	b.values = write(b.values)
	b.places, b.ends = append(b.places, p), append(b.ends, len(b.values))
	b.next = p.LSN + 1
}

// Remove removes the frame at p.
func (b *Batch) Remove(p Place) { b.removed = append(b.removed, p) }

// reset empties the batch for more changes.
func (b *Batch) reset() {
	if cap(b.values) > keptValues {
		b.values = nil
	}
	b.places, b.ends, b.values, b.removed = b.places[:0], b.ends[:0], b.values[:0], b.removed[:0]
	b.settled, b.late, b.settle = nil, nil, nil
}
