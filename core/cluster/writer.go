package cluster

import (
	"strconv"
	"sync"
	"sync/atomic"

	"simplane/core"
)

// Writer makes batches of what the journals of the owned partitions have been
// given: one batch is committed at a time, and what comes meanwhile is the next.
// Its methods may be called from any goroutine.
type Writer struct {
	life    string
	most    int    // bytes of a frame at most
	wake    func() // there is something to commit
	pace    pace
	hasRoom atomic.Bool

	mu     sync.Mutex
	list   []*Log // those that have something for a batch, in the order it came
	flight *Batch
	number uint64        // of batches so far
	turn   chan struct{} // closed when a batch is over
	block  []byte        // where stored facts are written, one behind the other
}

// Batch is what is committed at once. Frames of one partition are in their order.
type Batch struct {
	// ID tells batches apart, those of other processes too: a commit with an unknown
	// outcome is repeated under the same one.
	ID     string
	Frames []StoredFrame
	of     []batched
}

type batched struct {
	log     *Log
	state   *frameState
	durable core.LSN // up to here, once the frame is; 0 = it has no new fact
	base    uint64
}

// Bounds of a batch: engines have one of messages, and what is in flight is in
// memory. A frame begins within batchBytes, and may end beyond.
const (
	batchFrames = 1000
	batchBytes  = 8 << 20
)

// pace says how much of a partition's frames must be useless, in bytes, before
// something is done about it: each time costs a message of the engine, or more.
type pace struct {
	useless int // a frame without facts says so
	purge   int // they are removed
	move    int // the size from which on frames are emptied
}

func defaultPace() pace { return pace{useless: 256 << 10, purge: 64 << 10, move: 1 << 20} }

// Advance is how far the facts of one journal are durable.
type Advance struct {
	Log     *Log
	Durable core.LSN
}

// NewWriter makes the Writer of a process with this life. most is the size of a
// frame, in bytes; a fact that is larger has a frame of its own. wake is called from
// any goroutine when there is something for a batch and none is in flight; it must
// return at once.
func NewWriter(life string, most int, wake func()) *Writer {
	w := &Writer{life: life, most: most, wake: wake, pace: defaultPace(), turn: make(chan struct{})}
	w.hasRoom.Store(true)
	return w
}

// SetPace says how many bytes of a partition's frames must be useless before a frame
// says so (useless), and before they are removed (purge), and how large the frames
// must be before what is needed of the oldest is moved (move). It comes before Open.
func (w *Writer) SetPace(useless, purge, move int) { w.pace = pace{useless, purge, move} }

// SetRoom says whether the engine has room for new work.
func (w *Writer) SetRoom(yes bool) { w.hasRoom.Store(yes) }

// Open begins the journal of a partition that was claimed at fence; folded is what
// its frames came to.
func (w *Writer) Open(p core.Partition, fence Fence, folded *Folded) *Log {
	l := &Log{w: w, partition: p, fence: fence, next: folded.next, tail: folded.Tail, frames: folded.frames, moved: folded.moved,
		base: folded.base, claimed: folded.base, bytes: folded.Bytes, moveAt: w.pace.move}
	l.durable.Store(uint64(l.next) - 1)
	return l
}

// Drop ends a journal: what is not durable by now never will be, as far as this
// node can say. What is in flight may be.
func (w *Writer) Drop(l *Log) {
	w.mu.Lock()
	w.drop(l)
	w.mu.Unlock()
}

func (w *Writer) drop(l *Log) {
	l.gone.Store(true)
	l.filling, l.frames, l.moved, l.released = nil, nil, nil, nil
	w.nextTurn()
}

// nextTurn wakes those who wait for the end of a batch.
func (w *Writer) nextTurn() {
	close(w.turn)
	w.turn = make(chan struct{})
}

// Turn is closed when a batch is over or a journal has ended. Who waits for a fact
// takes it first, then asks Log.Durable and Log.Gone, and waits if need be.
func (w *Writer) Turn() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.turn
}

// Idle says that everything that l was given is durable.
func (w *Writer) Idle(l *Log) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return l.idle()
}

func (l *Log) idle() bool {
	return len(l.filling) == 0 && l.flights == 0 && !l.gone.Load()
}

// Seal ends a journal of which everything is durable, and returns its last frame. It
// does nothing, and returns false, while something is not durable, or after the end.
func (w *Writer) Seal(l *Log) (Tail, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !l.idle() {
		return Tail{}, false
	}
	tail := l.tail
	l.sealed.Store(true) // before it is gone: who sees that asks for this
	w.drop(l)
	return tail, true
}

// blockBytes is the size of the blocks that stored facts are written into.
const blockBytes = 64 << 10

// write is the stored form of a fact.
func (w *Writer) write(f *core.Fact) []byte {
	if cap(w.block)-len(w.block) < blockBytes/16 {
		w.block = make([]byte, 0, blockBytes)
	}
	begin := len(w.block)
	stored := f.AppendTo(w.block[begin:])
	if len(stored) <= cap(w.block)-begin {
		w.block = w.block[:begin+len(stored)]
	}
	return stored[:len(stored):len(stored)]
}

// queue puts l into the list and reports whether wake is to be called.
func (w *Writer) queue(l *Log) bool {
	if l.queued {
		return false
	}
	l.queued = true
	w.list = append(w.list, l)
	return w.flight == nil && len(w.list) == 1
}

// Next makes the next batch; nil when there is nothing to commit or one is in
// flight.
func (w *Writer) Next() *Batch {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.flight != nil {
		return nil
	}
	b := w.newBatch()
	var rest []*Log
	for bytes := 0; len(w.list) > 0 && bytes < batchBytes && len(b.Frames) < batchFrames; {
		l := w.list[0]
		w.list[0], w.list = nil, w.list[1:]
		l.queued = false
		if l.gone.Load() {
			continue
		}
		if bytes += l.fill(b, batchBytes-bytes); len(l.filling) > 0 {
			l.queued, rest = true, append(rest, l)
		}
	}
	if w.list = append(w.list, rest...); len(w.list) == 0 {
		w.list = nil
	}
	if len(b.Frames) == 0 {
		return nil
	}
	w.flight = b
	return b
}

func (w *Writer) newBatch() *Batch {
	w.number++
	return &Batch{ID: w.life + "." + strconv.FormatUint(w.number, 10)}
}

// fill moves frames of l into the batch until they have most bytes, and returns how
// many they have.
func (l *Log) fill(b *Batch, most int) (bytes int) {
	if len(l.filling) == 0 {
		l.room(0, l.next) // a frame that says what is not needed any more
	}
	for len(l.filling) > 0 && bytes < most && len(b.Frames) < batchFrames {
		o := l.filling[0]
		l.filling[0], l.filling = nil, l.filling[1:]
		s := o.state
		s.seq = l.tail.Seq + 1
		f := Frame{Partition: l.partition, Epoch: l.fence, Seq: s.seq, Prev: l.tail.Sum, First: s.first, Facts: o.facts, Kept: l.settle(o)}
		f.Gone, f.Base = l.goneBy(l.needed(s.seq))
		data := f.AppendTo(make([]byte, 0, o.bytes))
		s.size, s.sum = len(data), Sum(data)
		l.saidBytes = l.spentBytes
		l.tail = Tail{s.seq, s.sum}
		l.bytes += s.size
		l.flights++
		e := batched{log: l, state: s, base: f.Base}
		if s.count > 0 {
			e.durable = s.first + core.LSN(s.count) - 1
		}
		b.Frames, b.of = append(b.Frames, StoredFrame{l.partition, l.fence, data}), append(b.of, e)
		bytes += s.size
	}
	if len(l.filling) == 0 {
		l.filling = nil
	}
	return bytes
}

// InFlight is the batch that is to be committed or is being; nil = none.
func (w *Writer) InFlight() *Batch {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flight
}

// Stored says that the batch in flight is durable; last is where its last frame is
// in the engine's order, and 0 if that is not known. It returns how far each of its
// journals has come.
func (w *Writer) Stored(last uint64) (told []Advance) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.flight
	w.flight = nil
	for i := range b.of {
		e := &b.of[i]
		if last != 0 {
			e.state.place = last - uint64(len(b.of)-1-i)
		}
		e.log.flights--
		if e.log.gone.Load() {
			continue
		}
		e.log.base = e.base
		if e.durable == 0 {
			continue
		}
		e.log.durable.Store(uint64(e.durable))
		if n := len(told); n > 0 && told[n-1].Log == e.log {
			told[n-1].Durable = e.durable
		} else {
			told = append(told, Advance{e.log, e.durable})
		}
	}
	w.nextTurn()
	return told
}

// Abandoned says that it will not be known whether the batch in flight was stored: the
// journals in it end, and are returned.
func (w *Writer) Abandoned() (ended []*Log) {
	var parts []core.Partition
	for _, f := range w.InFlight().Frames {
		parts = append(parts, f.Partition)
	}
	return w.Fenced(parts)
}

// Fenced says that nothing of the batch in flight was stored, and that these partitions
// are owned by others, or that their frames never can be: their journals end, and are
// returned. What the batch has of others is in flight again, under another ID.
func (w *Writer) Fenced(parts []core.Partition) (ended []*Log) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.flight
	w.flight = nil
	for _, p := range parts {
		for _, e := range b.of {
			if e.log.partition == p && !e.log.gone.Load() {
				ended = append(ended, e.log)
				w.drop(e.log)
			}
		}
	}
	again := w.newBatch()
	for i, e := range b.of {
		if e.log.gone.Load() {
			e.log.flights--
			continue
		}
		again.Frames, again.of = append(again.Frames, b.Frames[i]), append(again.of, e)
	}
	if len(again.Frames) > 0 {
		w.flight = again
	}
	return ended
}
