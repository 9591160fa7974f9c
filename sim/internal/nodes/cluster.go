// Package nodes is several control planes in one run: processes on machines with
// clocks of their own, an engine, and the network between them. Who owns what, what
// is durable and what a partition's facts come to is decided by core/cluster and
// core, as in the server; here is what the server's adapters do, on virtual time.
package nodes

import (
	"strconv"
	"time"

	"simplane/core"
	"simplane/core/cluster"
	"simplane/sim/internal/loop"
	"simplane/sim/internal/random"
	"simplane/sim/internal/world"
	"simplane/sim/scenario"
)

// Watch is told what happens, so that it can be judged.
type Watch interface {
	// Boot makes the core of a seat, which has no state yet.
	Boot(s *Seat) (*core.Core, error)
	// Owned comes when the engine has a newer ownership record, Stored when it has a
	// frame, Lost when it has lost one.
	Owned(p core.Partition, o cluster.Ownership)
	Stored(p core.Partition, at uint64, frame []byte)
	Lost(p core.Partition, seq uint64)
	// Opened says that a seat serves, Held that it is about to be given up, Committed
	// that its core has been told of a commit, Dropped that nothing of it counts any more.
	Opened(s *Seat)
	Held(s *Seat)
	Committed(s *Seat)
	Dropped(s *Seat)
	// Shut says that a partition stays closed, since facts are missing.
	Shut(p core.Partition, why error)
	// Replied comes with the answer of an attempt, whatever becomes of it.
	Replied(s *Seat, t core.Task, o core.Outcome)
	// Hearing comes before a seat's core is told of the outcome of an attempt that an
	// earlier owner has dispatched, Heard after it.
	Hearing(s *Seat, id core.ID, attempt int, o core.Outcome)
	Heard(s *Seat, id core.ID, attempt int, err error)
	// InForce says that a process has put a configuration in force, Shown that somebody who
	// has asked at a virtual time is shown one, Acknowledged that who has made it is told so.
	InForce(m cluster.Member, c Configuration)
	Shown(asked int64, c Configuration)
	Acknowledged(c Configuration)
	// RateAllowed is how many places of a window may be taken over all nodes.
	RateAllowed(window uint64) int64
	// Note is a line of the log. Fail is a broken invariant.
	Note(what string)
	Fail(invariant, format string, args ...any)
}

// Cluster is the nodes of a run. It implements world.Remote.
type Cluster struct {
	sc     *scenario.Scenario
	loop   *loop.Loop
	world  *world.World
	watch  Watch
	timing cluster.Timing
	engine *engine
	net    *network
	nodes  []*node
	active [cluster.Partitions]bool // some function is of it

	rates       *rates // nil = there is no limit
	balancer    random.Stream
	luck        random.Stream
	longest     time.Duration // of a call that was passed on
	asked       int64         // calls so far
	asking      int           // under way
	configuring int           // operators that change the configuration
	failing     int           // faults that run
	changed     int64         // virtual time when one began or ended
	hindered    int           // those that run and keep nodes from telling one another
	calmAt      int64         // virtual time when the last of those began or ended
}

// node is a machine. Its processes come one after the other.
type node struct {
	c              *Cluster
	number         int // from 0
	name           string
	clock          clock
	proc           *process // nil = none runs
	starts         int
	leaving, again bool  // its process leaves; another is to be started then
	paused         int64 // virtual time until which it stands still
}

// New makes the nodes of a scenario, for a world. Start begins.
func New(sc *scenario.Scenario, l *loop.Loop, w *world.World) *Cluster {
	c := &Cluster{
		sc: sc, loop: l, world: w, timing: cluster.DefaultTiming(),
		balancer: random.New(sc.Seed, "balancer"), luck: random.New(sc.Seed, "nodes"), longest: 10 * time.Second,
	}
	c.engine = newEngine(c)
	c.net = &network{c: c, luck: random.New(sc.Seed, "network"), mean: int64(sc.Cluster.Network), links: map[link]*damage{}}
	for _, f := range w.Functions() {
		c.active[core.PartitionOf(f.Name)] = true
		c.longest = max(c.longest, time.Duration(f.Decl.TimeoutMillis)*time.Millisecond+10*time.Second)
	}
	if sc.Configures() {
		c.active[ConfigPartition] = true
	}
	clocks := random.New(sc.Seed, "clocks")
	for i := range sc.Nodes {
		n := &node{c: c, number: i, name: "n" + strconv.Itoa(i+1)}
		n.clock = clock{loop: l, offset: spread(&clocks, int64(sc.Cluster.ClockOffset)), drift: spread(&clocks, int64(sc.Cluster.ClockDrift))}
		c.nodes = append(c.nodes, n)
	}
	w.Connect(c)
	return c
}

// spread is between -most and most.
func spread(luck *random.Stream, most int64) int64 { return int64(luck.Below(int(2*most+1))) - most }

// Start starts a process on each node.
func (c *Cluster) Start(w Watch) {
	c.watch = w
	c.startRates()
	for _, n := range c.nodes {
		c.loop.AfterFunc(delay(&c.luck, int64(20*time.Millisecond)), n.start)
	}
}

func (c *Cluster) engineParty() int { return len(c.nodes) }

// Quiet says that no call is under way, that each partition with functions is
// served, unless it stays closed, and that nothing is to be done in any of them.
func (c *Cluster) Quiet() bool {
	if c.asking > 0 || c.configuring > 0 || c.Follows() != "" {
		return false
	}
	for p := range c.active {
		if !c.active[p] {
			continue
		}
		s := c.Owner(core.Partition(p))
		if s == nil {
			if c.Closed(core.Partition(p)) {
				continue
			}
			return false
		}
		if queued, inFlight := s.Core.Unfinished(); queued+inFlight > 0 || s.Core.Gauges().Held > 0 {
			return false
		}
		if !s.proc.w.Idle(s.Log) {
			return false
		}
	}
	return true
}

// Owner is the seat that the newest ownership record is of, if it serves.
func (c *Cluster) Owner(p core.Partition) *Seat {
	at := c.engine.parts[p].owner.Fence
	for _, n := range c.nodes {
		if q := n.proc; q != nil {
			if s := q.seats[p]; s != nil && s.Fence == at && s.state == seatOpen {
				return s
			}
		}
	}
	return nil
}

// Closed implements world.Remote: the engine has lost data of the partition.
func (c *Cluster) Closed(p core.Partition) bool {
	for _, n := range c.nodes {
		if n.proc != nil && n.proc.m.Place(p, n.proc.now()).State == cluster.StateLost {
			return true
		}
	}
	return false
}

// Spread is the most by which the clocks of nodes read more than the true time at a
// virtual time.
func (c *Cluster) Spread(at time.Duration) time.Duration {
	most := int64(0)
	for _, n := range c.nodes {
		most = max(most, n.clock.offset+millionths(int64(at), max(0, n.clock.drift))+1)
	}
	return time.Duration(most)
}

// Fault implements world.Remote.
func (c *Cluster) Fault(f *scenario.Fault, ends bool) {
	var n *node
	if f.Node > 0 {
		n = c.nodes[f.Node-1]
	}
	if ends {
		c.takenOver(n, f)
		c.failing--
	} else if f.For > 0 {
		c.failing++
	}
	c.changed = c.loop.Now()
	c.hinders(f, ends)
	switch f.Kind {
	case "kill-node":
		if ends {
			n.start()
		} else if n.proc != nil {
			n.again = false // not before the fault ends, though it was leaving
			n.proc.end()
		}
	case "leave-node":
		if ends {
			n.start()
		} else if p := n.proc; p != nil {
			n.leaving = true
			p.do(func() { p.m.Leave(p.now()) })
		}
	case "pause-node":
		if !ends {
			n.paused = max(n.paused, c.loop.Now()+int64(f.For))
		}
	case "partition":
		c.part(n, f, ends)
	case "log-fault":
		c.engine.fault(f, ends, n)
	}
}

// hinders notes a fault that keeps nodes from telling one another. Leaving in order is none.
func (c *Cluster) hinders(f *scenario.Fault, ends bool) {
	if f.Kind == "leave-node" {
		return
	}
	c.calmAt = c.loop.Now()
	switch {
	case ends:
		c.hindered--
	case f.For > 0:
		c.hindered++
	}
}

// CalmSince says that nothing has kept nodes from telling one another since a virtual time.
func (c *Cluster) CalmSince(at int64) bool { return c.hindered == 0 && c.calmAt < at }

// part begins or ends a partition of the network.
func (c *Cluster) part(n *node, f *scenario.Fault, ends bool) {
	var others []int
	switch f.Peer {
	case scenario.PeerEngine:
		others = []int{c.engineParty()}
	case scenario.PeerAll:
		for i := range c.nodes {
			others = append(others, i)
		}
		others = append(others, c.engineParty())
	default:
		i, _ := strconv.Atoi(f.Peer)
		others = []int{min(i, len(c.nodes)) - 1}
	}
	for _, o := range others {
		if o == n.number {
			continue
		}
		if f.Direction != scenario.ToNode {
			c.net.at(n.number, o).change(f, ends)
		}
		if f.Direction != scenario.FromNode {
			c.net.at(o, n.number).change(f, ends)
		}
	}
}

func (d *damage) change(f *scenario.Fault, ends bool) {
	switch {
	case f.Delay > 0 && ends:
		d.late -= f.Delay
	case f.Delay > 0:
		d.late += f.Delay
	case f.Share > 0:
		toggle(&d.losses, f.Share, ends)
	case ends:
		d.cuts--
	default:
		d.cuts++
	}
}

// toggle adds a running fault, or takes it away.
func toggle(running *[]float64, x float64, ends bool) {
	if !ends {
		*running = append(*running, x)
		return
	}
	for i, y := range *running {
		if y == x {
			*running = append((*running)[:i:i], (*running)[i+1:]...)
			return
		}
	}
}

// fault begins or ends a fault of the engine.
func (e *engine) fault(f *scenario.Fault, ends bool, n *node) {
	switch f.Does {
	case scenario.LogSlow:
		toggle(&e.slow, f.Factor, ends)
	case scenario.LogDeaf:
		toggle(&e.deaf, f.Share, ends)
	case scenario.LogRepeats:
		toggle(&e.repeats, f.Share, ends)
	case scenario.LogPauses:
		if !ends {
			e.pauses++
			return
		}
		e.pauses--
		if e.pauses == 0 {
			held := e.held
			e.held = nil
			for _, do := range held {
				do()
			}
		}
	case scenario.LogStale:
		if p := n.proc; p != nil {
			p.watcher.stall(ends)
		}
	case scenario.LogLoses:
		e.lose(core.PartitionOf(f.Function))
	}
}

// stall has the watch tell nothing for a while.
func (w *watcher) stall(ends bool) {
	if !ends {
		w.stale++
		return
	}
	if w.stale == 0 {
		return // of another process
	}
	if w.stale--; w.stale > 0 {
		return
	}
	for ; w.due > 0; w.due-- {
		w.deliver()
	}
}
