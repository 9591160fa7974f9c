package core

// sweepBatch is how many records one shard lock is held for.
const sweepBatch = 128

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
	batch := make([]*execution, 0, sweepBatch)
	for i := range c.store.shards {
		for {
			batch = c.store.popDue(i, now.Wall, sweepBatch, batch[:0])
			for _, ex := range batch {
				c.expire(ex, now)
			}
			if len(batch) < sweepBatch {
				break
			}
		}
		for {
			evicted := c.keys.sweep(i, now.Wall, sweepBatch)
			if evicted > 0 {
				c.observe(Event{Kind: EventKeysEvicted, At: now, Count: evicted})
			}
			if evicted < sweepBatch {
				break
			}
		}
	}
	c.serve()
}

// expire takes ex one step on: payload dropped, evicted, or ended as stale.
// The record may have changed since it was due; each step looks again.
func (c *Core) expire(ex *execution, now Instant) {
	fn, ttl := ex.fn, c.store.ttl
	fn.mu.Lock()
	switch {
	case !ex.status.Terminal():
		if !ttl.isStale(ex.created, now.Wall) {
			fn.mu.Unlock()
			c.store.expireAt(ex, ex.created+ttl.stale)
			return
		}
		freed := c.endStale(fn, ex, now) // unlocks
		c.evict(ex, freed, now)
	case ttl.evictable(ex.finished, now.Wall):
		freed := ex.dropPayload()
		fn.mu.Unlock()
		c.evict(ex, freed, now)
	case !ex.cleaned && ttl.cleanable(ex.finished, now.Wall):
		freed, due := ex.dropPayload(), ex.finished+ttl.ttl
		fn.mu.Unlock()
		c.store.bytes.Add(-freed)
		c.event(EventCleaned, ex, now)
		c.store.expireAt(ex, due)
	default:
		due := ttl.firstStep(ex.finished)
		if ex.cleaned {
			due = ex.finished + ttl.ttl
		}
		fn.mu.Unlock()
		c.store.expireAt(ex, due)
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
	e := c.end(fn, ex, now)
	freed = ex.dropPayload()
	fn.mu.Unlock()
	c.tell(&e, now)
	if released {
		c.event(EventSlotReleased, ex, now)
	}
	if attemptEnded != nil {
		attemptEnded()
	}
	c.signal(fn) // served at the end of the sweep: what waits may be stale as well
	return freed
}

// evict takes ex out of the store and freed bytes off its account.
func (c *Core) evict(ex *execution, freed int64, now Instant) {
	c.store.bytes.Add(-freed)
	if c.store.remove(ex) {
		c.event(EventEvicted, ex, now)
	}
}

// expired says that ex is past its TTL though no sweep has met it yet. The
// caller holds the function's lock.
func (c *Core) expired(ex *execution, now Instant) bool {
	return ex.status.Terminal() && c.store.ttl.evictable(ex.finished, now.Wall)
}
