package cluster

import (
	"sync/atomic"

	"simplane/core"
)

// Log is the journal of one partition's core while this node owns it. Facts go
// into frames; the Writer has those committed. A fact that is released leaves its
// frame with one fewer. Frames at the beginning that nobody needs are purged, and
// those that have little left are emptied first: that goes into a new frame.
type Log struct {
	w         *Writer
	partition core.Partition
	fence     Fence
	durable   atomic.Uint64
	gone      atomic.Bool // the partition is another's, or nobody's
	sealed    atomic.Bool // it ended by Writer.Seal

	// The Writer's lock guards the rest.
	next    core.LSN
	tail    Tail
	frames  []*frameState // in their order; the last ones are not in a batch yet
	moved   map[core.LSN]*frameState
	filling []*openFrame // not in a batch yet; the last one takes what is appended
	queued  bool         // in the Writer's list
	flights int          // frames of it in the batch in flight

	spent      int    // leading frames that nobody needs
	spentBytes int    // of those
	saidBytes  int    // of those which a frame says so of
	base       uint64 // what the newest durable frame has as its Base
	bytes      int    // of all frames
	moveAt     int    // as many bytes are looked at for what to move,
	lookAfter  int    // or after so many releases
	moving     bool
	// released are the places of moved facts that were released since the last
	// frame, and
	// claimed is what that one has as its Base.
	released []core.LSN
	claimed  uint64
}

// openFrame is a frame that is not in a batch yet.
type openFrame struct {
	state *frameState
	facts [][]byte
	kept  []movedFact
	bytes int
}

// Partition is the one whose journal this is, Fence the claim that it rests on.
func (l *Log) Partition() core.Partition { return l.partition }
func (l *Log) Fence() Fence              { return l.fence }

// Gone implements core.Journal: nothing of this becomes durable any more.
func (l *Log) Gone() bool { return l.gone.Load() }

// Sealed says that it ended with everything durable that it had been given until
// then: what is not durable is in no frame.
func (l *Log) Sealed() bool { return l.sealed.Load() }

// Lag is the number of facts that are not durable.
func (l *Log) Lag() int64 {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	if l.gone.Load() {
		return 0
	}
	return int64(l.next-1) - int64(l.durable.Load())
}

// Append implements core.Journal. After Writer.Drop the fact goes nowhere and is
// never durable: no effect that rests on it leaves core.
func (l *Log) Append(_ core.Partition, f *core.Fact) core.LSN {
	w := l.w
	w.mu.Lock()
	at := l.next
	l.next++
	if l.gone.Load() {
		w.mu.Unlock()
		return at
	}
	stored := w.write(f)
	o := l.room(len(stored), at)
	o.facts = append(o.facts, stored)
	o.state.count++
	o.state.live++
	wake := w.queue(l)
	w.mu.Unlock()
	if wake {
		w.wake()
	}
	return at
}

// room is the frame for a fact of n bytes, which is counted; next is the place of the
// next new fact.
func (l *Log) room(n int, next core.LSN) *openFrame {
	n = factRoom(n)
	if last := len(l.filling) - 1; last >= 0 && l.filling[last].bytes+n <= l.w.most {
		l.filling[last].bytes += n
		return l.filling[last]
	}
	o := &openFrame{state: &frameState{first: next}, bytes: frameRoom + n}
	l.filling, l.frames = append(l.filling, o), append(l.frames, o.state)
	return o
}

// Durable implements core.Journal.
func (l *Log) Durable() core.LSN { return core.LSN(l.durable.Load()) }

// Room implements core.Journal.
func (l *Log) Room() bool { return !l.gone.Load() && l.w.hasRoom.Load() }

// Release implements core.Journal.
func (l *Log) Release(_ core.Partition, at core.LSN) {
	w := l.w
	w.mu.Lock()
	wake := false
	if !l.gone.Load() {
		l.release(at)
		l.spend()
		wake = l.spentBytes-l.saidBytes >= w.pace.useless && w.queue(l)
	}
	w.mu.Unlock()
	if wake {
		w.wake()
	}
}

func (l *Log) release(at core.LSN) {
	l.lookAfter--
	if s, ok := l.moved[at]; ok {
		s.live--
		delete(l.moved, at)
		l.released = append(l.released, at)
	} else if s := frameOf(l.frames, at); s != nil {
		s.release(at)
	}
}

// goneAtOnce bounds the places in a frame's Gone.
const goneAtOnce = 4096

// goneBy is what a frame has as its Gone, and its Base, which is what base would be
// unless there is not room for all of those: then it stays.
func (l *Log) goneBy(base uint64) ([]core.LSN, uint64) {
	gone := l.released[:min(len(l.released), goneAtOnce)]
	if l.released = l.released[len(gone):]; len(l.released) == 0 {
		l.released = nil
	} else if l.claimed != 0 {
		base = l.claimed
	}
	l.claimed = base
	return gone, base
}

// spend counts the leading frames that nobody needs.
func (l *Log) spend() {
	for l.spent < len(l.frames) && l.frames[l.spent].seq != 0 && l.frames[l.spent].live == 0 {
		l.spentBytes += l.frames[l.spent].size
		l.spent++
	}
}

// needed is the Seq of the oldest frame that is needed when the one with this Seq
// is the newest.
func (l *Log) needed(newest uint64) uint64 {
	if l.spend(); l.spent < len(l.frames) && l.frames[l.spent].seq != 0 {
		return l.frames[l.spent].seq
	}
	return newest
}
