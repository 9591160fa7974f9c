package cluster

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"simplane/core"
)

// dueMove is a partition of which little is needed, and the Move that is due for it.
func dueMove(t *testing.T) (*stream, *Writer, *Log, *Move) {
	t.Helper()
	s, w := newStream(), NewWriter("life", 700, func() {})
	w.SetPace(1<<20, 1<<20, 1500)
	d, err := s.fold(0, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.next++
	l := w.Open(0, 1, d)
	var all []core.LSN
	for i := range 20 {
		all = append(all, l.Append(0, fact(0, uint64(i+1), 100)))
		w.Next()
		w.Stored(s.commit(w.InFlight()))
	}
	for i, at := range all {
		if i%5 > 0 {
			l.Release(0, at)
		}
	}
	due := w.Moves([]*Log{l})
	if len(due) != 1 {
		t.Fatalf("%d moves are due", len(due))
	}
	return s, w, l, due[0]
}

// carryOut gives the frames to the Move, as who carries it out does.
func (s *stream) carryOut(w *Writer, m *Move) (failed error) {
	s.read(0, m.From, func(at uint64, data []byte) bool {
		last, err := m.Add(at, data)
		failed = err
		return err == nil && !last
	})
	w.Moved(m, failed)
	return failed
}

// No bit of a frame that has changed since it was stored gets into a new frame, and no
// frame is passed over: a Move names the frame and copies nothing.
func TestMoveCopiesNoSpoiltFrame(t *testing.T) {
	s, w, l, m := dueMove(t)
	s.frames[s.next] = s.frames[1] // stored twice
	if err := s.carryOut(w, m); err != nil {
		t.Fatal(err)
	}
	if len(l.filling) == 0 {
		t.Fatal("a Move of sound frames copies nothing: the test shows nothing")
	}
	upto := m.upto
	noticed := func(what string, spoil func(s *stream)) {
		s, w, l, m := dueMove(t)
		spoil(s)
		err := s.carryOut(w, m)
		if !errors.Is(err, ErrClosed) || !strings.Contains(err.Error(), "partition 0") {
			t.Errorf("%s: %v", what, err)
		}
		if len(l.filling) > 0 {
			t.Errorf("%s: it was copied", what)
		}
	}
	for _, at := range slices.Sorted(maps.Keys(s.frames))[:upto] {
		noticed("a frame is gone", func(s *stream) { delete(s.frames, at) })
		for i := range s.frames[at].Data {
			for _, bit := range []byte{1, 1 << 7} {
				noticed("a bit is another one", func(s *stream) {
					f := s.frames[at]
					f.Data = slices.Clone(f.Data)
					f.Data[i] ^= bit
					s.frames[at] = f
				})
			}
		}
	}
}

// A frame that cannot be read closes the partition as a lost one does, and the error
// says where it is.
func TestUnreadableFrameClosesThePartition(t *testing.T) {
	sound := (&Frame{Partition: 3, Epoch: 1, Seq: 1, Base: 1, First: 1, Facts: [][]byte{{1}}}).AppendTo(nil)
	newer := slices.Clone(sound)
	newer[0]++
	for _, data := range [][]byte{nil, {frameVersion}, sound[:len(sound)-1], newer} {
		f := NewFolder(3, 9, nil)
		err := f.Add(7, data)
		var unreadable *UnreadableError
		if !errors.As(err, &unreadable) || !errors.Is(err, ErrClosed) || unreadable.Partition != 3 || unreadable.Place != 7 {
			t.Errorf("%x: %v", data, err)
		}
	}
	f := NewFolder(3, 9, nil)
	if err := f.Add(7, newer); !errors.Is(err, ErrFrameVersion) {
		t.Errorf("%v", err)
	}
	d, err := func() (*Folded, error) {
		f := NewFolder(3, 9, nil)
		if err := f.Add(7, sound); err != nil {
			return nil, err
		}
		return f.Done()
	}()
	if err != nil {
		t.Fatal(err)
	}
	var unreadable *UnreadableError
	if err := d.Unreadable(1, errors.New("because")); !errors.As(err, &unreadable) || unreadable.Seq != 1 || unreadable.Place != 7 || unreadable.Fact != 1 || !strings.Contains(err.Error(), "because") {
		t.Errorf("%v", err)
	}
}

// longTime is longer than any pause of a Machine.
const longTime = time.Minute

// openAt is a Machine that has opened partition p, at fence 9 of its claim.
func openAt(t *testing.T, p core.Partition) *Machine {
	t.Helper()
	m := NewMachine(Member{Name: "a", Life: "1"}, DefaultTiming(), 0)
	m.Tick(0)
	m.Renewed(0, 1, nil)
	m.MemberSeen(Member{Name: "a", Life: "1"}, 1)
	m.CaughtUp(true, 1)
	m.Tick(DefaultTiming().Settle + 1)
	m.parts[p].state = StateClaiming
	m.Claimed(p, 9, nil, DefaultTiming().Settle+1)
	m.Actions()
	return m
}

// A partition that is found broken is closed once: it is not claimed and read again and
// again. Another member that claims it after this one has ended may find it whole, and
// then this one may take it again.
func TestBrokenPartitionIsNotOpenedAgain(t *testing.T) {
	timing := DefaultTiming()
	now := timing.Settle + 1
	for what, breaks := range map[string]func(m *Machine){
		"as it is opened":    func(m *Machine) { m.Opened(7, 9, (&Folded{partition: 7}).Unreadable(1, errors.New("x")), now) },
		"while it is served": func(m *Machine) { m.Opened(7, 9, nil, now); m.Broken(7, 9, &LostError{7, "a frame"}, now) },
		"as it is given up": func(m *Machine) {
			m.Opened(7, 9, nil, now)
			m.parts[7].state = StateHolding
			m.Broken(7, 9, &LostError{7, "a frame"}, now)
		},
	} {
		m := openAt(t, 7)
		breaks(m)
		if at := m.Place(7, now); at.State != StateLost || at.Closed == nil {
			t.Errorf("%s: %v, %v", what, at.State, at.Closed)
		}
		m.Broken(7, 8, &LostError{7, "an older claim"}, now)
		for at := now; at < now+longTime; at += timing.Tick {
			if m.renewing {
				m.Renewed(at, at, nil)
			}
			m.MemberSeen(Member{Name: "a", Life: "1"}, at)
			m.Tick(at)
			for _, a := range m.Actions() {
				if a.Partition == 7 && (a.Kind == ActClaim || a.Kind == ActOpen) {
					t.Fatalf("%s: action %d at %v", what, a.Kind, at)
				}
			}
		}
		if !m.Settled() && m.parts[7].state != StateLost {
			t.Errorf("%s: %v", what, m.parts[7].state)
		}
		m.OwnerIs(7, Ownership{Name: "b", Life: "1", Fence: 12}, now+longTime)
		if at := m.Place(7, now); at.State != StateNone || at.Closed != nil {
			t.Errorf("%s, and another one has claimed it: %v, %v", what, at.State, at.Closed)
		}
	}
}
