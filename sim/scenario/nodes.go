package scenario

import (
	"slices"
	"strings"
	"time"
)

// Cluster is what surrounds several control planes: the network between them and
// the engine, and their clocks. All of it is drawn by the seed within these bounds.
type Cluster struct {
	// Network is the mean time of a message from one party to another, Engine that of
	// a write in the engine.
	Network, Engine time.Duration
	// ClockOffset is by how much the wall clock of a node is wrong at most, either
	// way, and ClockDrift by how many millionths its clocks run fast or slow.
	ClockOffset time.Duration
	ClockDrift  int
	// RateMaxPerSecond is the limit over all nodes: at each of them as many places a
	// second are asked for. 0 = none is.
	RateMaxPerSecond int
}

func newCluster() Cluster {
	return Cluster{Network: 500 * time.Microsecond, Engine: 2 * time.Millisecond, ClockOffset: 50 * time.Millisecond, ClockDrift: 100}
}

// MaxNodes is how many control planes a scenario can have.
const MaxNodes = 7

// Parties that a partition can cut a node off from, beside the other nodes.
const (
	PeerEngine = "engine"
	PeerAll    = "all"
)

// Directions of messages that a partition stops.
const (
	FromNode = "from"
	ToNode   = "to"
)

// What a log-fault does.
const (
	LogSlow    = "slow"
	LogDeaf    = "deaf"
	LogRepeats = "repeats"
	LogPauses  = "pauses"
	LogStale   = "stale-watch"
	LogLoses   = "loses"
)

var (
	peers     = []string{PeerEngine, PeerAll, "1", "2", "3", "4", "5", "6", "7"}
	directed  = []string{FromNode, ToNode}
	logFaults = []string{LogSlow, LogDeaf, LogRepeats, LogPauses, LogStale, LogLoses}
	nodeKinds = []string{"kill-node", "leave-node", "pause-node", "partition", "log-fault"}
	// anyKinds are those that go with one process and with several nodes.
	anyKinds = []string{"outage", "slowdown", "cancel", "redrive", "purge", "update", "reconfigure", "delete-function", "create-function", "set-rate"}
)

var clusterTable = &record[Cluster]{
	what: "cluster", flow: true, fresh: newCluster,
	fields: []field[Cluster]{
		{key: "network", doc: "Mean time of a message from one party to another.", typ: span{time.Microsecond, time.Second}, at: func(c *Cluster) any { return &c.Network }},
		{key: "engine", doc: "Mean time of a write in the engine.", typ: span{time.Microsecond, time.Second}, at: func(c *Cluster) any { return &c.Engine }},
		{key: "clockOffset", doc: "By how much the wall clock of a node is wrong at most, either way.", typ: span{0, time.Minute}, at: func(c *Cluster) any { return &c.ClockOffset }},
		{key: "clockDrift", doc: "By how many millionths the clocks of a node run fast or slow at most.", typ: integer{0, 1000}, at: func(c *Cluster) any { return &c.ClockDrift }},
		{key: "rateMaxPerSecond", doc: "The rate limit over all nodes; at each of them as many places a second are taken for their own sake, whatever the calls. 0: none are.", typ: integer{0, 1000}, at: func(c *Cluster) any { return &c.RateMaxPerSecond }},
	},
}

// OfNodes says that the fault is of several control planes, their network or their
// engine.
func (f *Fault) OfNodes() bool { return slices.Contains(nodeKinds, f.Kind) }

// Configures says that the configuration of the nodes is changed.
func (s *Scenario) Configures() bool {
	return s.Nodes > 0 && slices.ContainsFunc(s.Faults, func(f Fault) bool { return f.Kind == "set-rate" })
}

// Silences says that the fault keeps a node from renewing its record.
func (f *Fault) Silences() bool {
	switch f.Kind {
	case "kill-node":
		return true
	case "partition":
		return (f.Peer == PeerEngine || f.Peer == PeerAll) && f.Share == 0 && f.Delay == 0 && f.Direction != ToNode
	}
	return false
}

// checkNodeFault reports keys that such a fault lacks or does not take.
func (f *Fault) checkNodeFault() (must, may []string) {
	switch f.Kind {
	case "partition":
		if f.Delay > 0 { // all of them come, and none is lost
			return []string{"node", "peer", "for"}, []string{"delay", "direction"}
		}
		return []string{"node", "peer", "for"}, []string{"share", "direction"}
	case "log-fault":
		must = []string{"does"}
		switch f.Does {
		case LogSlow:
			return append(must, "for", "factor"), nil
		case LogDeaf, LogRepeats:
			return append(must, "for", "share"), nil
		case LogPauses:
			return append(must, "for"), nil
		case LogStale:
			return append(must, "for", "node"), nil
		}
		return append(must, "function"), nil
	}
	return []string{"node", "for"}, nil
}

// checkOneCore reports what is done to, or set at, one core that is at hand.
func (s *Scenario) checkOneCore(p *problems) {
	for i := range s.Faults {
		switch f := &s.Faults[i]; f.Kind {
		case "drain", "set-sync-queue", "set-replicas":
			p.Add(f.Line, "faults[%d]: %s is done to a single process; remove it, or nodes", i, f.Kind)
		case "set-rate":
			if f.Rate != nil && *f.Rate == 0 {
				p.Add(f.Line, "faults[%d].rate: nodes count places of a limit; use 1 at least", i)
			}
		}
	}
	for i := range s.Load {
		switch l := &s.Load[i]; {
		case l.Mode == "drain-once" || l.Mode == "mistake":
			p.Add(l.Line, "load[%d]: mode %s is done to a single process; use another one, or remove nodes", i, l.Mode)
		case l.CallerRuns || l.Leaves.Forgets:
			p.Add(l.Line, "load[%d]: callers of several control planes neither make attempts nor take their wait back; remove callerRuns and forgets, or nodes", i)
		}
	}
	if c := &s.Core; c.SchedulerOff || c.BorrowedInputs || c.Backlog != Backlogs[0] {
		p.Add(1, "core: schedulerOff, backlog and borrowedInputs are of a single process; remove them, or nodes")
	}
}

// checkNodes reports what does not go with several control planes, and what goes
// with nothing else.
func (s *Scenario) checkNodes(p *problems) {
	for i := range s.Faults {
		f := &s.Faults[i]
		switch {
		case s.Nodes == 0 && f.OfNodes():
			p.Add(f.Line, "faults[%d]: %s needs several control planes; add nodes: 3", i, f.Kind)
		case s.Nodes > 0 && !f.OfNodes() && !slices.Contains(anyKinds, f.Kind):
			p.Add(f.Line, "faults[%d]: %s is of a single process; with nodes use %s", i, f.Kind, strings.Join(append(nodeKinds, anyKinds...), ", "))
		case s.Nodes > 0 && f.Node > s.Nodes:
			p.Add(f.Line, "faults[%d].node: there are %d; use 1 to %d", i, s.Nodes, s.Nodes)
		}
	}
	if s.Nodes == 0 {
		return
	}
	s.checkOneCore(p)
	for i := range s.Functions {
		if f := &s.Functions[i]; f.Scaled() {
			p.Add(f.Line, "functions[%d]: the simulated provider of a scaled function knows one control plane; remove scaling, or nodes", i)
		}
	}
	for i := range s.Expect {
		if c := &s.Expect[i]; c.Gauge == "stored_executions" || c.Gauge == "stored_keys" {
			p.Add(c.Line, "expect[%d]: %s is of a single process; use another gauge with nodes", i, c.Gauge)
		}
	}
	for i := range s.Load {
		if l := &s.Load[i]; l.CallerRuns || l.Leaves.After > 0 {
			p.Add(l.Line, "load[%d]: with nodes callers stay until they are answered; remove callerRuns and leaves, or nodes", i)
		}
	}
	if s.Core.RateMaxPerSecond > 0 {
		p.Add(1, "core.rateMaxPerSecond: calls are not limited with nodes; make it 0, and use cluster.rateMaxPerSecond")
	}
	if s.Core.SchedulerOff || s.Core.Backlog == Backlogs[1] || s.Core.BorrowedInputs {
		p.Add(1, "core: schedulerOff, backlog and borrowedInputs are of a single process; remove them, or nodes")
	}
	if s.Core.Journal.Enabled {
		p.Add(1, "core.journal: with nodes the engine keeps the facts; remove it")
	}
}
