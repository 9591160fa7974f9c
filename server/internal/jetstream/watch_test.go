package jetstream

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	js "github.com/nats-io/nats.go/jetstream"

	"simplane/core"
	"simplane/core/cluster"
	"simplane/server/internal/replica"
)

// watcher keeps what a watch tells, and complains about what it must not tell.
type watcher struct {
	t       testing.TB
	mu      sync.Mutex
	changed *sync.Cond
	events  []replica.Event
	members map[string]cluster.Member
	owners  map[core.Partition]cluster.Ownership
	values  map[string]string
	current bool
	lost    int
}

func watchAll(t testing.TB, e *Engine) *watcher {
	w := &watcher{t: t, members: map[string]cluster.Member{}, owners: map[core.Partition]cluster.Ownership{}, values: map[string]string{}}
	w.changed = sync.NewCond(&w.mu)
	t.Cleanup(e.Watch(w.tell))
	return w
}

func (w *watcher) tell(ev replica.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.changed.Broadcast()
	w.events = append(w.events, ev)
	switch {
	case ev.Member != nil:
		w.members[ev.Member.Name] = *ev.Member
	case ev.Gone != nil:
		if was, ok := w.members[ev.Gone.Name]; !ok || was.Life != ev.Gone.Life {
			w.t.Errorf("%v is gone, who was not there", ev.Gone)
		}
		delete(w.members, ev.Gone.Name)
	case ev.Owner != nil:
		if before := w.owners[ev.Partition].Fence; ev.Owner.Fence <= before {
			w.t.Errorf("partition %d: a record at %d after one at %d", ev.Partition, ev.Owner.Fence, before)
		}
		w.owners[ev.Partition] = *ev.Owner
	case ev.Key != "":
		w.values[ev.Key] = string(ev.Value)
	case ev.CaughtUp:
		if w.current {
			w.t.Error("caught up twice")
		}
		w.current = true
	case ev.Lost:
		if !w.current {
			w.t.Error("lost twice")
		}
		w.current = false
		w.lost++
	}
}

// until waits for what becomes true of the watcher, with its lock held. Only there is it
// looked at: the next event may come at any time.
func (w *watcher) until(what string, is func() bool) {
	w.t.Helper()
	hung := time.AfterFunc(time.Minute, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		panic(fmt.Sprintf("%s: not within a minute; members %v, owners %v, values %v, %d events", what, w.members, w.owners, w.values, len(w.events)))
	})
	defer hung.Stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	for !is() {
		w.changed.Wait()
	}
}

func TestWatch(t *testing.T) {
	s, stream := cluster3(t), name(t)
	a, b := s.engine(t, stream, 0), s.engine(t, stream, 1)
	empty := watchAll(t, b)
	empty.until("an empty engine", func() bool { return empty.current })

	first := claim(t, a, 0, "a", 0)
	last := claim(t, a, 255, "a", 0)
	if err := a.Announce(within(t), "config", 1, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := a.Announce(within(t), "config", 2, []byte("two")); err != nil {
		t.Fatal(err)
	}
	if err := a.Announce(within(t), "a key. of > any * bytes", 1, nil); err != nil {
		t.Fatal(err)
	}
	me := cluster.Member{Name: "a.host", Life: "1", Peer: "10.0.0.1:1"}
	if err := a.Renew(within(t), me); err != nil {
		t.Fatal(err)
	}
	late := watchAll(t, b)
	late.until("what was there", func() bool { return late.current })
	for _, w := range []*watcher{empty, late} {
		w.until("all", func() bool {
			_, any := w.values["a key. of > any * bytes"]
			return w.members["a.host"] == me && w.owners[0].Fence == first && w.owners[255].Fence == last && w.values["config"] == "two" && any
		})
	}
	late.until("the owner of 255", func() bool {
		o := late.owners[255]
		if o.Name != "a" || o.Life != "a-life" || o.Free {
			t.Errorf("owner of 255: %v", o)
		}
		return true
	})
	free := cluster.Ownership{Name: "a", Life: "a-life", Free: true, Tail: &cluster.Tail{Seq: 5, Sum: 6}}
	if _, err := a.Free(within(t), 0, free, first); err != nil {
		t.Fatal(err)
	}
	if err := a.Resign(within(t)); err != nil {
		t.Fatal(err)
	}
	for _, w := range []*watcher{empty, late} {
		w.until("freed and gone", func() bool {
			o := w.owners[0]
			if o.Free && *o.Tail != *free.Tail {
				t.Errorf("tail %v", o.Tail)
			}
			return o.Free && len(w.members) == 0
		})
	}
}

// The shared servers are stopped and started one after another, but for the one that
// has the watch's connection: it goes on to tell all that happens.
func TestWatchOverRestarts(t *testing.T) {
	if testing.Short() {
		t.Skip("restarts servers")
	}
	s, stream := cluster3(t), name(t)
	e := s.engine(t, stream, 0)
	w := watchAll(t, e)
	var at cluster.Fence
	step := func(what string, life int) {
		t.Helper()
		at = claim(t, e, 5, "a", at)
		me := cluster.Member{Name: "a", Life: fmt.Sprint(life)}
		if err := e.Renew(within(t), me); err != nil {
			t.Fatal(err)
		}
		w.until(what, func() bool { return w.current && w.owners[5].Fence == at && w.members["a"] == me })
	}
	step("before", 0)
	for _, i := range []int{1, 2} {
		s.all[i].Shutdown()
		step("one server down", i)
		if err := s.start(i); err != nil {
			t.Fatal(err)
		}
		if err := s.all[i].Ready(within(t)); err != nil {
			t.Fatal(err)
		}
		// A majority must have all again before the next one goes.
		for behind := true; behind; time.Sleep(50 * time.Millisecond) {
			status, err := e.Status(within(t))
			if err != nil {
				t.Fatal(err)
			}
			behind = status.Leader == "" || slices.ContainsFunc(status.Copies, func(c Copy) bool { return !c.Current })
		}
	}
	step("after", 3)
	if hbInterval != heartbeats {
		t.Errorf("servers have heartbeats of %v: NATS has other variables by now, see elections.go", hbInterval)
	}
}

func TestMembers(t *testing.T) {
	s, stream := cluster3(t), name(t)
	a, again, other := s.engine(t, stream, 0), s.engine(t, stream, 1), s.engine(t, stream, 2)
	w := watchAll(t, other)
	renew := func(e *Engine, life string) error {
		return e.Renew(within(t), cluster.Member{Name: "a", Life: life})
	}
	for range 3 {
		if err := renew(a, "1"); err != nil {
			t.Fatal(err)
		}
	}
	if err := renew(again, "2"); err != nil {
		t.Fatalf("a new process takes its name over: %v", err)
	}
	for range 2 {
		if err := renew(a, "1"); !errors.Is(err, cluster.ErrReplaced) {
			t.Errorf("the old process: %v", err)
		}
	}
	if err := a.Resign(within(t)); err != nil {
		t.Errorf("the old process resigns: %v", err)
	}
	if err := renew(again, "2"); err != nil {
		t.Errorf("after the old one has resigned: %v", err)
	}
	w.until("the new process", func() bool { return w.members["a"].Life == "2" })
	if err := again.Resign(within(t)); err != nil {
		t.Fatal(err)
	}
	w.until("nobody", func() bool { return len(w.members) == 0 })
	if err := renew(again, "2"); err != nil {
		t.Errorf("back after having resigned: %v", err)
	}
}

// A member that does not renew its record is told to be gone, and may come back.
func TestRecordExpires(t *testing.T) {
	s, stream := cluster3(t), name(t)
	e := joined(t, Options{Embedded: s.all[0], Name: stream, MaxBytes: 1 << 30, MemberTTL: time.Second})
	w := watchAll(t, e)
	me := cluster.Member{Name: "a", Life: "1"}
	// On a slow machine a record may expire before anybody has met it: then there is another.
	renewed := func(what string) {
		t.Helper()
		met := make(chan struct{})
		var renewing sync.WaitGroup
		renewing.Go(func() {
			for {
				if err := e.Renew(within(t), me); err != nil {
					t.Errorf("%s: %v", what, err)
				}
				select {
				case <-met:
					return
				case <-time.After(100 * time.Millisecond):
				}
			}
		})
		w.until(what, func() bool { return w.members["a"] == me })
		close(met)
		renewing.Wait()
	}
	renewed("a member")
	w.until("its end", func() bool { return len(w.members) == 0 })
	renewed("a member again")
}

func TestOnce(t *testing.T) {
	s, stream := cluster3(t), name(t)
	engines := []*Engine{s.engine(t, stream, 0), s.engine(t, stream, 1), s.engine(t, stream, 2)}
	got := make([]string, 6)
	var all sync.WaitGroup
	for i := range got {
		all.Go(func() {
			b, err := engines[i%3].Once(within(t), "token", fmt.Appendf(nil, "value %d", i))
			if err != nil {
				t.Error(err)
			}
			got[i] = string(b)
		})
	}
	all.Wait()
	if slices.Contains(got, "") || len(slices.Compact(got)) != 1 {
		t.Errorf("values: %q", got)
	}
}

// What is remembered of members that came and went stays bounded.
func TestWatchForgetsWhoHasGone(t *testing.T) {
	in := &watch{e: &Engine{subjects: subjects{"s"}}, tell: func(replica.Event) {}, known: map[string]seenRecord{}}
	stays, _ := json.Marshal(cluster.Member{Name: "stays", Life: "1"})
	for i := uint64(1); i < 3*maxKnown; i += 2 {
		subject := fmt.Sprint("s.node.", i)
		for _, m := range []message{{subject: "s.node.stays", data: stays}, {subject: subject, data: stays}, {subject: subject}} {
			i++
			if err := in.node(m, i, 0); err != nil {
				t.Fatal(err)
			}
		}
		if len(in.known) > maxKnown {
			t.Fatalf("%d are remembered", len(in.known))
		}
	}
	if in.known["s.node.stays"].member == nil {
		t.Error("who has not gone is forgotten")
	}
}

// A reader that lost its server begins again, perhaps at one that is behind. What it
// tells is judged here with messages as such servers send them.
func TestWatchBeginsAgain(t *testing.T) {
	w := &watcher{t: t, members: map[string]cluster.Member{}, owners: map[core.Partition]cluster.Ownership{}, values: map[string]string{}}
	w.changed = sync.NewCond(&w.mu)
	e := &Engine{subjects: subjects{"s"}}
	in := &watch{e: e, tell: w.tell, owned: map[core.Partition]cluster.Fence{}, known: map[string]seenRecord{}}
	frames := &watchPart{watch: in, bit: 1, each: in.ownership}
	nodes := &watchPart{watch: in, bit: 2, each: in.node}
	send := func(p *watchPart, subject string, at, pending uint64, v any) {
		t.Helper()
		var data []byte
		if v != nil {
			data, _ = json.Marshal(v)
		}
		if err := p.message(message{subject: subject, data: data}, at, pending); err != nil {
			t.Fatal(err)
		}
	}
	a, b := cluster.Member{Name: "a", Life: "1"}, cluster.Member{Name: "b", Life: "1"}
	frames.begin()
	frames.ready(1)
	nodes.begin()
	nodes.ready(0)
	send(frames, "s.own.3", 10, 0, owner("a"))
	send(nodes, "s.node.a", 20, 0, a)
	send(nodes, "s.node.b", 21, 0, b)
	send(nodes, "s.set.config", 22, 0, 1)
	if !w.current || len(w.members) != 2 || w.owners[3].Fence != 10 {
		t.Fatalf("told: %+v", w)
	}
	told := len(w.events)

	nodes.begin()
	nodes.ready(2) // at a server that has not met 21 yet
	send(nodes, "s.set.config", 9, 1, 0)
	send(nodes, "s.node.a", 20, 0, a)
	frames.begin()
	frames.ready(1)
	send(frames, "s.own.3", 7, 0, owner("b"))
	if w.lost != 2 || !w.current || len(w.members) != 2 {
		t.Errorf("lost %d, current %t, members %v", w.lost, w.current, w.members)
	}
	for _, ev := range w.events[told:] {
		if !ev.Lost && !ev.CaughtUp {
			t.Errorf("told again: %+v", ev)
		}
	}
	send(nodes, "s.node.b", 21, 0, b)
	if len(w.members) != 2 {
		t.Errorf("b is gone, who was only late: %v", w.members)
	}

	nodes.begin()
	nodes.ready(1) // at a server at which b has expired, and its mark too
	send(nodes, "s.node.a", 30, 0, cluster.Member{Name: "a", Life: "2"})
	if len(w.members) != 1 || w.members["a"].Life != "2" {
		t.Errorf("members %v", w.members)
	}
}

// heardMsg is a message of a stream as a reader brings it.
type heardMsg struct {
	js.Msg
	subject string
	data    []byte
}

func (m heardMsg) Subject() string { return m.subject }
func (m heardMsg) Data() []byte    { return m.data }

// A reader that begins again meets members in the order of their newest records: one
// that has renewed meanwhile comes late, and is not gone. One whose record was removed
// is, once all has come.
func TestReaderThatBeginsAgain(t *testing.T) {
	e := &Engine{Options: Options{Log: slog.New(slog.DiscardHandler)}, subjects: subjects{"s"}}
	var told []string
	w := &watch{e: e, owned: map[core.Partition]cluster.Fence{}, known: map[string]seenRecord{}, tell: func(ev replica.Event) {
		switch {
		case ev.Member != nil:
			told = append(told, "seen "+ev.Member.Name)
		case ev.Gone != nil:
			told = append(told, "gone "+ev.Gone.Name)
		}
	}}
	p := &watchPart{watch: w, bit: 2, each: w.node}
	hear := func(name string, at, pending uint64) {
		t.Helper()
		raw, err := json.Marshal(cluster.Member{Name: name, Life: "1"})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.message(heardMsg{subject: e.subjects.node(name), data: raw}, at, pending); err != nil {
			t.Fatal(err)
		}
	}
	p.ready(3)
	hear("a", 1, 2)
	hear("b", 2, 1)
	hear("removed", 3, 0)
	told = nil
	p.begin()
	p.ready(2)
	hear("b", 4, 1) // past what is known of a
	hear("a", 5, 0)
	if want := []string{"seen b", "gone removed", "seen a"}; !slices.Equal(told, want) {
		t.Errorf("told %q, not %q", told, want)
	}
}
