package sim

import (
	"simplane/core"
	"simplane/sim/draws"
)

// clockJumps is told before a clock jump.
func (c *checker) clockJumps() {
	c.settled(false)
	c.jumps = true
	c.jump = c.w.loop.Now()
	c.live.cut()
	c.done.cut()
	c.dirty.cut()
	c.answered.cut()
	c.keysJump()
}

func (c *checker) cleaned(ev *core.Event, rec *record, slot int32) {
	w := c.w
	switch {
	case rec == nil:
		w.fail("retention", "execution %s was cleaned up, which is not stored", ev.ID)
		return
	case rec.state != stEnded || rec.cleaned:
		w.fail("retention", "execution #%d was cleaned up before its end or twice", rec.number)
		return
	case ev.At.Wall-rec.finished <= int64(c.cfg.CleanupTTL):
		c.makesRoom(ev, rec, slot)
	}
	c.dropPayload(rec, slot)
	c.dirty.remove(slot)
	c.look(rec)
}

// makesRoom checks a clean-up before its time: the payload of an answered sync
// call makes room for another call's, the oldest first.
func (c *checker) makesRoom(ev *core.Event, rec *record, slot int32) {
	w := c.w
	c.relieved = true
	switch {
	case !c.answered.has(slot):
		w.fail("nothing is cleaned up early", "execution #%d (sync %v) was cleaned up %d ns after its end", rec.number, rec.sync, ev.At.Wall-rec.finished)
	case c.offer == 0 || c.needed()+c.cfg.MaxPayloadBytes/reliefShare <= c.cfg.MaxPayloadBytes:
		w.fail("nothing is cleaned up early", "execution #%d was cleaned up %d ns after its end, with %d bytes needed of %d", rec.number, ev.At.Wall-rec.finished, c.needed(), c.cfg.MaxPayloadBytes)
	case c.needed()-c.answeredBytes > c.cfg.MaxPayloadBytes:
		w.fail("nothing is cleaned up early", "execution #%d was cleaned up in vain: without all answered calls %d bytes are needed of %d", rec.number, c.needed()-c.answeredBytes, c.cfg.MaxPayloadBytes)
	case !c.jumps:
		if first := &w.all[c.answered.segments[0].head]; first.finished < rec.finished {
			w.fail("the oldest payloads go first", "that of execution #%d went before that of #%d", rec.number, first.number)
		}
	}
}

// reliefShare is the part of the bound that is freed beyond what is needed.
const reliefShare = 64

// roomMade checks that as much was freed for the call being made as is to be, if there was so
// much.
func (c *checker) roomMade(held int64) {
	if c.relieved && c.answeredBytes > 0 && held+c.cfg.MaxPayloadBytes/reliefShare > c.cfg.MaxPayloadBytes {
		c.w.fail("room is made in advance", "%d bytes are held of %d, and answered calls have %d", held, c.cfg.MaxPayloadBytes, c.answeredBytes)
	}
}

// needed is how many bytes are held once the call being made is accepted.
func (c *checker) needed() int64 {
	n := c.payload + c.w.core.Gauges().KeyBytes + int64(len(c.brings)+contextBytes(c.with))
	if key := c.offer.Key(); key >= 0 {
		n += int64(len(draws.KeyName(key)))
	}
	return n
}

// answers notes that a sync execution has ended and holds no slot: its payload
// may make room for others.
func (c *checker) answers(rec *record, slot int32) {
	if rec.sync && !rec.cleaned {
		c.answered.push(slot)
		c.answeredBytes += rec.payload()
	}
}

// payload is what is counted of a record that has not been cleaned.
func (rec *record) payload() int64 { return int64(rec.request + rec.result + rec.attempts) }

func (c *checker) evicted(ev *core.Event, rec *record, slot int32) {
	w := c.w
	switch {
	case rec == nil:
		w.fail("retention", "execution %s was evicted, which is not stored", ev.ID)
		return
	case rec.state != stEnded:
		w.fail("retention", "execution #%d was evicted before its end", rec.number)
		return
	case ev.At.Wall-rec.finished <= int64(c.cfg.TTL):
		w.fail("nothing is evicted early", "execution #%d was evicted %d ns after its end", rec.number, ev.At.Wall-rec.finished)
	case rec.waiters > 0:
		w.fail("callers are answered", "execution #%d was evicted with %d callers waiting", rec.number, rec.waiters)
	}
	if !rec.cleaned {
		c.dropPayload(rec, slot)
	}
	c.done.remove(slot)
	c.dirty.remove(slot)
	c.stored--
	c.look(rec)
}

// forgetInput counts the input of one that ended before it started, or started
// again, because nobody wants it.
func (c *checker) forgetInput(rec *record, slot int32) {
	s := &c.sayings[slot]
	s.unwanted = true
	n := int32(len(s.input) + len(s.with.Metadata)) // ids and keys stay
	rec.request -= n
	c.payload -= int64(n)
}

func (c *checker) dropPayload(rec *record, slot int32) {
	c.payload -= rec.payload()
	if c.answered.has(slot) {
		c.answered.remove(slot)
		c.answeredBytes -= rec.payload()
	}
}

// retained checks that nothing has outlived its time by more than one sweep.
func (c *checker) retained() {
	ttl, cleanup, stale := int64(c.cfg.TTL), int64(c.cfg.CleanupTTL), int64(c.cfg.StaleTTL)
	for _, s := range c.done.segments {
		if s.head >= 0 {
			c.notOverdue("evicted", s.head, c.w.all[s.head].finished, ttl)
		}
	}
	for _, s := range c.dirty.segments {
		if s.head >= 0 && cleanup < ttl {
			c.notOverdue("cleaned up", s.head, c.w.all[s.head].finished, cleanup)
		}
	}
	for _, s := range c.live.segments {
		if s.head >= 0 {
			c.notOverdue("ended as stale", s.head, c.w.all[s.head].moved, stale)
		}
	}
}

func (c *checker) notOverdue(what string, slot int32, since, limit int64) {
	if over := c.overdue(since, limit); over > int64(c.cfg.SweepInterval) {
		c.w.fail("nothing outlives its TTL by more than a sweep", "execution #%d should have been %s %d ns ago", c.w.all[slot].number, what, over)
	}
}

// overdue is for how long the wall clock has read more than limit past since.
// What a jump of the clock made overdue has been so since the jump.
func (c *checker) overdue(since, limit int64) int64 {
	over := c.w.clock.Wall() - since - limit
	if over > 0 && c.jumps {
		over = min(over, c.w.loop.Now()-c.jump)
	}
	return over
}
