package server

import (
	"fmt"
	"testing"
	"time"

	"simplane/core"
	"simplane/core/cluster"
	"simplane/server/harness/memengine"
	"simplane/server/internal/replica"
)

// trio are the nodes of a cluster over one engine in memory.
type trio struct {
	t     *testing.T
	hub   *memengine.Hub
	nodes []*fixture
	links []*memengine.Engine
}

// quickMoves has partitions move five times as fast as they do otherwise. A lease does not
// end in the time of a test, however slow the machine is.
func quickMoves(t *cluster.Timing) {
	for _, d := range []*time.Duration{&t.Renew, &t.Settle, &t.Again, &t.Tick} {
		*d /= 5
	}
	t.Stop, t.Gone = 10*hangGuard, 12*hangGuard
}

// shortLeases is for tests that wait for a lease to end. On a machine that is slow enough
// others end as well.
func shortLeases(cfg *Config) {
	cfg.onTiming = func(t *cluster.Timing) {
		quickMoves(t)
		t.Stop, t.Gone = 1500*ms, 2*time.Second
		t.Tick = 100 * ms // one that did not run for five of these excuses the others for as long
	}
}

// startCluster runs n nodes, and waits until they serve all partitions. Most tests that
// begin with it wait for leases: they run beside each other, when no other test does.
func startCluster(t *testing.T, n int, change ...func(*Config)) *trio {
	t.Helper()
	c := &trio{t: t, hub: memengine.New()}
	for i := range n {
		c.build(i, change...)
	}
	for _, f := range c.nodes {
		f.begin()
	}
	for _, f := range c.nodes {
		f.awaitReady()
	}
	c.settle()
	return c
}

func (c *trio) build(i int, change ...func(*Config)) *fixture {
	link := c.hub.Connect()
	f := build(c.t, append([]func(*Config){func(cfg *Config) {
		cfg.ClusterName = fmt.Sprint("n", i)
		cfg.PeerAddr = "127.0.0.1:0"
		cfg.onEngine = func(cluster.Member) (replica.Engine, error) { return link, nil }
		cfg.onTiming = quickMoves
	}}, change...)...)
	c.nodes, c.links = append(c.nodes, f), append(c.links, link)
	return f
}

// running are the places of the nodes that run.
func (c *trio) running() (list []int) {
	for i, f := range c.nodes {
		if f.served != nil {
			list = append(list, i)
		}
	}
	return list
}

// wished is the node that should have a partition.
func (c *trio) wished(p core.Partition) int {
	running := c.running()
	var members []cluster.Member
	for _, i := range running {
		members = append(members, c.nodes[i].s.member.self)
	}
	return running[cluster.Wished(p, members)]
}

// named is a function's name that begins as given, and whose partition node i should have.
func (c *trio) named(i int, prefix string) string {
	for n := 0; ; n++ {
		if name := fmt.Sprint(prefix, n); c.wished(core.PartitionOf(name)) == i {
			return name
		}
	}
}

// settle waits until every partition is open at the node that should have it, and every
// node knows that: as long as the same nodes run nothing moves then.
func (c *trio) settle() {
	c.t.Helper()
	running := c.running()
	c.nodes[running[0]].eventually("all partitions are open where they should be", func() bool {
		for id := range cluster.Partitions {
			p := core.Partition(id)
			owner := c.wished(p)
			for _, i := range running {
				has, known := c.nodes[i].s.member.Local(p) != nil, c.nodes[i].s.member.Owner(p)
				if i == owner && !has || i != owner && (has || known != c.nodes[owner].s.member.self.Peer) {
					return false
				}
			}
		}
		return true
	})
}

// owner is the node that owns a function's partition, another one that does not.
func (c *trio) owner(function string) (owner, other int) {
	c.t.Helper()
	return c.ownerOf(core.PartitionOf(function))
}

// ownerOf is the same of a partition. That may be on its way from one node to another, or
// be claimed anew by a node that was too slow to keep it: then it waits.
func (c *trio) ownerOf(p core.Partition) (owner, other int) {
	c.t.Helper()
	running := c.running()
	c.nodes[running[0]].eventually(fmt.Sprintf("somebody owns partition %d", p), func() bool {
		owner, other = -1, -1
		for _, i := range running {
			if c.nodes[i].s.member.Local(p) != nil {
				owner = i
			} else {
				other = i
			}
		}
		return owner >= 0
	})
	return owner, other
}

// stop has a node leave in order.
func (c *trio) stop(i int) {
	c.t.Helper()
	if err := c.nodes[i].shutdown(); err != nil {
		c.t.Errorf("node %d: %v\n%s", i, err, c.nodes[i].log)
	}
	c.nodes[i].served = nil
}
