package sim

import "simplane/core"

// probes are look-ups at the very nanosecond when an execution's age equals a
// limit, when it must still be kept, and at the next one, when it must not be.
// Executions end in order of time and limits are constant, so the queue of each
// limit is in order of time.
type probes struct {
	limit int64
	queue []probe
	first int
}

type probe struct {
	at int64 // virtual ns
	id core.ID
}

func (p *probes) add(now int64, id core.ID) {
	if p.first > len(p.queue)/2 && p.first > 64 {
		p.queue = append(p.queue[:0], p.queue[p.first:]...)
		p.first = 0
	}
	p.queue = append(p.queue, probe{now + p.limit, id})
}

// probeUntil looks at everything due before a virtual time, with the clock at
// that time: core is only read, and no event happens.
func (c *checker) probeUntil(to int64) {
	if len(c.letterQueue) > 0 {
		c.probeLetters(to)
	}
	for i := range c.probes {
		p := &c.probes[i]
		for p.first < len(p.queue) && p.queue[p.first].at < to {
			next := p.queue[p.first]
			p.first++
			for _, at := range []int64{next.at, next.at + 1} {
				if at >= c.w.loop.Now() && at < to {
					c.at(at, next.id)
				}
			}
		}
	}
}

// letterProbe is a look at a dead letter at the very nanosecond when it is as old as its TTL, and
// at the next one.
type letterProbe struct {
	at int64 // virtual ns
	of *function
	id core.ID
}

// probeLetters looks at the letters that are due before a virtual time. After a jump of the
// clock it is not known when they are.
func (c *checker) probeLetters(to int64) {
	for len(c.letterQueue) > 0 && c.letterQueue[0].at < to {
		p := c.letterQueue[0]
		for c.letterQueue = c.letterQueue[1:]; len(c.letterQueue) > 0 && c.letterQueue[0].at == p.at; {
			c.letterQueue = c.letterQueue[1:] // one of those of a time: asked a nanosecond later, core forgets all
		}
		for _, at := range []int64{p.at, p.at + 1} {
			if at < c.w.loop.Now() || at >= to || c.jumps || p.of.letters.find(p.id) < 0 {
				continue
			}
			c.w.loop.Look(at, func() {
				if _, err := c.w.core.DeadLetter(p.of.name, p.id); (err == nil) != (at == p.at) {
					c.w.fail("dead letters", "%s: the letter of execution %s, %d ns past its TTL: %v", p.of.name, p.id, at-p.at, err)
				}
			})
		}
	}
}

// at compares an execution at a virtual time between two events.
func (c *checker) at(at int64, id core.ID) {
	c.w.loop.Look(at, func() { c.compare(id) })
}
