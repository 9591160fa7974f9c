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
			m.From = l.frames[i].place
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
// it keeps of data.
func (m *Move) Add(place uint64, data []byte) (last bool, err error) {
	f, err := DecodeFrame(data)
	if err != nil {
		return false, fmt.Errorf("partition %d, place %d: %w", m.Log.partition, place, err)
	}
	if f.Seq > m.upto {
		return true, nil
	}
	m.last = f.Seq == m.upto
	m.Log.w.mu.Lock()
	defer m.Log.w.mu.Unlock()
	if i := slices.IndexFunc(m.Log.frames, func(s *frameState) bool { return s.seq == f.Seq }); i >= 0 {
		m.take(m.Log.frames[i], &f)
	}
	return m.last, nil
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
