package sim

// Functions that have work and a free slot take turns: between two turns of one, each other that
// was ready all the time has one. Nothing stays ready while time passes, so only functions to
// which something has happened at this instant can be.

// mostTurns bounds how many functions are compared at a dispatch.
const mostTurns = 8

// takesTurn is told of a dispatch, before it counts.
func (c *checker) takesTurn(f *generation, rec *record) {
	c.turn++
	if len(c.touched) < 2 || len(c.touched) > mostTurns || c.cfg.SchedulerOff {
		f.turnAt = 0
		return
	}
	// What is started as it is accepted, or by drain-once, takes no turn.
	turn := c.drainOf != f && !(c.offer != 0 && rec.number == c.w.number)
	for _, other := range c.touched {
		switch {
		case other == f || other.deleted || other.queued == 0 || other.inFlight >= other.slots:
			other.readySince = 0
		case other.readySince == 0:
			other.readySince = c.turn
		case turn && f.turnAt > other.readySince:
			c.w.fail("functions take turns", "%s: execution #%d was dispatched, its second one while %s is ready and has no turn", f.name, rec.number, other.name)
		}
	}
	f.turnAt = 0
	if turn {
		f.turnAt = c.turn
	}
}
