package nodes

import (
	"time"

	"simplane/core"
	"simplane/sim/scenario"
)

// takeoverTime is long enough for the others to take over what a node owned that has
// died or cannot renew its record: the lease, a pause, and all claims with an engine
// that is slow now and then.
const takeoverTime = 25 * time.Second

// takenOver checks that the others own what a node did that was gone, when nothing else
// was wrong meanwhile.
func (c *Cluster) takenOver(n *node, f *scenario.Fault) {
	if !f.Silences() || c.failing > 1 || c.loop.Now()-c.changed < int64(takeoverTime) {
		return
	}
	for p := range c.active {
		at := core.Partition(p)
		if !c.active[p] || c.Closed(at) {
			continue
		}
		if o := &c.engine.parts[p].owner; o.Fence == 0 || o.Free || o.Name == n.name {
			c.watch.Fail("what a dead node owned is taken over", "%s has been gone for %v, and nobody has taken partition %d over (record %d, of %s)",
				n.name, time.Duration(c.loop.Now()-c.changed), p, o.Fence, o.Life)
		}
	}
}
