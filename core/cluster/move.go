package cluster

import (
	"fmt"
	"slices"

	"simplane/core"
)

// A Move takes what is still needed out of a partition's oldest frames and puts it
// into a new one, so that they can be purged: a function's spec, say, of long ago
// beside a million executions that came and went. Who carries it out reads the
// frames from From on, gives each to Add until that says that it was the last, and
// calls Writer.Moved.
type Move struct {
	Log  *Log
	From uint64 // a place in the engine's order; 0 = the beginning
	next uint64 // the Seq of the frame that is to come
	upto uint64 // the last frame's Seq
	// kept are the facts of those frames that were needed when the Move began.
	kept []movedFact
	last bool
}

type movedFact struct {
	PlacedFact
	from *frameState
}

// Moves are those that are due for these journals: where the frames are large, and
// less than half of all their facts is needed.
func (w *Writer) Moves(of []*Log) (due []*Move) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range of {
		if m := l.move(); m != nil {
			due = append(due, m)
		}
	}
	return due
}

func (l *Log) move() *Move {
	all := l.bytes - l.spentBytes
	if l.gone.Load() || l.moving || all < l.w.pace.move || all < l.moveAt && l.lookAfter > 0 {
		return nil
	}
	needed, live := 0, 0
	for _, s := range l.frames {
		needed += s.neededBytes()
		live += s.live
	}
	// Once more when the frames have grown by half, or half of the facts are released: a
	// partition that takes no work for want of room does not grow.
	l.lookAfter = live/2 + 1
	if 2*needed > all {
		l.moveAt = all + all/2
		return nil
	}
	m := &Move{Log: l}
	for bytes, i := 0, l.spent; i < len(l.frames) && l.frames[i].seq != 0 && bytes < all/2; i++ {
		if m.upto == 0 {
			m.From, m.next = l.frames[i].place, l.frames[i].seq
		}
		m.upto = l.frames[i].seq
		bytes += l.frames[i].size
	}
	if m.upto == 0 {
		return nil
	}
	l.moving = true
	return m
}

// neededBytes is about how much of the frame is needed.
func (s *frameState) neededBytes() int {
	if s.all() == 0 {
		return 0
	}
	return int(int64(s.size) * int64(s.live) / int64(s.all()))
}

// Add takes the next frame and reports whether it was the last one. It copies what
// it keeps of data. The error wraps ErrClosed: the frames are not those that were
// stored, and the partition must not be served any more. Frames before the first one, and
// one that comes a second time, are passed over.
func (m *Move) Add(place uint64, data []byte) (last bool, err error) {
	l := m.Log
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	if l.gone.Load() {
		return true, nil // nothing of it will be moved
	}
	i := slices.IndexFunc(l.frames, func(s *frameState) bool { return s.seq == m.next })
	if i < 0 {
		return true, nil // it has been purged: nobody needs it, nor this Move
	}
	s, sum := l.frames[i], Sum(data)
	f, err := DecodeFrame(data)
	if sum != s.sum || err != nil {
		switch ours := err == nil && f.Partition == l.partition; {
		case ours && f.Seq < m.next:
			return false, nil
		case ours && f.Seq > m.next:
			return false, m.lost("frame %d is missing: at place %d is frame %d", m.next, place, f.Seq)
		}
		return false, m.lost("frame %d was stored with checksum %08x, and what is in its place, at %d, has %08x", m.next, s.sum, place, sum)
	}
	m.take(s, &f)
	m.next++
	m.last = f.Seq == m.upto
	return m.last, nil
}

func (m *Move) lost(format string, args ...any) error {
	return &LostError{m.Log.partition, fmt.Sprintf(format, args...)}
}

func (m *Move) take(s *frameState, f *Frame) {
	for i, fact := range f.Facts {
		if at := f.First + core.LSN(i); s.needed(at) && m.Log.moved[at] == nil {
			m.keep(s, at, fact)
		}
	}
	for _, k := range f.Kept {
		if m.Log.moved[k.At] == s {
			m.keep(s, k.At, k.Fact)
		}
	}
}

func (m *Move) keep(s *frameState, at core.LSN, fact []byte) {
	m.kept = append(m.kept, movedFact{PlacedFact{at, append([]byte(nil), fact...)}, s})
}

// Moved ends a Move: what is still needed of what it has read goes into a new frame.
// Unless err is nil and all was read it moves nothing, and another one is due later.
func (w *Writer) Moved(m *Move, err error) {
	l := m.Log
	w.mu.Lock()
	l.moving = false
	l.moveAt = max(l.w.pace.move, l.bytes-l.spentBytes)
	if err != nil || !m.last || l.gone.Load() {
		w.mu.Unlock()
		return
	}
	for _, k := range m.kept {
		if l.holds(k.At, k.from) {
			o := l.room(len(k.Fact), l.next)
			o.kept = append(o.kept, k)
		}
	}
	wake := len(l.filling) > 0 && w.queue(l)
	w.mu.Unlock()
	if wake {
		w.wake()
	}
}

// settle makes the frame the one that holds what it keeps, and returns that. It comes
// when the frame goes into a batch: until then the older ones are needed.
func (l *Log) settle(o *openFrame) (kept []PlacedFact) {
	for _, k := range o.kept {
		if !l.holds(k.At, k.from) {
			continue // it was released meanwhile
		}
		if l.moved[k.At] == k.from {
			k.from.live--
		} else {
			k.from.release(k.At)
		}
		l.moved[k.At] = o.state
		o.state.kept++
		o.state.live++
		kept = append(kept, k.PlacedFact)
	}
	return kept
}

// holds says that the fact at is needed, and that its newest copy is in frame s.
func (l *Log) holds(at core.LSN, s *frameState) bool {
	if newest, ok := l.moved[at]; ok {
		return newest == s
	}
	return s.has(at) && s.needed(at)
}
