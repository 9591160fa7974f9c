package nodes

import (
	"errors"
	"time"

	"simplane/core"
	"simplane/core/cluster"
	"simplane/sim/internal/world"
)

// Seat is a partition at a process that has claimed it: a core of its own. It
// implements core.Dispatcher and world.Dispatched.
type Seat struct {
	Partition core.Partition
	Fence     cluster.Fence
	Log       *cluster.Log
	Core      *core.Core        // nil while it opens, and of a partition without functions
	before    cluster.Ownership // what it claimed from
	proc      *process
	clock     *seatClock
	state     seatState
	told      core.LSN // what its core knows to be durable
	owed      []*reply
	patient   bool // it was given up lately: attempts have their time
	config    kept // of ConfigPartition
}

type seatState uint8

const (
	seatOpening seatState = iota
	seatOpen
	seatHolding // about to be given up
	seatParted  // given up in order: calls of memory executions may end
	seatGone
)

// Node is the name of the node, Clock the clock of the core.
func (s *Seat) Node() string      { return s.proc.node.name }
func (s *Seat) Clock() core.Clock { return s.clock }

// Told is what the core knows to be durable.
func (s *Seat) Told() core.LSN { return s.told }

// Counts says that what the core decides may still have effects.
func (s *Seat) Counts() bool { return s.state != seatGone && !s.proc.dead }

// Alive says that its process has not ended.
func (s *Seat) Alive() bool { return !s.proc.dead }

// do has f happen in the core's process, unless the core does not count any more.
func (s *Seat) do(f func()) {
	s.proc.do(func() {
		if s.Counts() {
			f()
		}
	})
}

// open reads a partition's frames up to its claim, and serves it.
func (p *process) open(at core.Partition, fence cluster.Fence, before cluster.Ownership) {
	s := &Seat{Partition: at, Fence: fence, proc: p, before: before}
	s.clock = &seatClock{s: s}
	if old := p.seats[at]; old != nil {
		old.drop()
	}
	p.seats[at] = s
	var record *cluster.Ownership
	if before.Fence != 0 {
		record = &before
	}
	s.read(cluster.NewFolder(at, fence, record), 0)
}

// readAgain is the pause before a server that lags behind is asked again.
const readAgain = 30 * time.Millisecond

func (s *Seat) read(f *cluster.Folder, from uint64) {
	p, e := s.proc, s.proc.c.engine
	if !p.c.active[s.Partition] {
		s.opened(nil) // there are no frames, and there never will be
		return
	}
	var frames []placed
	var met bool
	p.call(func() error { frames, met = e.read(s.Partition, from, s.Fence); return nil }, func(err error) {
		if p.seats[s.Partition] != s {
			return
		}
		if err != nil {
			s.opened(err)
			return
		}
		for _, fr := range frames {
			if err := f.Add(fr.at, fr.data); err != nil {
				s.opened(err)
				return
			}
			from = fr.at + 1
		}
		if !met {
			p.c.loop.AfterFunc(readAgain, func() { s.do(func() { s.read(f, from) }) })
			return
		}
		folded, err := f.Done()
		if err == nil && s.wanted() {
			err = s.restore(folded)
		}
		s.opened(err)
	})
}

// wanted says that the partition is still to be opened.
func (s *Seat) wanted() bool {
	at := s.proc.m.Place(s.Partition, s.proc.now())
	return at.State == cluster.StateOpening && at.Fence == s.Fence
}

// restore makes the core of what the frames come to.
func (s *Seat) restore(d *cluster.Folded) error {
	p := s.proc
	s.Log = p.w.Open(s.Partition, s.Fence, d)
	c, err := p.c.watch.Boot(s)
	if err != nil {
		return &cluster.BrokenError{Partition: s.Partition, Why: err}
	}
	from := c.Restore()
	if s.before.Free { // calls may still run there, and it tells of them
		from.Grace = waitForTold
	}
	for _, placed := range d.Facts {
		f, err := core.DecodeFact(placed.Fact)
		if err != nil {
			return d.Unreadable(placed.At, err)
		}
		if err := from.Apply(placed.At, &f); err != nil {
			return &cluster.BrokenError{Partition: s.Partition, Why: err}
		}
	}
	s.clock.ahead = max(0, from.NewestWall()-s.clock.Now().Wall)
	s.Core, s.told = c, s.Log.Durable()
	if err := from.Done(s.clock.Now(), func(*core.Spec) bool { return false }); err != nil {
		return &cluster.BrokenError{Partition: s.Partition, Why: err}
	}
	if s.Partition == ConfigPartition {
		return s.restoreConfiguration(from.Config())
	}
	return nil
}

func (s *Seat) opened(err error) {
	p := s.proc
	if errors.Is(err, cluster.ErrClosed) {
		p.c.watch.Shut(s.Partition, err)
	}
	p.m.Opened(s.Partition, s.Fence, err, p.now())
	// It may be about to be given up again: this node leaves, or another has come meanwhile.
	at := p.m.Place(s.Partition, p.now())
	if err != nil || at.Fence != s.Fence || at.State != cluster.StateOpen && at.State != cluster.StateHolding {
		s.drop()
		return
	}
	s.state = seatOpen
	if s.Core != nil && s.config.newest.Revision > 1 {
		p.announce(s.config.newest)
	}
	if s.Partition == ratePartition {
		p.grant(s.before)
	}
	if p.leased() {
		p.c.alone(s)
	}
	if s.Core != nil {
		p.c.watch.Opened(s)
	}
}

// alone checks that no other process serves the partition at this moment, but for those
// that stand still, and such as have lost their name to another process.
func (c *Cluster) alone(s *Seat) {
	for _, n := range c.nodes {
		q := n.proc
		if q == nil || q == s.proc || n.paused > c.loop.Now() || !q.leased() {
			continue
		}
		if o := q.seats[s.Partition]; o != nil && o.state == seatOpen && q.m.Place(s.Partition, q.now()).State == cluster.StateOpen {
			c.watch.Fail("one node serves a partition", "partition %d is served by %s (claimed at %d) and %s (%d)", s.Partition, s.Node(), s.Fence, n.name, o.Fence)
		}
	}
}

// hold takes no new work and starts none that is durable.
func (s *Seat) hold() {
	s.state = seatHolding
	if s.Partition == ratePartition {
		s.proc.endGrants()
	}
	if s.Core == nil {
		s.proc.m.Quiet(s.Partition, s.Fence, cluster.Tail{}, s.proc.now())
		return
	}
	s.Core.Drain()
	s.proc.c.watch.Held(s)
	s.quiet()
}

// quiet gives the partition up once all that was decided is durable. Nothing that is
// decided later ever will be, so that the last frame stays the last one.
func (s *Seat) quiet() {
	if s.Core == nil {
		return
	}
	tail, sealed := s.proc.w.Seal(s.Log)
	if !sealed {
		return
	}
	s.answer()
	s.proc.m.Quiet(s.Partition, s.Fence, tail, s.proc.now())
}

// part leaves the core to the calls that wait for memory executions, and to attempts that
// run.
func (s *Seat) part() {
	p := s.proc
	if s.Core == nil {
		p.seats[s.Partition] = nil
		return
	}
	p.advance(cluster.Advance{Log: s.Log, Durable: s.Log.Durable()}) // nothing else tells of this any more
	p.seats[s.Partition] = nil
	s.state = seatParted
	p.parted = append(p.parted, s)
	for _, r := range s.owed {
		if r.rests != 0 {
			r.tell(world.ErrOwnerLost, nil)
		}
	}
	until := p.now() + leaveTime
	var wait func()
	wait = func() {
		s.do(func() {
			if s.patient = p.now() < until; s.state == seatParted {
				s.tidy()
				p.c.loop.AfterFunc(pollTime, wait)
			}
		})
	}
	wait()
}

// drop ends the seat: no answer leaves any more.
func (s *Seat) drop() {
	if s.state == seatGone {
		return
	}
	p := s.proc
	if s.Log != nil {
		p.w.Drop(s.Log)
	}
	if p.seats[s.Partition] == s {
		p.seats[s.Partition] = nil
	}
	s.gone()
	for _, r := range s.owed {
		r.tell(world.ErrOwnerLost, nil)
	}
	s.owed = nil
}

func (s *Seat) gone() {
	if s.Partition == ratePartition && s.state == seatOpen {
		s.proc.endGrants()
	}
	if s.state = seatGone; s.Core != nil {
		s.proc.c.watch.Dropped(s)
	}
}

// tidy forgets answers that were given, and ends a core that was given up when none
// are owed and no attempt runs, or a process that leaves cannot wait for that.
func (s *Seat) tidy() {
	n := 0
	for _, r := range s.owed {
		if !r.told {
			s.owed[n] = r
			n++
		}
	}
	clear(s.owed[n:])
	s.owed = s.owed[:n]
	if s.state != seatParted || n > 0 {
		return
	}
	if _, inFlight := s.Core.Unfinished(); inFlight > 0 && (s.patient || !s.proc.leaving) {
		return
	}
	for i, o := range s.proc.parted {
		if o == s {
			s.proc.parted = append(s.proc.parted[:i:i], s.proc.parted[i+1:]...)
			break
		}
	}
	s.gone()
}

// Dispatch implements core.Dispatcher.
func (s *Seat) Dispatch(t core.Task) {
	if s.Counts() {
		s.proc.c.world.DispatchFor(t, s)
	}
}

// serve carries a call out, and tells r the answer when that may be known.
func (s *Seat) serve(r *reply) {
	s.proc.serving = append(s.proc.serving, r)
	s.proc.c.alone(s)
	k := r.call
	if k.runs++; k.runs > 1 {
		s.proc.c.watch.Fail("a request is carried out once", "request %d is carried out for the second time, by %s", k.number, s.Node())
		return
	}
	rests, waits, err := k.ask.Run(s.Core, func(end core.Snapshot) {
		r.woken = &end
		s.answer()
	})
	r.rests, r.waits, r.err, r.ran = rests, waits && err == nil, err, true
	s.owe(r)
	s.answer()
}

// answer gives the answers whose facts are durable and whose ends have come.
func (s *Seat) answer() {
	if !s.Counts() {
		return
	}
	durable := s.Log.Durable()
	s.putInForce(durable)
	for _, r := range s.owed {
		if !r.told && r.ran && r.rests <= durable && (!r.waits || r.woken != nil) {
			s.tell(r, r.err)
		}
	}
	s.tidy()
}

// tell gives an answer. While the lease is over nothing of a partition is told that
// was not given up in order.
func (s *Seat) tell(r *reply, err error) {
	if s.state != seatParted && !s.proc.leased() {
		r.tell(world.ErrOwnerLost, nil)
		return
	}
	r.tell(err, r.woken)
}
