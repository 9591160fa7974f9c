package cluster

import (
	"errors"
	"fmt"

	"simplane/core"
)

// ErrClosed is what errors wrap after which a partition stays closed: what the engine
// keeps of it is not as it must be, and to read it again would find the same.
var ErrClosed = errors.New("the partition stays closed here until what the engine keeps is mended and this node is started again")

// LostError says that the engine has lost frames that it had acknowledged, or has
// others in their place. The partition must not be served: what callers were told
// would not be true.
type LostError struct {
	Partition core.Partition
	What      string
}

func (e *LostError) Error() string {
	return fmt.Sprintf("partition %d: the engine has lost acknowledged data: %s; %v", e.Partition, e.What, ErrClosed)
}

// Unwrap says that the partition stays closed.
func (e *LostError) Unwrap() error { return ErrClosed }

// UnreadableError says that a frame, or a fact in it, cannot be read. This may be the
// fault of what is stored or of the program, if a newer one has written it.
type UnreadableError struct {
	Partition core.Partition
	Place     uint64   // of the frame in the engine's order
	Seq       uint64   // of the frame, as it follows from the one before; 0 = not known
	Fact      core.LSN // 0 = the frame as a whole
	Why       error
}

func (e *UnreadableError) Error() string {
	where := fmt.Sprintf("the frame at place %d", e.Place)
	if e.Seq != 0 {
		where = fmt.Sprintf("frame %d, at place %d,", e.Seq, e.Place)
	}
	if e.Fact != 0 {
		where = fmt.Sprintf("fact %d, of frame %d at place %d,", e.Fact, e.Seq, e.Place)
	}
	return fmt.Sprintf("partition %d: %s cannot be read: %v; %v", e.Partition, where, e.Why, ErrClosed)
}

// Unwrap says that the partition stays closed, and why.
func (e *UnreadableError) Unwrap() []error { return []error{ErrClosed, e.Why} }

// Unreadable is the error where the fact at a place of the partition cannot be read.
func (d *Folded) Unreadable(at core.LSN, why error) error {
	e := &UnreadableError{Partition: d.partition, Fact: at, Why: why}
	s := d.moved[at]
	if s == nil {
		s = frameOf(d.frames, at)
	}
	if s != nil {
		e.Seq, e.Place = s.seq, s.place
	}
	return e
}

// BrokenError says that the facts of a partition, each of which can be read, do not come
// to a state.
type BrokenError struct {
	Partition core.Partition
	Why       error
}

func (e *BrokenError) Error() string {
	return fmt.Sprintf("partition %d: its facts do not fit together: %v; %v", e.Partition, e.Why, ErrClosed)
}

// Unwrap says that the partition stays closed, and why.
func (e *BrokenError) Unwrap() []error { return []error{ErrClosed, e.Why} }
