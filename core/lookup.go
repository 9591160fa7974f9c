package core

// Execution returns a consistent copy of an execution; false when the id is
// unknown or past its TTL.
func (c *Core) Execution(id ID) (Snapshot, bool) {
	ex := c.store.get(id)
	if ex == nil {
		return Snapshot{}, false
	}
	now := c.clock.Now()
	ex.fn.mu.Lock()
	defer ex.fn.mu.Unlock()
	if c.expired(ex, now) {
		return Snapshot{}, false
	}
	return c.visible(ex, now), true
}

// visible is what a reader sees of ex: an end only once it is durable, where ex
// is. The caller holds the function's lock.
func (c *Core) visible(ex *execution, now Instant) (s Snapshot) {
	ex.copyTo(&s)
	if c.endHeld(ex) {
		s.hideEnd()
		return s
	}
	if s.Status.Terminal() && c.store.ttl.cleanable(ex.finished, now.Wall) {
		// Due for cleanup, though no sweep has met it yet.
		s.Output, s.Err, s.CleanedUp = nil, s.Err.cleaned(), true
		s.Idempotency, s.TraceID = "", ""
	}
	return s
}

// Forget makes sure that w is not woken for the execution any more, unless
// that is happening already.
func (c *Core) Forget(id ID, w Waiter) {
	ex := c.store.get(id)
	if ex == nil {
		return
	}
	c.take(ex.fn, &input{kind: stepForget, now: c.clock.Now(), ex: ex, waiter: w})
}
