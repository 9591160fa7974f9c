package nodes

import (
	"errors"
	"fmt"
	"time"

	"simplane/core"
	"simplane/core/cluster"
)

// process is one control plane while it lives. It carries out what its Machine and
// its Writer ask for.
type process struct {
	c       *Cluster
	node    *node
	number  int // among those of the node, from 1
	self    cluster.Member
	m       *cluster.Machine
	w       *cluster.Writer
	watcher watcher
	seats   [cluster.Partitions]*Seat // the newest of each partition, if it still counts
	parted  []*Seat                   // given up, with callers that wait for memory executions, or attempts that run
	telling int                       // outcomes that the owners of partitions are told
	dead    bool

	limiter *core.RateLimiter // nil = there is no limit
	granter *cluster.Granter  // nil = another one grants
	granted uint64            // the latest window that this one has granted of, once it has ended

	config     Configuration // in force
	news       Configuration // to be announced; zero = none is
	announcing bool

	committing bool
	leaving    bool

	calls   []*call  // of clients, under way
	serving []*reply // owed
}

// restartTime is how long a supervisor takes to start a process again.
const restartTime = 100 * time.Millisecond

// start starts a process, unless one runs. If that is about to leave it is started
// afterwards.
func (n *node) start() {
	if n.proc != nil {
		n.again = n.leaving
		return
	}
	n.again, n.leaving = false, false
	n.starts++
	p := &process{c: n.c, node: n, number: n.starts, self: cluster.Member{Name: n.name, Life: fmt.Sprint(n.name, ".", n.starts), Peer: n.name}}
	p.m = cluster.NewMachine(p.self, n.c.timing, p.now())
	p.w = cluster.NewWriter(p.self.Life, frameBytes, func() { n.c.loop.AfterFunc(0, func() { p.do(p.commit) }) })
	p.w.SetPace(4<<10, 2<<10, 8<<10)
	p.watcher.p, p.config = p, n.c.firstConfiguration()
	n.proc = p
	n.c.watch.Note("start-node " + n.name)
	p.watcher.begin()
	p.tick()
	p.clean()
	p.beginRate()
}

// frameBytes is the size of a frame at most: small, so that there are many.
const frameBytes = 2 << 10

func (p *process) now() time.Duration { return p.node.clock.elapsed() }

// do has f happen in the process, once it runs.
func (p *process) do(f func()) {
	switch {
	case p.dead:
	case p.node.paused > p.c.loop.Now():
		p.c.loop.AfterFunc(time.Duration(p.node.paused-p.c.loop.Now()), func() { p.do(f) })
	default:
		f()
		p.settle()
	}
}

// settle carries out what the machine asks for.
func (p *process) settle() {
	for !p.dead {
		actions := p.m.Actions()
		if len(actions) == 0 {
			return
		}
		for _, a := range actions {
			p.carryOut(a)
		}
	}
}

func (p *process) tick() {
	if p.dead {
		return
	}
	if p.node.paused <= p.c.loop.Now() {
		p.do(func() { p.m.Tick(p.now()) })
	}
	p.c.loop.AfterFunc(p.node.clock.after(p.c.timing.Tick), p.tick)
}

func (p *process) carryOut(a cluster.Action) {
	e, at := p.c.engine, a.Partition
	var fence cluster.Fence
	switch a.Kind {
	case cluster.ActRenew:
		sent := p.now()
		p.call(func() error { return e.renew(p.node.number, a.Member, p.number) },
			func(err error) { p.m.Renewed(sent, p.now(), err) })
	case cluster.ActClaim:
		p.call(func() (err error) { fence, err = e.own(at, a.Record, a.Fence); return err },
			func(err error) { p.m.Claimed(at, fence, err, p.now()) })
	case cluster.ActFree:
		if at == ratePartition {
			a.Record.Granted = p.granted
		}
		p.call(func() (err error) { fence, err = e.own(at, a.Record, a.Fence); return err },
			func(err error) { p.m.Freed(at, a.Fence, fence, err, p.now()) })
	case cluster.ActOpen:
		p.open(at, a.Fence, a.Record)
	case cluster.ActHold:
		if s := p.seats[at]; s != nil {
			s.hold()
		}
	case cluster.ActGiven:
		if s := p.seats[at]; s != nil && s.Fence == a.Fence {
			s.part()
		}
	case cluster.ActShut:
		if s := p.seats[at]; s != nil && s.Fence == a.Fence {
			s.drop()
		}
	case cluster.ActResign:
		p.leaving = true
		p.call(func() error { e.resign(p.node.number, p.self); return nil }, func(error) {
			p.m.Resigned()
			p.leave()
		})
	case cluster.ActStop:
		p.end()
	}
}

// leaveTime is how long a process that has given everything up waits for calls that
// still run.
const leaveTime = 10 * time.Second

// leave ends a process that has nothing left to do.
func (p *process) leave() {
	until := p.now() + leaveTime
	var wait func()
	wait = func() {
		p.do(func() {
			p.forget()
			if len(p.parted) == 0 && len(p.calls) == 0 && p.telling == 0 || p.now() >= until {
				p.end()
				return
			}
			p.c.loop.AfterFunc(pollTime, wait)
		})
	}
	wait()
}

// end ends the process at once: what it had in memory is gone, and connections to it
// break.
func (p *process) end() {
	if p.dead {
		return
	}
	p.dead, p.node.proc = true, nil
	p.c.watch.Note("end-node " + p.node.name)
	if p.node.again {
		p.c.loop.AfterFunc(restartTime, p.node.start)
	}
	for _, s := range p.seats {
		if s != nil {
			s.gone()
		}
	}
	for _, s := range p.parted {
		s.gone()
	}
	for _, r := range p.serving {
		r.broken()
	}
	for _, k := range p.calls {
		k.tell(errLost, nil)
	}
	p.seats, p.parted, p.serving, p.calls = [cluster.Partitions]*Seat{}, nil, nil, nil
}

// commit has the next batch committed, or the one in flight again.
func (p *process) commit() {
	if p.committing {
		return
	}
	b := p.w.InFlight()
	if b == nil {
		b = p.w.Next()
	}
	if b == nil {
		return
	}
	p.committing = true
	var last uint64
	p.call(func() (err error) { last, err = p.c.engine.commit(b.ID, b.Frames); return err }, func(err error) {
		p.committing = false
		var fenced *cluster.FencedError
		switch {
		case err == nil:
			p.stored(p.w.Stored(last))
		case errors.As(err, &fenced):
			for _, l := range p.w.Fenced(fenced.Partitions) {
				p.m.Fenced(l.Partition(), l.Fence(), p.now())
			}
		default:
			p.c.loop.AfterFunc(p.node.clock.after(p.c.timing.Again), func() { p.do(p.commit) })
			return
		}
		p.commit()
	})
}

// stored tells cores how far their journals have come, each by itself: other things
// may happen in between.
func (p *process) stored(told []cluster.Advance) {
	for _, a := range told {
		p.c.loop.AfterFunc(0, func() { p.do(func() { p.advance(a) }) })
	}
	for _, s := range p.seats {
		if s != nil && s.state == seatHolding {
			s.quiet()
		}
	}
}

func (p *process) advance(a cluster.Advance) {
	s := p.seats[a.Log.Partition()]
	if s == nil || s.Log != a.Log || s.state == seatOpening {
		return
	}
	s.told = a.Durable
	s.putInForce(a.Durable)
	s.Core.JournalAdvanced(a.Durable)
	p.c.watch.Committed(s)
	s.answer()
}

// cleanTime is how often useless frames are looked for.
const cleanTime = time.Second

// clean has useless frames removed, now and then.
func (p *process) clean() {
	if p.dead {
		return
	}
	p.do(func() {
		var logs []*cluster.Log
		for _, s := range p.seats {
			if s != nil && s.Log != nil && s.state == seatOpen {
				logs = append(logs, s.Log)
			}
		}
		e := p.c.engine
		for _, purge := range p.w.Purges(logs) {
			p.call(func() error { e.purge(purge.Partition, purge.Before); return nil }, func(error) {})
		}
		for _, m := range p.w.Moves(logs) {
			var frames []placed
			p.call(func() error { frames, _ = e.read(m.Log.Partition(), m.From, 0); return nil }, func(err error) {
				for i := 0; i < len(frames) && err == nil; i++ {
					var last bool
					if last, err = m.Add(frames[i].at, frames[i].data); last {
						break
					}
				}
				p.w.Moved(m, err)
				if errors.Is(err, cluster.ErrClosed) {
					at := m.Log.Partition()
					if p.m.Broken(at, m.Log.Fence(), err, p.now()); p.m.Place(at, p.now()).Closed != nil {
						p.c.watch.Shut(at, err)
					}
				}
			})
		}
	})
	p.c.loop.AfterFunc(p.node.clock.after(cleanTime), p.clean)
}

// leased says that the process may serve.
func (p *process) leased() bool { return p.m.Leased(p.now()) }

// owner is the process that owns a partition, as far as this one knows: the number
// of its node, -1 for none, and whether that is itself.
func (p *process) owner(at core.Partition) (node int, mine bool) {
	place := p.m.Place(at, p.now())
	if place.State != cluster.StateNone && place.State != cluster.StateLost {
		return -1, true
	}
	if !place.Known || place.Owner.Name == p.self.Name {
		return -1, false
	}
	for _, n := range p.c.nodes {
		if n.name == place.Owner.Name {
			return n.number, false
		}
	}
	return -1, false
}
