package core

// armSweep starts the sweep timer unless it runs. With nothing stored there is
// no timer: an idle core does no work.
func (c *Core) armSweep(now Instant) {
	if c.sweepArmed.Load() || !c.sweepArmed.CompareAndSwap(false, true) {
		return
	}
	c.sweepBegan.Store(now.Mono)
	c.clock.AfterFunc(c.cfg.SweepInterval, func() {
		c.Sweep()
		c.sweepArmed.Store(false)
		if c.store.count.Load() > 0 || c.keys.Len() > 0 {
			c.armSweep(c.clock.Now())
		}
	})
}

// Sweep cleans up, evicts and force-ends what is past its retention, in
// batches. Core calls it every Config.SweepInterval while anything is stored.
func (c *Core) Sweep() {
	now := c.clock.Now()
	c.sweepBegan.Store(now.Mono)
	var s sweeper
	for i := range c.store.shards {
		for c.sweepBucket(&s, i, now) {
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

// sweepPatience is how many sweep intervals a sweep may take before those who
// submit help with it.
const sweepPatience = 8

// helpSweep has the submitter of execution id clear one bucket of its shard
// when the sweep is late: with all cores busy submitting it gets too small a
// share of them, and the store would fill up. A sweep that is in time never
// needs help, so nothing depends on who makes it.
func (c *Core) helpSweep(id ID, now Instant) {
	if now.Mono-c.sweepBegan.Load() > sweepPatience*int64(c.cfg.SweepInterval) && c.sweepArmed.Load() {
		var s sweeper
		c.sweepBucket(&s, c.store.shardIndex(id), now)
	}
}

// sweeper is a sweep's memory, used again for each bucket.
type sweeper struct {
	due  []appointment[execution]
	work expiry
}

// sweepBucket takes one bucket of shard i's calendar a step on; true when there
// may be more to do.
func (c *Core) sweepBucket(s *sweeper, i int, now Instant) (more bool) {
	s.due, more = c.store.popDue(i, now.Wall, s.due[:0])
	for rest := s.due; len(rest) > 0; {
		rest = rest[c.expire(&s.work, rest, now):]
	}
	return more
}

// expiry is what a sweep has yet to do for executions of one function and one
// shard when it has given up the function's lock.
type expiry struct {
	evicted []*execution
	looks   []appointment[execution]
	events  []expiryEvent
	freed   int64 // payload bytes
}

type expiryEvent struct {
	kind EventKind
	ex   *execution
}

// expireAtOnce bounds how long a function's lock is held for expiry.
const expireAtOnce = 32

// expire takes executions one step on: payload dropped, evicted, or ended as
// stale. All that are due are of one shard; those at the head that are of one
// function too are dealt with, and their number is returned. Taking the locks
// once for many is what lets a sweep keep pace with all cores submitting.
func (c *Core) expire(work *expiry, due []appointment[execution], now Instant) (n int) {
	*work = expiry{evicted: work.evicted[:0], looks: work.looks[:0], events: work.events[:0]}
	fn := due[0].item.fn
	fn.mu.Lock()
	for n < min(len(due), expireAtOnce) && due[n].item.fn == fn {
		ex := due[n].item
		if ex.lookAt == due[n].due && !ex.evicted && !ex.status.Terminal() && c.store.ttl.isStale(ex.created, now.Wall) {
			if n > 0 {
				break // in its turn
			}
			c.evict(ex, c.endStale(fn, ex, now), now) // unlocks
			return 1
		}
		c.age(work, ex, due[n].due, now)
		n++
	}
	fn.mu.Unlock()
	c.store.bytes.Add(-work.freed)
	c.store.settle(work.evicted, work.looks)
	for _, ev := range work.events {
		c.event(ev.kind, ev.ex, now)
	}
	return n
}

// age takes one execution a step on; the caller holds its function's lock. It
// answers the look that was set for due; one that was set for another time
// since is still to come.
func (c *Core) age(work *expiry, ex *execution, due int64, now Instant) {
	ttl, next := c.store.ttl, int64(0)
	switch {
	case ex.evicted || ex.lookAt != due:
		return
	case !ex.status.Terminal():
		next = ttl.nextLook(ex.created, now.Wall)
	case ttl.evictable(ex.finished, now.Wall):
		ex.evicted = true
		work.freed += ex.dropPayload()
		work.evicted = append(work.evicted, ex)
		work.events = append(work.events, expiryEvent{EventEvicted, ex})
		return
	case !ex.cleaned && ttl.cleanable(ex.finished, now.Wall):
		work.freed += ex.dropPayload()
		work.events = append(work.events, expiryEvent{EventCleaned, ex})
		next = ex.finished + ttl.ttl
	case ex.cleaned:
		next = ex.finished + ttl.ttl
	default:
		next = ttl.firstStep(ex.finished)
	}
	ex.lookAt = next
	work.looks = append(work.looks, appointment[execution]{item: ex, due: next})
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
