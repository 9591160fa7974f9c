package nodes

import (
	"encoding/json"
	"errors"
	"time"

	"simplane/core"
	"simplane/sim/internal/world"
)

// The runtime configuration over nodes, as the server's adapters have it: the owner of
// ConfigPartition changes it, for somebody who has seen the revision before. A change is in
// force there once it is stored, before anybody is told so; the other nodes follow what is
// announced then. The next owner begins with what is stored.

// ConfigPartition is the partition whose owner has the configuration.
const ConfigPartition core.Partition = 0

// Configuration is a revision of it, from 1.
type Configuration struct{ Revision, Rate int64 }

// DecodeConfiguration reads a stored one.
func DecodeConfiguration(stored []byte) (c Configuration, err error) {
	err = json.Unmarshal(stored, &c)
	return c, err
}

// firstConfiguration is that which nodes are started with.
func (c *Cluster) firstConfiguration() Configuration {
	return Configuration{1, int64(c.sc.Cluster.RateMaxPerSecond)}
}

// kept is what an owner has of the configuration.
type kept struct {
	newest  Configuration // stored or not
	at      core.LSN      // its fact; 0 = of an owner before
	inForce core.LSN      // of the newest that was put in force
}

// Refusals of a change.
var (
	errRevision = errors.New("the configuration is at another revision")
	errUnstored = errors.New("the configuration is not stored yet")
)

// configure makes a change for somebody who has seen a revision. It rests on one that is
// durable.
func (s *Seat) configure(seen, rate int64) (core.LSN, error) {
	k := &s.config
	if k.at > s.Log.Durable() {
		return 0, errUnstored
	}
	if seen != k.newest.Revision {
		return 0, errRevision
	}
	k.newest = Configuration{seen + 1, rate}
	stored, err := json.Marshal(k.newest)
	if err != nil {
		panic(err) // of numbers
	}
	k.at = s.Core.SaveConfig(stored)
	return k.at, nil
}

// restoreConfiguration has an owner begin with what is stored; nil = nothing is.
func (s *Seat) restoreConfiguration(stored []byte) error {
	s.config.newest = s.proc.c.firstConfiguration()
	if stored == nil {
		return nil
	}
	var err error
	s.config.newest, err = DecodeConfiguration(stored)
	return err
}

// putInForce puts the newest configuration in force once it is durable, and has the others
// told.
func (s *Seat) putInForce(durable core.LSN) {
	if k := &s.config; k.at > k.inForce && k.at <= durable {
		k.inForce = k.at
		s.proc.announce(k.newest)
	}
}

// follow puts a configuration in force, unless it is not newer than that in force.
func (p *process) follow(c Configuration) {
	if c.Revision <= p.config.Revision {
		return
	}
	p.config = c
	p.c.watch.InForce(p.self, c)
	if p.limiter != nil {
		p.limiter.SetLimit(c.Rate)
	}
	if p.granter != nil {
		p.granter.SetLimit(c.Rate)
	}
}

// announce does so, and has the engine tell it to all.
func (p *process) announce(c Configuration) {
	p.follow(c)
	if c.Revision > p.news.Revision {
		p.news = c
	}
	p.tellNews()
}

// tellNews has the engine keep what is to be told, again until it does.
func (p *process) tellNews() {
	if p.announcing || p.news.Revision == 0 {
		return
	}
	p.announcing = true
	news := p.news
	p.call(func() error { p.c.engine.announce(news); return nil }, func(err error) {
		p.announcing = false
		switch {
		case err != nil:
			p.c.loop.AfterFunc(p.node.clock.after(p.c.timing.Again), func() { p.do(p.tellNews) })
			return
		case p.news == news:
			p.news = Configuration{}
		}
		p.tellNews()
	})
}

// announce keeps the configuration with the highest revision.
func (e *engine) announce(c Configuration) {
	if c.Revision <= e.config.Revision {
		return
	}
	e.config = c
	e.tell(func(p *process) { p.follow(c) })
}

// configureAgain is the time after which an operator tries again.
const configureAgain = 300 * time.Millisecond

// Configure implements world.Remote: an operator looks, and makes a change of what was seen,
// both at any node, until its outcome is known to be good.
func (c *Cluster) Configure(rate int64) {
	c.configuring++
	if c.Closed(ConfigPartition) {
		c.configuring--
		return
	}
	again := func() {
		c.loop.AfterFunc(configureAgain, func() {
			c.configuring--
			c.Configure(rate)
		})
	}
	var seen Configuration
	asked := c.loop.Now()
	c.Ask(&world.Ask{
		Partition: ConfigPartition,
		Run: func(at *core.Core, _ func(core.Snapshot)) (core.LSN, bool, error) {
			seen = c.seatOf(at).config.newest
			return at.SettingsAt(), false, nil
		},
		Done: func(err error, _ *core.Snapshot) {
			if err != nil {
				again()
				return
			}
			c.watch.Shown(asked, seen)
			c.change(seen.Revision, rate, again)
		},
	})
}

// change makes a change of a revision that was seen.
func (c *Cluster) change(seen, rate int64, again func()) {
	c.Ask(&world.Ask{
		Partition: ConfigPartition,
		Run: func(at *core.Core, _ func(core.Snapshot)) (core.LSN, bool, error) {
			rests, err := c.seatOf(at).configure(seen, rate)
			return rests, false, err
		},
		Done: func(err error, _ *core.Snapshot) {
			if err != nil {
				again()
				return
			}
			c.watch.Acknowledged(Configuration{seen + 1, rate})
			c.configuring--
		},
	})
}

// seatOf is the seat of ConfigPartition with a core.
func (c *Cluster) seatOf(at *core.Core) *Seat {
	for _, n := range c.nodes {
		if p := n.proc; p != nil && p.seats[ConfigPartition] != nil && p.seats[ConfigPartition].Core == at {
			return p.seats[ConfigPartition]
		}
	}
	panic("a core without a seat is asked")
}

// Follows is the first process, of those that run and that reach the engine, that has not
// the newest configuration in force; "" = all have.
func (c *Cluster) Follows() (behind string) {
	newest := c.engine.config
	if s := c.Owner(ConfigPartition); s != nil && s.config.newest.Revision > max(newest.Revision, 1) {
		newest = s.config.newest
	}
	for _, n := range c.nodes {
		if p := n.proc; p != nil && p.config.Revision < newest.Revision {
			return p.self.Life
		}
	}
	return ""
}
