package nodes

import (
	"errors"
	"time"

	"simplane/core"
	"simplane/sim/internal/world"
)

// An attempt whose partition changes hands while it runs ends where it runs. Its process
// tells the owner of the outcome until that is stored or cannot count, as the server does.

// How long the owner is told, beside the attempt's time, how long its answer is waited
// for, and how soon it is told again.
const (
	tellGrace = time.Minute
	tellTime  = 6 * time.Second
	tellPace  = 100 * time.Millisecond
)

// waitForTold is how long an owner waits, after an attempt's time, to be told of its
// outcome by the one before that has given the partition up in order.
const waitForTold = 5 * time.Second

// outcome is one that is to be told.
type outcome struct {
	p     *process
	task  core.Task
	is    core.Outcome
	until time.Duration // by the node's clock
}

// tellOutcome tells the owner of a partition, which was this process's.
func (p *process) tellOutcome(t core.Task, o core.Outcome) {
	p.telling++
	(&outcome{p, t, o, p.now() + t.Timeout + tellGrace}).tell()
}

func (o *outcome) tell() {
	p, at := o.p, core.Partition(o.task.ID[15])
	if p.now() >= o.until {
		p.telling--
		return
	}
	over := false
	back := func(stored bool) { // of this try
		switch {
		case over:
		case stored:
			over = true
			p.telling--
		default:
			over = true
			p.c.loop.AfterFunc(p.node.clock.after(tellPace), func() { p.do(o.tell) })
		}
	}
	if s := p.here(at); s != nil {
		s.hear(o, back)
		return
	}
	to, _ := p.owner(at)
	if to < 0 {
		back(false)
		return
	}
	c, from := p.c, p.node.number
	arrives := func() {
		answer := func(stored bool) { c.net.send(to, from, func() { p.do(func() { back(stored) }) }) }
		q := c.nodes[to].proc
		if q == nil { // nobody listens
			answer(false)
			return
		}
		q.do(func() {
			if s := q.here(at); s != nil {
				s.hear(o, answer)
				return
			}
			answer(false)
		})
	}
	c.net.send(from, to, arrives)
	if p.c.luck.Hit(repeated) {
		c.net.send(from, to, arrives)
	}
	c.loop.AfterFunc(p.node.clock.after(tellTime), func() { p.do(func() { back(false) }) })
}

// repeated is the share of outcomes that arrive twice, the second time perhaps late.
const repeated = 0.1

// hear takes the outcome of an attempt that an earlier owner has dispatched, and says
// whether it need not be told again.
func (s *Seat) hear(o *outcome, stored func(bool)) {
	id, attempt, w := o.task.ID, o.task.Attempt, s.proc.c.watch
	w.Hearing(s, id, attempt, o.is)
	at, err := s.Core.AttemptEnded(id, attempt, o.is)
	w.Heard(s, id, attempt, err)
	if err != nil || at == 0 {
		stored(err == nil || errors.Is(err, core.ErrExecutionGone))
		return
	}
	s.owe(&reply{rests: at, ran: true, to: func(err error, _ *core.Snapshot) { stored(err == nil) }})
	s.answer()
}

// owe has an answer given once its fact is durable, or in time that it is not.
func (s *Seat) owe(r *reply) {
	s.owed = append(s.owed, r)
	if r.rests <= s.Log.Durable() {
		return
	}
	s.proc.c.loop.AfterFunc(s.proc.node.clock.after(s.proc.c.sc.Core.Journal.Timeout), func() {
		s.do(func() {
			if !r.told && r.rests > s.Log.Durable() {
				s.tell(r, world.ErrUnavailable)
				s.tidy()
			}
		})
	})
}

// Answer implements world.Dispatched.
func (s *Seat) Answer(t core.Task, o core.Outcome) {
	p := s.proc
	p.c.watch.Replied(s, t, o)
	p.do(func() {
		if s.Counts() {
			t.Complete(o)
		}
		if t.Durable && s.Log.Gone() {
			p.tellOutcome(t, o)
		}
		s.tidy()
	})
}
