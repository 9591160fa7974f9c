package cluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"simplane/core"
)

var errUnknown = errors.New("no answer")

// world runs machines over an engine that is one object: calls take effect at one
// moment between their beginning and their end, which both are drawn, or never answer.
type world struct {
	t       *testing.T
	r       *rand.Rand
	now     time.Duration
	events  []event
	records [Partitions]Ownership
	place   Fence
	lives   map[string]string // the newest life that has renewed, by name
	nodes   []*machineNode
	faults  bool
	parts   int
	held    map[Fence]string // who was open at a fence
	opens   int
}

type event struct {
	at time.Duration
	do func()
}

type machineNode struct {
	w        *world
	m        *Machine
	self     Member
	paused   time.Duration // until
	cut      time.Duration // from the engine, until
	stale    time.Duration // its watch tells nothing, until
	dead     bool
	open     map[core.Partition]Fence
	stopped  bool
	resigned bool
}

func (w *world) after(d time.Duration, do func()) {
	e := event{w.now + d, do}
	i := len(w.events)
	for i > 0 && w.events[i-1].at > e.at {
		i--
	}
	w.events = append(w.events, event{})
	copy(w.events[i+1:], w.events[i:])
	w.events[i] = e
}

func (w *world) delay() time.Duration {
	if w.faults && w.r.IntN(50) == 0 {
		return time.Duration(w.r.Int64N(int64(3 * time.Second)))
	}
	return time.Duration(1+w.r.IntN(20)) * time.Millisecond
}

func (w *world) start(name string, n int) *machineNode {
	nd := &machineNode{w: w, self: Member{Name: name, Life: fmt.Sprint(name, "-", n)}, open: map[core.Partition]Fence{}}
	nd.m = NewMachine(nd.self, DefaultTiming(), w.now)
	w.nodes = append(w.nodes, nd)
	w.after(w.delay(), func() {
		for p := range w.records {
			if w.records[p].Fence != 0 {
				o := w.records[p]
				nd.hear(func() { nd.m.OwnerIs(core.Partition(p), o, w.now) })
			}
		}
		for _, o := range w.nodes {
			if w.lives[o.self.Name] == o.self.Life && !o.resigned {
				nd.hear(func() { nd.m.MemberSeen(o.self, w.now) })
			}
		}
		nd.hear(func() { nd.m.CaughtUp(true, w.now) })
	})
	nd.tick()
	return nd
}

func (nd *machineNode) tick() {
	if nd.dead {
		return
	}
	nd.run(func() { nd.m.Tick(nd.w.now) })
	nd.w.after(DefaultTiming().Tick, nd.tick)
}

// run calls the machine unless its process is paused: then afterwards.
func (nd *machineNode) run(f func()) {
	switch {
	case nd.dead:
		return
	case nd.paused > nd.w.now:
		nd.w.after(nd.paused-nd.w.now, func() { nd.run(f) })
		return
	}
	f()
	for _, a := range nd.m.Actions() {
		nd.carryOut(a)
	}
}

func (nd *machineNode) hear(f func()) { nd.run(f) }

// call has do take effect at the engine, and answer told here, or an unknown outcome.
func (nd *machineNode) call(do func() error, answer func(error)) {
	w := nd.w
	lost := w.faults && w.r.IntN(30) == 0 || nd.cut > w.now
	w.after(w.delay(), func() {
		if nd.cut > w.now || lost && w.r.IntN(2) == 0 {
			w.after(2*time.Second, func() { nd.run(func() { answer(errUnknown) }) })
			return
		}
		err := do()
		if lost {
			w.after(2*time.Second, func() { nd.run(func() { answer(errUnknown) }) })
			return
		}
		w.after(w.delay(), func() { nd.run(func() { answer(err) }) })
	})
}

func (w *world) tell(f func(*machineNode)) {
	for _, nd := range w.nodes {
		if later := max(nd.cut, nd.stale); later > w.now {
			w.after(later-w.now, func() { f(nd) }) // the watch goes on later
			continue
		}
		w.after(w.delay(), func() { f(nd) })
	}
}

func (nd *machineNode) carryOut(a Action) {
	w, p := nd.w, a.Partition
	switch a.Kind {
	case ActRenew:
		sent, self := w.now, a.Member
		nd.call(func() error {
			if newest := w.lives[self.Name]; newest > self.Life && len(newest) >= len(self.Life) {
				return ErrReplaced
			}
			w.lives[self.Name] = self.Life
			w.tell(func(o *machineNode) { o.hear(func() { o.m.MemberSeen(self, w.now) }) })
			return nil
		}, func(err error) { nd.m.Renewed(sent, w.now, err) })
	case ActClaim, ActFree:
		var at Fence
		nd.call(func() error {
			if w.records[p].Fence != a.Fence {
				return ErrOvertaken
			}
			w.place++
			at = w.place
			rec := a.Record
			rec.Fence = at
			w.records[p] = rec
			w.tell(func(o *machineNode) { o.hear(func() { o.m.OwnerIs(p, rec, w.now) }) })
			return nil
		}, func(err error) {
			if a.Kind == ActClaim {
				nd.m.Claimed(p, at, err, w.now)
			} else {
				nd.m.Freed(p, a.Fence, at, err, w.now)
			}
		})
	case ActOpen:
		w.after(w.delay(), func() {
			nd.run(func() {
				nd.m.Opened(p, a.Fence, nil, w.now)
				if nd.m.Place(p, w.now).State != StateOpen {
					return
				}
				nd.open[p] = a.Fence
				w.opens++
				if who := w.held[a.Fence]; who != "" && who != nd.self.Life {
					w.t.Fatalf("%v: partition %d is open at fence %d in %s and %s", w.now, p, a.Fence, who, nd.self.Life)
				}
				w.held[a.Fence] = nd.self.Life
				w.alone(p)
			})
		})
	case ActHold:
		w.after(w.delay(), func() { nd.run(func() { nd.m.Quiet(p, a.Fence, Tail{}, w.now) }) })
	case ActGiven, ActShut:
		if nd.open[p] == a.Fence {
			delete(nd.open, p)
		}
	case ActResign:
		nd.resigned = true
		nd.call(func() error {
			w.tell(func(o *machineNode) { o.hear(func() { o.m.MemberGone(nd.self, w.now) }) })
			return nil
		}, func(error) { nd.m.Resigned() })
	case ActStop:
		nd.stopped, nd.dead = true, true
	}
}

// alone checks that no two processes serve a partition at one moment, but one that is
// paused and has not noticed yet, and one whose name another has taken: that is found
// out at its next renewal.
func (w *world) alone(p core.Partition) {
	n := 0
	for _, nd := range w.nodes {
		if nd.m.parts[p].state == StateOpen && !nd.dead && nd.paused <= w.now && nd.m.Leased(w.now) && w.lives[nd.self.Name] == nd.self.Life {
			n++
		}
	}
	if n > 1 {
		for _, nd := range w.nodes {
			at, open := nd.open[p]
			w.t.Logf("%s dead %v open %v %d paused %v cut %v until %v ticked %v: %+v", nd.self.Life, nd.dead, open, at, nd.paused, nd.cut, nd.m.until, nd.m.ticked, nd.m.parts[p])
			for _, h := range nd.m.members {
				w.t.Logf("   %s heard at %v", h.Life, h.at)
			}
		}
		w.t.Fatalf("%v: partition %d is served by %d", w.now, p, n)
	}
}

func (w *world) until(t time.Duration) {
	for len(w.events) > 0 && w.events[0].at <= t {
		e := w.events[0]
		w.events = w.events[1:]
		w.now = e.at
		e.do()
	}
	w.now = t
}

// Whatever happens to the nodes and their calls: nobody serves at a fence of another,
// no two serve one partition at a time, and once all is well again each partition is
// served by the member that should, soon.
func TestOwnership(t *testing.T) {
	seeds := 60
	if testing.Short() {
		seeds = 8
	}
	opens := 0
	for seed := range seeds {
		r := rand.New(rand.NewPCG(uint64(seed), 5))
		w := &world{t: t, r: r, lives: map[string]string{}, held: map[Fence]string{}, parts: Partitions}
		names := []string{"a", "b", "c", "d"}[:2+r.IntN(3)]
		lives := map[string]int{}
		for _, n := range names {
			lives[n] = 1
			w.start(n, 1)
		}
		w.faults = true
		for range 15 {
			w.until(w.now + time.Duration(r.Int64N(int64(6*time.Second))))
			nd := w.nodes[r.IntN(len(w.nodes))]
			switch r.IntN(6) {
			case 0:
				nd.paused = w.now + time.Duration(r.Int64N(int64(12*time.Second)))
			case 1:
				nd.cut = w.now + time.Duration(r.Int64N(int64(12*time.Second)))
			case 2: // killed, and begun again at once or after a while
				if !nd.dead {
					nd.dead = true
					w.after(time.Duration(r.Int64N(int64(8*time.Second))), func() {
						lives[nd.self.Name]++
						w.start(nd.self.Name, lives[nd.self.Name])
					})
				}
			case 4: // it goes on renewing
				nd.stale = w.now + time.Duration(r.Int64N(int64(15*time.Second)))
			case 3: // a second process under the same name
				lives[nd.self.Name]++
				w.start(nd.self.Name, lives[nd.self.Name])
			}
		}
		w.faults = false
		w.until(w.now + 45*time.Second)
		w.mustBeServed(seed)
		// One leaves in order: the others have all of it, and nobody waited for long.
		var leaver *machineNode
		for _, nd := range w.nodes {
			if !nd.dead {
				leaver = nd
			}
		}
		began := w.now
		leaver.run(func() { leaver.m.Leave(w.now) })
		served := [Partitions]time.Duration{} // when last
		for p := range served {
			served[p] = w.now
		}
		longest := time.Duration(0)
		for !leaver.resigned && w.now < began+10*time.Second {
			w.until(w.now + 10*time.Millisecond)
			for p := range served {
				longest = max(longest, w.now-served[p])
				for _, nd := range w.nodes {
					if _, open := nd.open[core.Partition(p)]; open && !nd.dead {
						served[p] = w.now
					}
				}
			}
		}
		if len(names) > 1 && longest > 250*time.Millisecond { // it takes about six messages of up to 20 ms
			t.Fatalf("seed %d: a partition was not served for %v as one left", seed, longest)
		}
		if !leaver.resigned || w.now-began > 2*time.Second {
			t.Fatalf("seed %d: leaving took %v", seed, w.now-began)
		}
		leaver.dead = true
		w.until(w.now + 2*time.Second)
		if len(names) > 1 {
			w.mustBeServed(seed)
		}
		opens += w.opens
	}
	if opens < seeds*600 {
		t.Errorf("%d partitions were opened in all: too few", opens)
	}
}

func (w *world) mustBeServed(seed int) {
	w.t.Helper()
	for p := range w.parts {
		who := ""
		for _, nd := range w.nodes {
			if at, ok := nd.open[core.Partition(p)]; ok && !nd.dead {
				if at != w.records[p].Fence {
					w.t.Fatalf("seed %d: partition %d is served at fence %d, the record is at %d", seed, p, at, w.records[p].Fence)
				}
				who += nd.self.Life
				if !nd.m.wishes(core.Partition(p)) {
					w.t.Fatalf("seed %d: partition %d is served by %s, which should not", seed, p, nd.self.Life)
				}
			}
		}
		if who == "" {
			for _, nd := range w.nodes {
				w.t.Logf("%s dead %v leased %v caught %v wished %v: %+v", nd.self.Life, nd.dead, nd.m.leased, nd.m.caught, nd.m.wished, nd.m.parts[p])
			}
			w.t.Fatalf("seed %d, %v: nobody serves partition %d, record %+v", seed, w.now, p, w.records[p])
		}
	}
}

// What a member's coming moves is what it should own, and nothing between others.
func TestWishesMoveLittle(t *testing.T) {
	three := []Member{{Name: "a"}, {Name: "b"}, {Name: "c"}}
	four := append(three[:3:3], Member{Name: "d"})
	count := map[string]int{}
	for p := range Partitions {
		before, after := three[Wished(core.Partition(p), three)].Name, four[Wished(core.Partition(p), four)].Name
		if before != after && after != "d" {
			t.Errorf("partition %d moves from %s to %s", p, before, after)
		}
		count[after]++
	}
	for name, n := range count {
		if n < 40 || n > 90 {
			t.Errorf("%s should own %d of 256", name, n)
		}
	}
	if Wished(0, nil) != -1 {
		t.Error("somebody is wished of nobody")
	}
}

// What a member owned whose record was removed is claimed as soon as membership has
// settled, also by one whose watch has just begun anew.
func TestRemovedMemberIsReplacedSoon(t *testing.T) {
	timing := DefaultTiming()
	b := Member{Name: "b", Life: "1"}
	m := NewMachine(Member{Name: "a", Life: "1"}, timing, 0)
	m.Tick(0)
	m.Renewed(0, 10*time.Millisecond, nil)
	m.MemberSeen(Member{Name: "a", Life: "1"}, 10*time.Millisecond)
	m.MemberSeen(b, 10*time.Millisecond)
	m.OwnerIs(7, Ownership{Name: "b", Life: "1", Fence: 9}, 10*time.Millisecond)
	m.CaughtUp(true, 10*time.Millisecond)
	m.Actions()
	claims := func() (n int) {
		for _, a := range m.Actions() {
			if a.Kind == ActClaim && a.Partition == 7 {
				n++
			}
		}
		return n
	}
	gone := 100 * time.Millisecond
	m.MemberGone(b, gone)
	for now := gone; now < gone+timing.Settle; now += timing.Tick {
		if m.Tick(now); claims() > 0 {
			t.Fatalf("claimed %v after the record was removed", now-gone)
		}
	}
	if m.Tick(gone + timing.Settle); claims() != 1 {
		t.Errorf("not claimed %v after the record was removed", timing.Settle)
	}
}

// A partition whose ownership record cannot be read is not left to nobody: when all who
// live have been heard of, it is claimed in place of that record.
func TestRecordWithoutAnOwnerIsReplaced(t *testing.T) {
	timing := DefaultTiming()
	self := Member{Name: "a", Life: "1"}
	m := NewMachine(self, timing, 0)
	m.Tick(0)
	m.Renewed(0, 1, nil)
	m.MemberSeen(self, 1)
	m.OwnerIs(7, Ownership{Fence: 9}, 1)
	for p := range m.parts {
		if p != 7 {
			m.parts[p].state = StateOpen
		}
	}
	m.CaughtUp(true, 1)
	for now := time.Duration(1); now < 3*timing.Gone; now += timing.Tick {
		if m.renewing {
			m.Renewed(now, now, nil)
		}
		m.MemberSeen(self, now)
		m.Tick(now)
		for _, a := range m.Actions() {
			if a.Kind != ActClaim || a.Partition != 7 {
				continue
			}
			if a.Fence != 9 || now < timing.Gone {
				t.Errorf("claimed in place of the record at %d, after %v", a.Fence, now)
			}
			return
		}
	}
	t.Error("it is not claimed")
}

// Members that are gone, of which no ownership record tells, are forgotten when there are
// many: where each process has a name of its own they would be more and more.
func TestMembersThatAreGoneAreForgotten(t *testing.T) {
	timing := DefaultTiming()
	m := NewMachine(Member{Name: "a", Life: "1"}, timing, 0)
	m.OwnerIs(7, Ownership{Name: "n3", Life: "1", Fence: 9}, 0)
	for i := range 10 * goneKept {
		b := Member{Name: fmt.Sprint("n", i), Life: "1"}
		m.MemberSeen(b, 1)
		m.MemberGone(b, 1)
	}
	if n := len(m.members); n > goneKept+2 {
		t.Errorf("%d members are remembered", n)
	}
	if h := m.members["n3"]; h == nil || !h.gone {
		t.Error("one that owns a partition, as far as is known, is forgotten")
	}
}

// A member that has not heard its own record yet wishes for nothing. That is not to say
// that it serves all that it should: partitions move to it as soon as it has.
func TestMemberThatIsNotHeardOfIsNotSettled(t *testing.T) {
	timing := DefaultTiming()
	a, b := Member{Name: "a", Life: "1"}, Member{Name: "b", Life: "1"}
	m := NewMachine(a, timing, 0)
	m.Tick(0)
	m.MemberSeen(b, 1)
	for p := range Partitions {
		m.OwnerIs(core.Partition(p), Ownership{Name: "b", Life: "1", Fence: Fence(p + 1)}, 1)
	}
	m.CaughtUp(true, 1)
	m.Renewed(0, 2, nil)
	if m.Settled() {
		t.Error("it has taken nothing, and says that it has all")
	}
	m.MemberSeen(a, 3)
	if m.Settled() {
		t.Error("it waits for partitions, and says that it has all")
	}
	for p := range Partitions {
		if Wished(core.Partition(p), []Member{a, b}) == 0 {
			m.parts[p].state = StateOpen
		}
	}
	if !m.Settled() {
		t.Error("it has all that it should")
	}
}

// A partition is being handed over from when its owner says that it leaves until its next
// owner is heard of, in whatever order a node hears of that.
func TestMovingFromWhoLeavesToWhoIsNotHeardOf(t *testing.T) {
	timing := DefaultTiming()
	b, c := Member{Name: "b", Life: "1"}, Member{Name: "c", Life: "1"}
	m := NewMachine(Member{Name: "a", Life: "1"}, timing, 0)
	want := func(what string, moving, known bool, now time.Duration) {
		t.Helper()
		if at := m.Place(7, now); at.Moving != moving || at.Known != known {
			t.Errorf("%s: moving %v, owner known %v", what, at.Moving, at.Known)
		}
	}
	m.Tick(0)
	m.Renewed(0, 1, nil)
	m.MemberSeen(b, 1)
	m.OwnerIs(7, Ownership{Name: "b", Life: "1", Fence: 9}, 1)
	m.CaughtUp(true, 1)
	want("b has it", false, true, 1)
	b.Leaving = true
	m.MemberSeen(b, 2)
	want("b leaves", true, true, 2)
	m.MemberGone(b, 3)
	want("b has left, and its giving up was not told yet", true, false, 3)
	m.OwnerIs(7, Ownership{Name: "b", Life: "1", Free: true, Fence: 10}, 4)
	want("it is free", true, false, 4)
	m.OwnerIs(7, Ownership{Name: "c", Life: "1", Fence: 11}, 5)
	want("c has claimed it, and was not told yet", true, false, 5)
	m.MemberSeen(c, 6)
	want("c has it", false, true, 6)
	m.MemberGone(c, 7)
	want("c is gone, and did not say that it leaves", false, false, 7)
	c.Life = "2"
	m.MemberSeen(c, 8)
	want("c has begun again", false, false, 8)
	m.OwnerIs(8, Ownership{Name: "d", Life: "1", Fence: 12}, 9)
	if !m.Place(8, 10).Moving || m.Place(8, 9+timing.Gone).Moving {
		t.Error("an owner that is never heard of is waited for as long as one may live without that")
	}
}
