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

// fastTiming has everything happen ten times as fast as it does otherwise.
func fastTiming(t *cluster.Timing) {
	for _, d := range []*time.Duration{&t.Renew, &t.Stop, &t.Gone, &t.Settle, &t.Again, &t.Tick} {
		*d /= 5
	}
}

// startCluster runs n nodes, and waits until they serve all partitions.
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
		cfg.onTiming = fastTiming
		cfg.ShutdownGrace = 10 * time.Second
	}}, change...)...)
	c.nodes, c.links = append(c.nodes, f), append(c.links, link)
	return f
}

// settle waits until every partition is open somewhere, and every node knows where.
func (c *trio) settle() {
	c.t.Helper()
	c.nodes[0].eventually("all partitions are open", func() bool {
		open := 0
		for _, f := range c.nodes {
			if f.served == nil {
				continue
			}
			for p := range cluster.Partitions {
				if f.s.member.Local(core.Partition(p)) != nil {
					open++
				} else if f.s.member.Owner(core.Partition(p)) == "" {
					return false
				}
			}
		}
		return open == cluster.Partitions
	})
}

// owner is the node that owns a function's partition, another one that does not.
func (c *trio) owner(function string) (owner, other int) {
	owner, other = -1, -1
	for i, f := range c.nodes {
		switch {
		case f.served == nil:
		case f.s.member.Local(core.PartitionOf(function)) != nil:
			owner = i
		default:
			other = i
		}
	}
	if owner < 0 {
		c.t.Fatalf("nobody owns %q", function)
	}
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
