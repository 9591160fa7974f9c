package cluster

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"simplane/core"
)

// stream is the engine as far as frames go: places in one order.
type stream struct {
	next   uint64
	frames map[uint64]StoredFrame
}

func newStream() *stream { return &stream{next: 1, frames: map[uint64]StoredFrame{}} }

func (s *stream) commit(b *Batch) (last uint64) {
	for _, f := range b.Frames {
		s.frames[s.next] = f
		s.next++
	}
	return s.next - 1
}

func (s *stream) purge(p Purge) {
	maps.DeleteFunc(s.frames, func(at uint64, f StoredFrame) bool { return f.Partition == p.Partition && at < p.Before })
}

func (s *stream) read(p core.Partition, from uint64, each func(at uint64, data []byte) bool) {
	for _, at := range slices.Sorted(maps.Keys(s.frames)) {
		if f := s.frames[at]; f.Partition == p && at >= from && !each(at, slices.Clone(f.Data)) {
			return
		}
	}
}

func (s *stream) fold(p core.Partition, claim Fence, before *Ownership) (*Folded, error) {
	f := NewFolder(p, claim, before)
	var failed error
	s.read(p, 0, func(at uint64, data []byte) bool {
		failed = f.Add(at, data)
		return failed == nil
	})
	if failed != nil {
		return nil, failed
	}
	return f.Done()
}

func (s *stream) bytes(p core.Partition) (n int) {
	for _, f := range s.frames {
		if f.Partition == p {
			n += len(f.Data)
		}
	}
	return n
}

func fact(p core.Partition, n uint64, size int) *core.Fact {
	return &core.Fact{Kind: core.FactAccepted, Function: fmt.Sprint(p), Registration: n, Input: make([]byte, size)}
}

// What callers may rely on, over any order of appends, releases, batches, moves,
// purges and changes of the owner: a fact that was durable and not released comes
// back with its bytes and place, in order, and once; a fact that is not durable may
// come back or not, but never without those before it.
func TestWhatIsDurableComesBack(t *testing.T) {
	seeds := 300
	if testing.Short() {
		seeds = 60
	}
	moves, purges, folds := 0, 0, 0
	for seed := range seeds {
		r := rand.New(rand.NewPCG(uint64(seed), 18))
		s := newStream()
		const parts = 3
		begin := func(life string) *Writer {
			w := NewWriter(life, 2000+r.IntN(4000), func() {})
			w.pace = pace{useless: 1500, purge: 1 + r.IntN(3000), move: 4000}
			return w
		}
		w := begin("life0")
		type model struct {
			log      *Log
			needed   map[core.LSN]uint64 // its registration
			released map[core.LSN]bool
			claim    Fence
		}
		var all [parts]*model
		number := uint64(0)
		open := func(p core.Partition) {
			m := all[p]
			m.claim = Fence(s.next)
			s.next++
			d, err := s.fold(p, m.claim, nil)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			folds++
			live := 0
			for _, f := range d.frames {
				live += f.live
			}
			if live != len(d.Facts) {
				t.Fatalf("seed %d: %d facts, and the frames count %d", seed, len(d.Facts), live)
			}
			got := map[core.LSN]uint64{}
			last := core.LSN(0)
			for _, f := range d.Facts {
				if f.At <= last {
					t.Fatalf("seed %d: fact %d after fact %d", seed, f.At, last)
				}
				last = f.At
				read, err := core.DecodeFact(f.Fact)
				if err != nil {
					t.Fatalf("seed %d: fact %d: %v", seed, f.At, err)
				}
				got[f.At] = read.Registration
			}
			durable := core.LSN(0)
			if m.log != nil {
				durable = m.log.Durable()
			}
			for at, n := range m.needed {
				if got[at] != n && at <= durable {
					t.Fatalf("seed %d, partition %d: fact %d, durable and needed, is %d and not %d", seed, p, at, got[at], n)
				}
			}
			for at, n := range got {
				if at > durable { // it was in flight: durable after all
					if want, ok := m.needed[at]; ok && want != n {
						t.Fatalf("seed %d: fact %d is %d, not %d", seed, at, n, want)
					}
				}
				if at > 1 && at > durable+1 && got[at-1] == 0 {
					t.Fatalf("seed %d: fact %d without the one before", seed, at)
				}
			}
			m.needed = got
			m.log = w.Open(p, m.claim, d)
			m.released = map[core.LSN]bool{}
		}
		for p := range all {
			all[p] = &model{needed: map[core.LSN]uint64{}, released: map[core.LSN]bool{}}
			open(core.Partition(p))
		}
		for range 1000 + r.IntN(2000) {
			p := core.Partition(r.IntN(parts))
			m := all[p]
			switch k := r.IntN(100); {
			case k < 38:
				number++
				m.needed[m.log.Append(p, fact(p, number, r.IntN(900)))] = number
			case k < 80: // release mostly what is old
				keys := slices.Sorted(maps.Keys(m.needed))
				if len(keys) > 0 {
					at := keys[int(float64(len(keys))*r.Float64()*r.Float64())]
					if r.IntN(20) > 0 && at%7 != 0 || r.IntN(50) == 0 { // some stay for long
						delete(m.needed, at)
						m.released[at] = true
						m.log.Release(p, at)
					}
				}
			case k < 98:
				b := w.Next()
				if b == nil {
					break
				}
				if r.IntN(60) == 0 { // stored, but the process ends before it knows
					s.commit(b)
					w = begin(fmt.Sprint("life", number))
					for p := range all {
						open(core.Partition(p))
					}
					break
				}
				last := s.commit(b)
				if r.IntN(10) == 0 {
					last = 0
				}
				w.Stored(last)
				var logs []*Log
				for _, m := range all {
					logs = append(logs, m.log)
				}
				for _, mv := range w.Moves(logs) {
					moves++
					s.read(mv.Log.Partition(), mv.From, func(at uint64, data []byte) bool {
						last, err := mv.Add(at, data)
						if err != nil {
							t.Fatal(err)
						}
						return !last
					})
					var failed error
					if r.IntN(5) == 0 {
						failed = errors.New("not now")
					}
					w.Moved(mv, failed)
				}
				for _, pg := range w.Purges(logs) {
					purges++
					if r.IntN(3) > 0 {
						s.purge(pg)
					}
				}
			case k < 99: // another owner, or this one again
				w.Drop(m.log)
				open(p)
			default:
				if b := w.Next(); b != nil { // the owner of some has changed
					ended := w.Fenced([]core.Partition{p})
					if slices.ContainsFunc(b.Frames, func(f StoredFrame) bool { return f.Partition == p }) != (len(ended) > 0) {
						t.Fatalf("seed %d: partition %d fenced, ended %v", seed, p, ended)
					}
					if len(ended) > 0 {
						open(p)
					}
					if again := w.InFlight(); again != nil {
						if again.ID == b.ID {
							t.Fatalf("seed %d: other frames under the ID %s", seed, b.ID)
						}
						w.Stored(s.commit(again))
					}
				}
			}
		}
	}
	t.Logf("%d folds, %d moves, %d purges", folds, moves, purges)
	if moves < seeds/4 || purges < seeds/4 {
		t.Error("too few moves or purges for this to show anything")
	}
}

// The facts of one execution are released one after the other, and a reader finds
// all of them, or the last ones, or none: never the first without the last, whatever
// was moved where.
func TestWhatIsReleasedGoesInOrder(t *testing.T) {
	type execution struct {
		at         []core.LSN
		left       int // facts to come
		long, gone bool
	}
	moved, parts := 0, 0
	for seed := range 60 {
		r := rand.New(rand.NewPCG(uint64(seed), 19))
		s, w := newStream(), NewWriter("life", 400, func() {})
		w.SetPace(200, 100, 600)
		d, err := s.fold(0, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		s.next++
		l := w.Open(0, 1, d)
		var all []*execution
		of := map[core.LSN]*execution{}
		for step := range 1500 {
			switch k := r.IntN(10); {
			case k < 5: // the facts of some executions come at once, of others over time
				if len(all) == 0 || all[len(all)-1].left == 0 || r.IntN(6) == 0 {
					all = append(all, &execution{left: 2 + r.IntN(3), long: r.IntN(8) == 0})
				}
				e := all[len(all)-1]
				if r.IntN(3) == 0 {
					e = all[r.IntN(len(all))]
				}
				if e.left > 0 {
					e.left--
					at := l.Append(0, fact(0, 1, r.IntN(60)))
					e.at, of[at] = append(e.at, at), e
				}
			case k < 8:
				for _, e := range all {
					if e.left == 0 && !e.gone && (!e.long || r.IntN(100) == 0) {
						e.gone = true
						for _, at := range e.at {
							l.Release(0, at)
						}
					}
				}
			default:
				if w.Next() != nil {
					w.Stored(s.commit(w.InFlight()))
				}
				for _, m := range w.Moves([]*Log{l}) {
					s.read(0, m.From, func(at uint64, data []byte) bool { last, _ := m.Add(at, data); return !last })
					w.Moved(m, nil)
					moved++
				}
				for _, p := range w.Purges([]*Log{l}) {
					s.purge(p)
				}
			}
			if step%20 > 0 {
				continue
			}
			d, err := s.fold(0, Fence(s.next), nil)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			there := map[*execution][]core.LSN{}
			for _, f := range d.Facts {
				there[of[f.At]] = append(there[of[f.At]], f.At)
			}
			for _, e := range all {
				durable := e.at[:len(e.at):len(e.at)]
				durable = slices.DeleteFunc(slices.Clone(durable), func(at core.LSN) bool { return at > l.Durable() })
				got := there[e]
				if len(got) > len(durable) || !slices.Equal(got, durable[len(durable)-len(got):]) || !e.gone && len(got) < len(durable) {
					t.Fatalf("seed %d, step %d: of the facts %v of an execution %v are left; released %v", seed, step, durable, got, e.gone)
				}
				if len(got) > 0 && len(got) < len(durable) {
					parts++
				}
			}
		}
	}
	t.Logf("%d moves, %d times some facts of an execution were left", moved, parts)
	if moved < 300 || parts < 1000 {
		t.Error("too few for this to show anything")
	}
}

// A partition whose facts come and go takes bounded space, though a few stay for ever.
func TestSpaceIsBounded(t *testing.T) {
	s, w := newStream(), NewWriter("life", 1<<19, func() {})
	d, err := s.fold(3, Fence(s.next), nil)
	if err != nil {
		t.Fatal(err)
	}
	s.next++
	l := w.Open(3, Fence(s.next-1), d)
	keep := l.Append(3, fact(3, 1, 10))
	most := 0
	for i := range 60000 {
		at := l.Append(3, fact(3, uint64(i+2), 200))
		l.Release(3, at)
		if i%100 > 0 {
			continue
		}
		for b := w.Next(); b != nil; b = w.Next() {
			w.Stored(s.commit(b))
			for _, m := range w.Moves([]*Log{l}) {
				s.read(3, m.From, func(at uint64, data []byte) bool { last, _ := m.Add(at, data); return !last })
				w.Moved(m, nil)
			}
			for _, p := range w.Purges([]*Log{l}) {
				s.purge(p)
			}
		}
		most = max(most, s.bytes(3))
	}
	if most > 4<<20 || len(l.frames) > 10000 || len(l.moved) != 1 {
		t.Errorf("%d bytes at most, %d frames and %d moved facts at the end", most, len(l.frames), len(l.moved))
	}
	d, err = s.fold(3, Fence(s.next), nil)
	if err != nil || len(d.Facts) == 0 || d.Facts[0].At != keep {
		t.Errorf("after the fold: %v, %+v", err, d)
	}
}

// A partition that takes no new work, for want of room, gives space back when what it
// has is released: it need not grow first.
func TestSpaceIsGivenBackWithoutGrowth(t *testing.T) {
	s, w := newStream(), NewWriter("life", 1<<16, func() {})
	d, err := s.fold(3, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.next++
	l := w.Open(3, 1, d)
	tend := func() (moved bool) {
		for _, m := range w.Moves([]*Log{l}) {
			moved = true
			s.read(3, m.From, func(at uint64, data []byte) bool { last, _ := m.Add(at, data); return !last })
			w.Moved(m, nil)
		}
		for b := w.Next(); b != nil; b = w.Next() {
			w.Stored(s.commit(b))
		}
		for _, p := range w.Purges([]*Log{l}) {
			s.purge(p)
		}
		return moved
	}
	l.Append(3, fact(3, 1, 10)) // stays
	var all []core.LSN
	for i := range 40 {
		all = append(all, l.Append(3, fact(3, uint64(i+2), 60<<10)))
		tend()
	}
	full := s.bytes(3)
	if tend() {
		t.Error("what is needed is moved")
	}
	for _, at := range all {
		l.Release(3, at)
	}
	for range 10 {
		tend()
	}
	if left := s.bytes(3); left > full/2 {
		t.Errorf("%d of %d bytes are kept, and nothing of them is needed", left, full)
	}
}

// Each single loss or change of a needed frame is noticed, but for the loss of the
// last ones, which the record of giving up shows.
func TestLossIsNoticed(t *testing.T) {
	build := func() (*stream, *Log, *Writer) {
		s, w := newStream(), NewWriter("life", 700, func() {})
		d, _ := s.fold(0, 1, nil)
		s.next++
		l := w.Open(0, 1, d)
		for i := range 20 {
			l.Append(0, fact(0, uint64(i+1), 100))
			w.Next()
			w.Stored(s.commit(w.InFlight()))
		}
		return s, l, w
	}
	s, l, w := build()
	if !w.Idle(l) {
		t.Fatal("not idle")
	}
	tail, _ := w.Seal(l)
	before := &Ownership{Name: "a", Life: "1", Free: true, Tail: &tail}
	if _, err := s.fold(0, 100, before); err != nil {
		t.Fatal(err)
	}
	for _, at := range slices.Sorted(maps.Keys(s.frames)) {
		s, _, _ := build()
		delete(s.frames, at)
		if _, err := s.fold(0, 100, before); !lost(err) {
			t.Errorf("frame at %d is gone, known tail: %v", at, err)
		}
		if _, err := s.fold(0, 100, nil); !lost(err) && at != s.next-1 {
			t.Errorf("frame at %d is gone: %v", at, err)
		}
		s, _, _ = build()
		for i := range s.frames[at].Data {
			s.frames[at].Data[i] ^= 1 // i is the last bit of each byte
			_, err := s.fold(0, 100, before)
			s.frames[at].Data[i] ^= 1
			if err == nil {
				t.Errorf("bit in byte %d of the frame at %d", i, at)
			}
		}
		s.frames[s.next] = s.frames[at] // stored twice
		if _, err := s.fold(0, 100, before); err != nil {
			t.Errorf("frame at %d stored twice: %v", at, err)
		}
	}
	if _, err := s.fold(0, 1, nil); !lost(err) {
		t.Errorf("frames of the epoch of the claim before the claim: %v", err)
	}
}

func lost(err error) bool {
	var l *LostError
	return errors.As(err, &l)
}

func FuzzDecodeFrame(f *testing.F) {
	f.Add((&Frame{Partition: 3, Epoch: 7, Seq: 9, Prev: 5, Base: 2, First: 12, Facts: [][]byte{{1, 2}}, Kept: []PlacedFact{{4, []byte{3}}}, Gone: []core.LSN{2, 300}}).AppendTo(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := DecodeFrame(b)
		if err != nil {
			return
		}
		again, err := DecodeFrame(got.AppendTo(nil))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(got) {
			t.Errorf("%+v, read again %+v, %v", got, again, err)
		}
	})
}
