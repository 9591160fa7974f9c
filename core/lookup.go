package core

// Execution returns a consistent copy of an execution; false when the id is
// unknown or past its TTL.
func (c *Core) Execution(id ID) (Snapshot, bool) {
	d, ok := c.Details(id)
	return d.Snapshot, ok
}

// Details is an execution with what its caller has sent. The byte slices are
// shared and must not be changed.
type Details struct {
	Snapshot
	Input, Metadata []byte // nil after cleanup, and where nobody wanted the work before it began
}

// Details is Execution with input and metadata.
func (c *Core) Details(id ID) (Details, bool) {
	ex := c.store.get(id)
	if ex == nil {
		return Details{}, false
	}
	now := c.clock.Now()
	ex.fn.mu.Lock()
	defer ex.fn.mu.Unlock()
	if c.expired(ex, now) {
		return Details{}, false
	}
	d := Details{Snapshot: c.visible(ex, now, c.endHeld(ex))}
	if !d.CleanedUp {
		d.Input = ex.input
		if ex.more != nil {
			d.Metadata = ex.more.metadata
		}
	}
	return d, true
}

// visible is what a reader sees of ex: no end that is held. The caller holds the function's lock.
func (c *Core) visible(ex *execution, now Instant, endHeld bool) (s Snapshot) {
	ex.copyTo(&s)
	if endHeld {
		s.hideEnd()
		return s
	}
	if s.Status.Terminal() && c.store.ttl.cleanable(ex.finished, now.Wall) {
		// Due for cleanup, though no sweep has met it yet.
		s.Output, s.Err, s.CleanedUp = nil, s.Err.cleaned(), true
		s.Idempotency, s.TraceID, s.Attempts = "", "", nil
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
	c.take(ex.fn, &input{kind: StepForget, now: c.clock.Now(), ex: ex, waiter: w})
}
