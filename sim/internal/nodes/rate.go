package nodes

import (
	"time"

	"simplane/core"
	"simplane/core/cluster"
	"simplane/sim/internal/random"
)

// The global rate limit over nodes: the owner of ratePartition grants the others places
// of the windows to come, as the server's adapters have it. The load's calls are not
// limited; at each node places are taken for their own sake, as many a second as there
// are of all, and no window may have more of them than the limit.

// ratePartition is the partition whose owner grants.
const ratePartition core.Partition = 0

// ratePace is how often a process looks whether it needs more places.
const ratePace = 100 * time.Millisecond

// rates judges the limit.
type rates struct {
	c     *Cluster
	limit int64
	luck  random.Stream
	taken map[uint64]int64 // by window
}

// startRates begins to take places at each node.
func (c *Cluster) startRates() {
	limit := int64(c.sc.Cluster.RateMaxPerSecond)
	if limit == 0 {
		return
	}
	c.rates = &rates{c: c, limit: limit, luck: random.New(c.sc.Seed, "rate"), taken: map[uint64]int64{}}
	for _, n := range c.nodes {
		c.rates.next(n)
	}
}

// next takes a place at a node after a while, and goes on until the load has ended.
func (r *rates) next(n *node) {
	r.c.loop.AfterFunc(delay(&r.luck, int64(time.Second)/r.limit), func() {
		if r.c.loop.Now() > int64(r.c.sc.Duration) {
			return
		}
		r.next(n)
		if p := n.proc; p != nil && n.paused <= r.c.loop.Now() && p.leased() {
			r.take(p)
		}
	})
}

func (r *rates) take(p *process) {
	wall := p.node.clock.now().Wall
	if !p.limiter.Acquire(wall) {
		return
	}
	window := uint64(wall) / uint64(time.Second)
	r.taken[window]++
	if n, allowed := r.taken[window], r.c.watch.RateAllowed(window); n > allowed {
		r.c.watch.Fail("the rate over all nodes", "%d places of the second %d are taken, %d are allowed; the last one by %s", n, window, allowed, p.node.name)
	}
	delete(r.taken, window-600)
}

// beginRate gives a process its share of the limit to come.
func (p *process) beginRate() {
	if p.c.rates == nil {
		return
	}
	p.limiter = core.NewRateLimiter(p.config.Rate)
	p.limiter.Share()
	p.shareRate()
}

// second is the window of the process's clock.
func (p *process) second() uint64 { return uint64(p.node.clock.now().Wall) / uint64(time.Second) }

// grant begins granting at the owner of ratePartition; before is the record of the one
// that has granted until now.
func (p *process) grant(before cluster.Ownership) {
	if p.c.rates == nil {
		return
	}
	now, granted := p.second(), before.Granted
	if before.Fence == 0 { // nobody has
		granted = now - 1
	}
	p.granter, p.granted = cluster.NewGranter(now, granted), 0
	p.granter.SetLimit(p.config.Rate)
}

// endGrants ends granting.
func (p *process) endGrants() {
	if p.granter != nil {
		p.granter, p.granted = nil, p.granter.Highest()
	}
}

// shareRate keeps the process in places.
func (p *process) shareRate() {
	if p.dead {
		return
	}
	p.do(func() {
		limit, members, now := p.config.Rate, len(p.c.nodes), p.second()
		for _, second := range []uint64{now, now + 1} {
			granted := p.limiter.Granted(second)
			if want := cluster.Want(p.limiter.Used(now), p.limiter.Granted(now), limit, members, second > now); want > granted {
				p.askRate(second, want, members)
			}
		}
	})
	p.c.loop.AfterFunc(p.node.clock.after(ratePace), p.shareRate)
}

// askRate asks the owner of ratePartition for so many places, in all, of a window.
func (p *process) askRate(second uint64, want int64, members int) {
	if p.granter != nil && p.leased() {
		p.limiter.Grant(second, p.granter.Ask(p.self.Life, second, want, members, p.second()))
		return
	}
	to, _ := p.owner(ratePartition)
	if to < 0 || to == p.node.number {
		return
	}
	c, from := p.c, p.node.number
	c.net.send(from, to, func() {
		q := c.nodes[to].proc
		if q == nil {
			return
		}
		q.do(func() {
			if q.granter == nil || !q.leased() {
				return
			}
			n := q.granter.Ask(p.self.Life, second, want, members, q.second())
			c.net.send(to, from, func() { p.do(func() { p.limiter.Grant(second, n) }) })
		})
	})
}
