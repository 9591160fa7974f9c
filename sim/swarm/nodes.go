package swarm

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"simplane/core"
	"simplane/sim/scenario"
)

// maxNodeArrivals bounds the calls of a scenario with several nodes: each costs
// messages.
const maxNodeArrivals = 3000

// GenerateNodes makes the scenario of a seed with several control planes.
func GenerateNodes(seed uint64, duration time.Duration) *scenario.Scenario {
	g := &generator{r: rand.New(rand.NewPCG(seed, 0x6e6f_6465_73)), duration: duration}
	sc := scenario.New()
	sc.Name = fmt.Sprintf("swarm-nodes-%d", seed)
	sc.Seed = seed
	sc.Duration = duration
	sc.Nodes = 2 + g.r.IntN(scenario.MaxNodes-1)
	c := &sc.Core
	g.core(c)
	c.RateMaxPerSecond, c.MaxPayloadBytes = 0, scenario.New().Core.MaxPayloadBytes
	c.StaleTTL = max(c.StaleTTL, 20*time.Second)
	if g.chance(0.5) {
		c.Journal.Timeout = g.between(50*time.Millisecond, 5*time.Second)
	}
	sc.Cluster = scenario.Cluster{
		Network: g.between(50*time.Microsecond, 20*time.Millisecond), Engine: g.between(100*time.Microsecond, 50*time.Millisecond),
		ClockOffset: g.between(0, 400*time.Millisecond), ClockDrift: g.r.IntN(500),
	}
	for i := range 1 + g.r.IntN(4) {
		f := g.function(fmt.Sprintf("f%d", i+1))
		f.TimeoutMillis = 50 + g.r.IntN(3000)
		if g.chance(0.15) {
			f.Durability = string(core.DurabilityMemory)
		}
		sc.Functions = append(sc.Functions, f)
	}
	budget := float64(maxNodeArrivals)
	for range 1 + g.r.IntN(2*len(sc.Functions)) {
		sc.Load = append(sc.Load, g.load(&sc, &budget))
	}
	for range g.r.IntN(4) {
		if f := g.fault(&sc); f.Kind != "clock-jump" {
			sc.Faults = append(sc.Faults, f)
		}
	}
	for range g.r.IntN(3) {
		sc.Faults = append(sc.Faults, g.update(&sc))
	}
	for range 1 + g.r.IntN(8) {
		sc.Faults = append(sc.Faults, g.nodeFault(&sc))
	}
	if g.chance(0.25) {
		lost := scenario.Fault{At: g.between(duration/10, duration), Kind: "log-fault", Does: scenario.LogLoses, Function: sc.Functions[0].Name}
		sc.Faults = append(sc.Faults, lost)
		for i := range sc.Nodes { // the partition changes hands, whoever owns it
			sc.Faults = append(sc.Faults, scenario.Fault{At: lost.At + 100*time.Millisecond, Kind: "kill-node", Node: i + 1, For: time.Second})
		}
	}
	// What came to be drawn later comes last, so that the other draws stay as they are.
	if g.chance(0.5) {
		sc.Cluster.RateMaxPerSecond = 1 + g.r.IntN(40)
	}
	if g.chance(0.15) {
		sc.Faults = append(sc.Faults, g.lateAndCut(&sc)...)
	}
	if g.chance(0.3) {
		sc.Faults = append(sc.Faults, g.shortKills(&sc)...)
	}
	if g.chance(0.15) {
		sc.Faults = append(sc.Faults, g.outlasted(&sc))
	}
	g.nodeOperations(&sc)
	if g.chance(0.4) {
		sc.Faults = append(sc.Faults, g.configurations(&sc)...)
	}
	return &sc
}

// configurations are changes of the configuration, some of them at once, and nodes that end
// or leave soon after one: perhaps the one that has made it.
func (g *generator) configurations(sc *scenario.Scenario) (all []scenario.Fault) {
	for range 1 + g.r.IntN(6) {
		f := scenario.Fault{At: g.between(0, g.duration), Kind: "set-rate", Rate: new(int64(1 + g.r.IntN(60)))}
		if n := len(all); n > 0 && g.chance(0.4) {
			f.At = all[n-1].At
		}
		all = append(all, f)
		if g.chance(0.5) {
			all = append(all, scenario.Fault{
				At: f.At + g.between(0, 200*time.Millisecond), Kind: []string{"kill-node", "leave-node"}[g.r.IntN(2)], Node: 1 + g.r.IntN(sc.Nodes), For: g.between(10*time.Millisecond, 8*time.Second),
			})
		}
	}
	return all
}

// nodeOperations gives a scenario what operators and callbacks do at any node.
func (g *generator) nodeOperations(sc *scenario.Scenario) {
	for _, mode := range []string{"complete", "cancel", "redrive"} {
		if g.chance(0.3) {
			sc.Load = append(sc.Load, g.operator(sc, mode))
		}
	}
	if g.chance(0.3) {
		sc.Faults = append(sc.Faults, scenario.Fault{At: g.between(g.duration/2, g.duration), Kind: "purge", Function: sc.Functions[g.r.IntN(len(sc.Functions))].Name})
	}
}

// lateAndCut is a node whose renewals are soon in the engine and whose answers come late,
// and which is cut off then: what it may still do counts from when it asked.
func (g *generator) lateAndCut(sc *scenario.Scenario) []scenario.Fault {
	late := scenario.Fault{
		At: g.between(g.duration/10, g.duration), Kind: "partition", Node: 1 + g.r.IntN(sc.Nodes), Peer: scenario.PeerEngine,
		Direction: scenario.ToNode, Delay: g.between(time.Second, 3*time.Second), For: g.between(4*time.Second, 12*time.Second),
	}
	cut := scenario.Fault{
		At: late.At + g.between(late.For/2, late.For), Kind: "partition", Node: late.Node, Peer: scenario.PeerEngine,
		Direction: scenario.FromNode, For: g.between(6*time.Second, 12*time.Second),
	}
	return []scenario.Fault{late, cut}
}

// shortKills are processes that end while they serve others, and are soon there again.
func (g *generator) shortKills(sc *scenario.Scenario) (all []scenario.Fault) {
	for range 1 + g.r.IntN(6) {
		all = append(all, scenario.Fault{At: g.between(0, g.duration), Kind: "kill-node", Node: 1 + g.r.IntN(sc.Nodes), For: g.between(time.Millisecond, 500*time.Millisecond)})
	}
	return all
}

// outlasted is a node that is gone, or cut off from the engine, for so long that the
// others take over, after everything else.
func (g *generator) outlasted(sc *scenario.Scenario) scenario.Fault {
	f := scenario.Fault{At: g.duration, Kind: "kill-node", Node: 1 + g.r.IntN(sc.Nodes), For: g.between(26*time.Second, 40*time.Second)}
	for i := range sc.Faults {
		f.At = max(f.At, sc.Faults[i].At+sc.Faults[i].For+time.Second)
	}
	if g.chance(0.5) {
		f.Kind, f.Peer = "partition", []string{scenario.PeerEngine, scenario.PeerAll}[g.r.IntN(2)]
	}
	return f
}

// nodeFault is something that goes wrong with nodes, their network or their engine.
// Much lasts about as long as a lease.
func (g *generator) nodeFault(sc *scenario.Scenario) scenario.Fault {
	f := scenario.Fault{At: g.between(0, g.duration), For: g.between(10*time.Millisecond, 12*time.Second), Node: 1 + g.r.IntN(sc.Nodes)}
	switch g.r.IntN(5) {
	case 0:
		f.Kind = "kill-node"
	case 1:
		f.Kind = "leave-node"
	case 2:
		f.Kind = "pause-node"
	case 3:
		f.Kind = "partition"
		f.Peer = []string{scenario.PeerEngine, scenario.PeerAll, strconv.Itoa(1 + g.r.IntN(sc.Nodes))}[g.r.IntN(3)]
		f.Direction = []string{"", scenario.FromNode, scenario.ToNode}[g.r.IntN(3)]
		if g.chance(0.3) {
			f.Share = float64(1+g.r.IntN(9)) / 10
		}
	case 4:
		f.Kind = "log-fault"
		switch g.r.IntN(5) {
		case 0:
			f.Does, f.Factor, f.Node = scenario.LogSlow, float64(2+g.r.IntN(200)), 0
		case 1:
			f.Does, f.Share, f.Node = scenario.LogDeaf, float64(1+g.r.IntN(10))/10, 0
		case 2:
			f.Does, f.Share, f.Node = scenario.LogRepeats, float64(1+g.r.IntN(10))/10, 0
		case 3:
			f.Does, f.Node = scenario.LogPauses, 0
		case 4:
			f.Does = scenario.LogStale
		}
	}
	return f
}
