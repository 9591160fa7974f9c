package core

// armSweep starts the sweep timer unless it runs. With nothing stored there is
// no timer: an idle core does no work.
func (c *Core) armSweep() {
	if c.sweepArmed.Load() || !c.sweepArmed.CompareAndSwap(false, true) {
		return
	}
	c.clock.AfterFunc(c.cfg.SweepInterval, func() {
		c.Sweep()
		c.sweepArmed.Store(false)
		if c.store.count.Load() > 0 || c.keys.Len() > 0 {
			c.armSweep()
		}
	})
}

// Sweep cleans up, evicts and force-ends what is past its retention, in
// batches. Core calls it every Config.SweepInterval while anything is stored.
func (c *Core) Sweep() {
	now := c.clock.Now()
	var batch []appointment[execution]
	for i := range c.store.shards {
		for more := true; more; {
			batch, more = c.store.popDue(i, now.Wall, batch[:0])
			for _, a := range batch {
				c.expire(a.item, a.due, now)
			}
		}
		for more := true; more; {
			var evicted int
			if evicted, more = c.keys.sweep(i, now.Wall); evicted > 0 {
				c.observe(Event{Kind: EventKeysEvicted, At: now, Count: evicted})
			}
		}
	}
	c.serve()
}

// expire takes ex one step on: payload dropped, evicted, or ended as stale. It
// answers the look that was set for due; one that was set for another time
// since is still to come.
func (c *Core) expire(ex *execution, due int64, now Instant) {
	fn, ttl := ex.fn, c.store.ttl
	fn.mu.Lock()
	switch {
	case ex.evicted || ex.lookAt != due:
		fn.mu.Unlock()
	case !ex.status.Terminal():
		if !ttl.isStale(ex.created, now.Wall) {
			c.store.lookAt(ex, ttl.nextLook(ex.created, now.Wall))
			fn.mu.Unlock()
			return
		}
		c.evict(ex, c.endStale(fn, ex, now), now) // unlocks
	case ttl.evictable(ex.finished, now.Wall):
		ex.evicted = true
		freed := ex.dropPayload()
		fn.mu.Unlock()
		c.evict(ex, freed, now)
	case !ex.cleaned && ttl.cleanable(ex.finished, now.Wall):
		freed := ex.dropPayload()
		c.store.lookAt(ex, ex.finished+ttl.ttl)
		fn.mu.Unlock()
		c.store.bytes.Add(-freed)
		c.event(EventCleaned, ex, now)
	default:
		next := ttl.firstStep(ex.finished)
		if ex.cleaned {
			next = ex.finished + ttl.ttl
		}
		c.store.lookAt(ex, next)
		fn.mu.Unlock()
	}
}

// endStale force-ends an execution that never ended by itself: its slot is
// freed and its waiter woken before it goes. The caller holds fn.mu, which is
// unlocked here. It returns the payload bytes that this frees.
func (c *Core) endStale(fn *Function, ex *execution, now Instant) (freed int64) {
	if ex.status == Queued {
		fn.unqueue(ex)
	}
	released, attemptEnded := fn.releaseSlot(ex)
	ex.markTimeout(&ExecError{Code: CodeStale, Message: "not finished within staleTtl of its creation"}, now)
	var e ending
	c.end(&e, fn, ex, now)
	ex.evicted = true
	freed = ex.dropPayload()
	fn.mu.Unlock()
	c.tell(&e, now)
	c.slotReleased(ex, released, attemptEnded, now)
	c.signal(fn) // served at the end of the sweep: what waits may be stale as well
	return freed
}

// evict takes ex, which the caller has marked evicted, out of the store and
// freed bytes off its account.
func (c *Core) evict(ex *execution, freed int64, now Instant) {
	c.store.bytes.Add(-freed)
	c.store.remove(ex)
	c.event(EventEvicted, ex, now)
}

// expired says that ex is past its TTL though no sweep has met it yet. The
// caller holds the function's lock.
func (c *Core) expired(ex *execution, now Instant) bool {
	return ex.status.Terminal() && c.store.ttl.evictable(ex.finished, now.Wall)
}
