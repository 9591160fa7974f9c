package nodes

import (
	"time"

	"simplane/core"
	"simplane/sim/internal/world"
)

// call is a client's request at the node that has taken it.
type call struct {
	c       *Cluster
	number  int64
	ask     *world.Ask
	at      *process
	told    bool
	until   time.Duration // by the node's clock: it waits for an owner that long
	refused bool          // by a member that was taken for the owner
	runs    int           // times that it was carried out
}

// reply is an answer that a seat owes: to a client, or to the member that has passed
// the call on.
type reply struct {
	call  *call
	rests core.LSN
	waits bool
	ran   bool
	err   error // core's refusal
	woken *core.Snapshot
	told  bool
	to    func(err error, woken *core.Snapshot)
	lost  func() // the connection breaks
}

func (r *reply) tell(err error, woken *core.Snapshot) {
	if !r.told {
		r.told = true
		r.to(err, woken)
	}
}

func (r *reply) broken() {
	if !r.told {
		r.told = true
		if r.lost != nil {
			r.lost()
		}
	}
}

var errLost = world.ErrOwnerLost

const (
	holdTime = time.Second           // a request waits for an owner that long
	pollTime = 50 * time.Millisecond // and looks again after this
	dialTime = time.Second           // to find out that a member cannot be reached
)

// Ask implements world.Remote: a balancer gives the call to one of the nodes.
func (c *Cluster) Ask(a *world.Ask) {
	c.asked++
	c.asking++
	c.balance(&call{c: c, number: c.asked, ask: a}, 5)
}

// balance gives a call to a node. Where nobody listens nothing is sent, and another
// is tried.
func (c *Cluster) balance(k *call, tries int) {
	n := c.nodes[c.balancer.Below(len(c.nodes))]
	c.loop.AfterFunc(delay(&c.balancer, int64(c.sc.Cluster.Network)), func() {
		p := n.proc
		switch {
		case (p == nil || p.leaving) && tries > 0:
			c.balance(k, tries-1)
			return
		case p == nil:
			k.tell(world.ErrNoOwner, nil)
			return
		}
		k.at = p
		p.calls = append(p.calls, k)
		p.do(func() {
			k.until = p.now() + holdTime
			p.route(k)
		})
	})
}

// LookUp implements world.Remote.
func (c *Cluster) LookUp(id core.ID, done func(*core.Snapshot)) {
	var found *core.Snapshot
	c.Ask(&world.Ask{
		Partition: core.Partition(id[15]),
		Run: func(at *core.Core, _ func(core.Snapshot)) (core.LSN, bool, error) {
			if s, ok := at.Execution(id); ok {
				found = &s
			}
			return 0, false, nil
		},
		Done: func(err error, _ *core.Snapshot) {
			if err == nil {
				done(found)
			}
		},
	})
}

// tell tells the client what came of its call.
func (k *call) tell(err error, woken *core.Snapshot) {
	if k.told {
		return
	}
	k.told = true
	if p := k.at; p != nil && !p.dead {
		p.forget()
	}
	k.c.loop.AfterFunc(delay(&k.c.balancer, int64(k.c.sc.Cluster.Network)), func() {
		k.c.asking--
		k.ask.Done(err, woken)
	})
}

// forget drops calls and replies that are over, now and then.
func (p *process) forget() {
	if len(p.calls) < 64 && len(p.serving) < 64 && !p.leaving {
		return
	}
	var calls []*call
	for _, k := range p.calls {
		if !k.told {
			calls = append(calls, k)
		}
	}
	var serving []*reply
	for _, r := range p.serving {
		if !r.told {
			serving = append(serving, r)
		}
	}
	p.calls, p.serving = calls, serving
}

// here is the seat that serves a partition in this process; nil = none does.
func (p *process) here(at core.Partition) *Seat {
	if s := p.seats[at]; s != nil && s.state == seatOpen && s.Core != nil && p.leased() {
		return s
	}
	return nil
}

// route has a call answered here, or passes it on, or keeps it for a while.
func (p *process) route(k *call) {
	if k.told {
		return
	}
	if s := p.here(k.ask.Partition); s != nil {
		s.serve(&reply{call: k, to: k.tell})
		return
	}
	if owner, _ := p.owner(k.ask.Partition); owner >= 0 && (p.leased() || p.leaving) {
		p.pass(k, owner)
		return
	}
	p.later(k)
}

// later looks again for an owner, until the call has waited long enough.
func (p *process) later(k *call) {
	if p.now() >= k.until {
		k.tell(world.ErrNoOwner, nil)
		return
	}
	p.c.loop.AfterFunc(pollTime, func() { p.do(func() { p.route(k) }) })
}

// pass passes a call on to another member.
func (p *process) pass(k *call, to int) {
	c, from := p.c, p.node.number
	over := false
	back := func(f func()) { // an answer of the other one's
		c.net.send(to, from, func() {
			p.do(func() {
				if !over {
					over = true
					f()
				}
			})
		})
	}
	sent := c.net.send(from, to, func() {
		q := c.nodes[to].proc
		if q == nil { // nobody listens: nothing was sent
			back(func() { p.later(k) })
			return
		}
		r := &reply{
			call: k,
			to:   func(err error, woken *core.Snapshot) { back(func() { k.tell(err, woken) }) },
			lost: func() { back(func() { k.tell(errLost, nil) }) },
		}
		q.serving = append(q.serving, r)
		q.do(func() {
			q.take(r, q.now()+holdTime, func() {
				r.told = true
				back(func() { // it does not own the partition
					if k.refused {
						k.tell(world.ErrNoOwner, nil)
						return
					}
					k.refused = true
					p.later(k)
				})
			})
		})
	})
	if !sent && c.balancer.Hit(0.5) { // there was no connection, and there is none now
		c.loop.AfterFunc(dialTime, func() { p.do(func() { p.later(k) }) })
		return
	}
	c.loop.AfterFunc(c.longest, func() {
		p.do(func() {
			if !over {
				over = true
				k.tell(errLost, nil)
			}
		})
	})
}

// take carries out a call that another member has passed on. Nothing is passed on
// twice: unless this process has claimed the partition the call goes back.
func (p *process) take(r *reply, until time.Duration, refuse func()) {
	if r.told {
		return
	}
	if s := p.here(r.call.ask.Partition); s != nil {
		s.serve(r)
		return
	}
	if _, mine := p.owner(r.call.ask.Partition); !mine || p.now() >= until {
		refuse()
		return
	}
	p.c.loop.AfterFunc(pollTime, func() { p.do(func() { p.take(r, until, refuse) }) })
}
