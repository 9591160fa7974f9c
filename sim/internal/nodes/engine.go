package nodes

import (
	"fmt"
	"slices"
	"time"

	"simplane/core"
	"simplane/core/cluster"
	"simplane/sim/draws"
	"simplane/sim/internal/random"
)

// engine is what brings consensus and replication, as one object: each call takes
// effect at one instant. Its messages are in one order; places in it are from 1.
type engine struct {
	c     *Cluster
	luck  random.Stream
	mean  int64 // ns: of a write
	next  uint64
	parts [cluster.Partitions]enginePart
	// members are the newest records, by the node's number.
	members []memberRecord
	config  Configuration // announced; zero = none was
	// known are results of calls by their keys: a call that comes again is answered
	// with what came of it.
	known  map[string]cluster.Fence
	frames map[string]bool // batches that are stored

	slow    []float64 // running faults
	deaf    []float64
	repeats []float64
	pauses  int
	held    []func() // calls that wait for the end of a pause
}

type enginePart struct {
	owner  cluster.Ownership
	frames []placed
}

type placed struct {
	at   uint64
	data []byte
}

type memberRecord struct {
	cluster.Member
	number int // of the process among the node's
	at     int64
	there  bool
}

// memberTTL is how long a member's record is kept without a renewal, ns.
const memberTTL = int64(6 * time.Second)

func newEngine(c *Cluster) *engine {
	return &engine{
		c: c, luck: random.New(c.sc.Seed, "engine"), mean: int64(c.sc.Cluster.Engine), next: 1,
		members: make([]memberRecord, c.sc.Nodes), known: map[string]cluster.Fence{}, frames: map[string]bool{},
	}
}

// callTimeout is how long a node waits for the engine's answer.
const callTimeout = 3 * time.Second

// call is a node's call: do is carried out there, at one instant, and its answer
// told; or the outcome is unknown. What do has done stays: when the call arrives
// twice do is carried out twice.
func (p *process) call(do func() error, answer func(error)) {
	c, e := p.c, p.c.engine
	answered := false
	tell := func(err error) {
		p.do(func() {
			if !answered {
				answered = true
				answer(err)
			}
		})
	}
	c.loop.AfterFunc(p.node.clock.after(callTimeout), func() { tell(errNoAnswer) })
	arrive := func() {
		e.carryOut(func() {
			err := do()
			if e.hits(e.deaf) {
				return
			}
			c.net.send(c.engineParty(), p.node.number, func() { tell(err) })
		})
	}
	c.net.send(p.node.number, c.engineParty(), arrive)
	if e.hits(e.repeats) {
		c.net.send(p.node.number, c.engineParty(), arrive)
	}
}

var errNoAnswer = fmt.Errorf("the engine has not answered in %v", callTimeout)

func (e *engine) hits(shares []float64) bool {
	for _, share := range shares {
		if e.luck.Hit(share) {
			return true
		}
	}
	return false
}

// carryOut has do done when the engine comes to it.
func (e *engine) carryOut(do func()) {
	took := delay(&e.luck, e.mean)
	for _, factor := range e.slow {
		took = time.Duration(draws.Nanos(float64(took) * factor))
	}
	e.c.loop.AfterFunc(took, func() {
		if e.pauses > 0 {
			e.held = append(e.held, do)
			return
		}
		do()
	})
}

// place is the next one in the order.
func (e *engine) place() uint64 {
	e.next++
	return e.next - 1
}

// renew writes the record of a node's nth process.
func (e *engine) renew(n int, m cluster.Member, number int) error {
	r := &e.members[n]
	if r.number > number {
		return cluster.ErrReplaced
	}
	*r = memberRecord{m, number, e.c.loop.Now(), true}
	e.tell(func(p *process) { p.m.MemberSeen(m, p.now()) })
	return nil
}

// resign removes it.
func (e *engine) resign(n int, m cluster.Member) {
	if r := &e.members[n]; r.Life == m.Life {
		r.there = false
	}
	e.tell(func(p *process) { p.m.MemberGone(m, p.now()) })
}

// own writes the ownership record of a partition in place of the one at seen.
func (e *engine) own(p core.Partition, o cluster.Ownership, seen cluster.Fence) (cluster.Fence, error) {
	key := fmt.Sprint(o.Life, " ", p, " ", seen, " ", o.Free)
	if at, ok := e.known[key]; ok {
		return at, nil
	}
	t := &e.parts[p]
	if t.owner.Fence != seen {
		return 0, cluster.ErrOvertaken
	}
	o.Fence = cluster.Fence(e.place())
	t.owner, e.known[key] = o, o.Fence
	e.c.watch.Owned(p, o)
	e.tell(func(q *process) { q.m.OwnerIs(p, o, q.now()) })
	return o.Fence, nil
}

// commit stores all frames or none.
func (e *engine) commit(id string, frames []cluster.StoredFrame) (last uint64, err error) {
	if e.frames[id] {
		return 0, nil
	}
	var fenced []core.Partition
	for _, f := range frames {
		if e.parts[f.Partition].owner.Fence != f.Fence && !slices.Contains(fenced, f.Partition) {
			fenced = append(fenced, f.Partition)
		}
	}
	if len(fenced) > 0 {
		return 0, &cluster.FencedError{Partitions: fenced}
	}
	e.frames[id] = true
	for _, f := range frames {
		last = e.place()
		t := &e.parts[f.Partition]
		t.frames = append(t.frames, placed{last, f.Data})
		e.c.watch.Stored(f.Partition, last, f.Data)
	}
	return last, nil
}

// read is what a server of the engine has of a partition's frames from a place on.
// It may lag behind: met says that it has the record at until, so that there are no
// more before that.
func (e *engine) read(p core.Partition, from uint64, until cluster.Fence) (frames []placed, met bool) {
	reached := e.next
	if e.luck.Hit(0.2) {
		reached -= min(reached, uint64(e.luck.Below(60)))
	}
	for _, f := range e.parts[p].frames {
		if f.at >= from && f.at < reached && (until == 0 || f.at < uint64(until)) {
			frames = append(frames, f)
		}
	}
	return frames, uint64(until) < reached
}

// purge removes a partition's frames before a place.
func (e *engine) purge(p core.Partition, before uint64) {
	t := &e.parts[p]
	t.frames = slices.DeleteFunc(t.frames, func(f placed) bool { return f.at < before })
}

// lose forgets one of the newest frames of a partition, but for the last one, whose
// loss only the record of giving up would show.
func (e *engine) lose(p core.Partition) {
	t := &e.parts[p]
	n := len(t.frames) - 1
	if n < 1 {
		return
	}
	i := n - 1 - e.luck.Below(min(n, 20))
	f, err := cluster.DecodeFrame(t.frames[i].data)
	last, err2 := cluster.DecodeFrame(t.frames[n].data)
	if err != nil || err2 != nil || f.Seq < last.Base {
		return // nobody needs it any more
	}
	t.frames = slices.Delete(t.frames, i, i+1)
	e.c.watch.Lost(p, f.Seq)
}

// tell has all watchers be told something, in the order of these calls.
func (e *engine) tell(f func(p *process)) {
	for _, n := range e.c.nodes {
		if n.proc != nil {
			n.proc.watcher.tell(f)
		}
	}
}

// watcher is a process's watch: what is told comes in order, or not at all once the
// connection is broken, until that is noticed and all is told anew.
type watcher struct {
	p      *process
	q      []func(*process)
	broken bool
	said   bool
	stale  int // running faults
	due    int // deliveries that wait for their end
}

func (w *watcher) tell(f func(*process)) {
	if w.broken {
		return
	}
	c := w.p.c
	w.q = append(w.q, f)
	if !c.net.send(c.engineParty(), w.p.node.number, w.deliver) {
		w.broken, w.said, w.q = true, false, nil
		c.loop.AfterFunc(watchPoll, w.mend)
	}
}

// watchPoll is how often a broken watch is begun anew.
const watchPoll = 500 * time.Millisecond

func (w *watcher) deliver() {
	if w.stale > 0 {
		w.due++
		return
	}
	w.p.do(func() {
		if len(w.q) == 0 {
			return // it has broken since
		}
		f := w.q[0]
		w.q = w.q[1:]
		f(w.p)
	})
}

// mend notices that the watch is broken, and begins it anew when the engine can be
// reached.
func (w *watcher) mend() {
	p := w.p
	if p.dead {
		return
	}
	if !w.said {
		w.said = true
		w.q = append(w.q, func(p *process) { p.m.CaughtUp(false, p.now()) })
		w.deliver() // in its turn
	}
	if !p.c.net.open(p.node.number, p.c.engineParty()) {
		p.c.loop.AfterFunc(watchPoll, w.mend)
		return
	}
	w.broken = false
	w.begin()
}

// begin tells all there is.
func (w *watcher) begin() {
	e := w.p.c.engine
	for i := range e.members {
		if r := e.members[i]; r.there && e.c.loop.Now()-r.at < memberTTL {
			w.tell(func(p *process) { p.m.MemberSeen(r.Member, p.now()) })
		}
	}
	for i := range e.parts {
		if o := e.parts[i].owner; o.Fence != 0 {
			w.tell(func(p *process) { p.m.OwnerIs(core.Partition(i), o, p.now()) })
		}
	}
	if c := e.config; c.Revision > 0 {
		w.tell(func(p *process) { p.follow(c) })
	}
	w.tell(func(p *process) { p.m.CaughtUp(true, p.now()) })
}
