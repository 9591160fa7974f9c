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
		if c.store.used.count.Load() > 0 || c.keys.Len() > 0 {
			c.armSweep(c.clock.Now())
		}
	})
}

// Sweep cleans up, evicts and force-ends what is past its retention, in
// batches. Core calls it every Config.SweepInterval while anything is stored.
func (c *Core) Sweep() {
	now := c.clock.Now()
	c.sweepBegan.Store(now.Mono)
	s := c.sweeper.Swap(nil)
	if s == nil {
		s = &sweeper{}
	}
	for i := range c.store.shards {
		for c.sweepBucket(s, i, now) {
		}
		for more := true; more; {
			var evicted int
			if evicted, more = c.keys.sweep(i, now.Wall); evicted > 0 {
				c.observe(&Event{Kind: EventKeysEvicted, At: now, Count: evicted})
			}
		}
	}
	s.forget()
	c.sweeper.Store(s)
	c.dead.sweep(now.Wall, func(name string) bool { return c.registry.get(name) != nil })
	c.serve()
}

// sweepPatience is how many sweep intervals a sweep may take before
// submitters help with it.
const sweepPatience = 8

// helpSweep has the submitter of execution id clear one bucket of its shard
// when the sweep is late: with all cores busy submitting it gets too small a
// share of them, and the store would fill up. A sweep that is in time needs
// no help, so no result depends on it.
func (c *Core) helpSweep(id ID, now Instant) {
	if now.Mono-c.sweepBegan.Load() > sweepPatience*int64(c.cfg.SweepInterval) && c.sweepArmed.Load() {
		var s sweeper
		c.sweepBucket(&s, c.store.shardIndex(id), now)
	}
}

// sweeper has a sweep's buffers, reused for each bucket and for the next sweep.
type sweeper struct {
	due  []appointment[execution]
	work expiry
	read uint32 // of fetch, which must not be for nothing
}

// sweeperKeeps is the most entries for which a buffer is kept between sweeps.
const sweeperKeeps = 4096

// forget drops what the buffers refer to, and buffers that a burst has made large.
func (s *sweeper) forget() {
	s.due = emptied(s.due)
	s.work.begin(nil)
	s.work.evicted, s.work.looks, s.work.events = emptied(s.work.evicted), emptied(s.work.looks), emptied(s.work.events)
}

// emptied is a buffer without its content.
func emptied[T any](buffer []T) []T {
	if cap(buffer) > sweeperKeeps {
		return nil
	}
	clear(buffer[:cap(buffer)])
	return buffer[:0]
}

// fetch reads a word of each cache line that a step will need of the functions of
// the next due executions. They are of functions that nobody has looked at for a
// while: read together, the processor waits for all of them at once, and not for
// each when its turn comes. With 10,000 functions a sweep was a third of a
// simulation's time.
func (s *sweeper) fetch(due []appointment[execution]) {
	for i := range due {
		fn := due[i].item.fn
		s.read += uint32(len(fn.name)) + uint32(fn.depth.Load()) + fn.domain + uint32(fn.replicasWanted.Load())
	}
}

// sweepBucket takes one bucket of shard i's calendar a step on; true when there
// may be more to do.
func (c *Core) sweepBucket(s *sweeper, i int, now Instant) (more bool) {
	s.due, more = c.store.popDue(i, now.Wall, s.due[:0])
	fetched := len(s.due) // those that are left, from here on
	for rest := s.due; len(rest) > 0; rest = rest[s.work.looked:] {
		if len(rest) <= fetched {
			fetched = max(0, len(rest)-expireAtOnce)
			s.fetch(rest[:len(rest)-fetched])
		}
		s.work.begin(rest)
		c.take(rest[0].item.fn, &input{kind: StepExpire, now: now, expiry: &s.work})
	}
	return more
}

// expiry is the input and the effects of one step of a sweep: all of one
// function and one shard.
type expiry struct {
	due     []appointment[execution]
	looked  int // of due
	evicted []*execution
	looks   []appointment[execution]
	events  []expiryEvent
	freed   int64 // payload bytes
}

type expiryEvent struct {
	kind EventKind
	ex   *execution
}

// begin empties w for another step.
func (w *expiry) begin(due []appointment[execution]) {
	*w = expiry{due: due, evicted: w.evicted[:0], looks: w.looks[:0], events: w.events[:0]}
}

// expireAtOnce bounds how long a function's lock is held for expiry.
const expireAtOnce = 32

// expire takes executions one step on: payload dropped, evicted, or ended as
// stale. All that are due are of one shard; the step takes those at the head
// that are of this function too. Taking the locks once for many is what lets
// a sweep keep pace with all cores submitting. The caller holds fn.mu.
func (fn *Function) expire(work *expiry, fx *effects) {
	fx.expiry = work
	ttl := fn.core.store.ttl
	for work.looked < min(len(work.due), expireAtOnce) {
		a := work.due[work.looked]
		ex := a.item
		if ex.fn != fn {
			return
		}
		stale := ex.lookAt == a.due && !ex.evicted && !ex.status.Terminal() && ttl.isStale(ex.lastMoved(), fx.now.Wall)
		if stale && work.looked > 0 {
			return // a step ends one execution at most
		}
		work.looked++
		if stale {
			fn.endStale(work, ex, fx)
			return
		}
		fn.age(work, ex, a.due, fx)
	}
}

// age takes one execution a step on; the caller holds fn.mu. An entry that is
// out of date, because the record was given another time since, is ignored:
// that one is still to come.
func (fn *Function) age(work *expiry, ex *execution, due int64, fx *effects) {
	ttl, now, next := fn.core.store.ttl, fx.now, int64(0)
	switch {
	case ex.evicted || ex.lookAt != due:
		return
	case !ex.status.Terminal():
		next = ttl.nextLook(ex.lastMoved(), now.Wall)
	case ttl.evictable(ex.finished, now.Wall) && fx.endHeld(ex):
		next = now.Wall // once its end is durable
	case ttl.evictable(ex.finished, now.Wall):
		work.evict(ex)
		return
	case !ex.cleaned && ttl.cleanable(ex.finished, now.Wall) && fx.endHeld(ex):
		next = now.Wall // whoever waits for it has not been told its output
	case !ex.cleaned && ttl.cleanable(ex.finished, now.Wall):
		work.freed += fn.dropPayload(ex)
		work.events = append(work.events, expiryEvent{EventCleaned, ex})
		next = ex.finished + ttl.ttl
	case ex.cleaned:
		next = ex.finished + ttl.ttl
	default:
		next = ttl.firstStep(ex.finished)
	}
	work.lookAgain(ex, next)
}

var errStale = sharedError(CodeStale, "it neither started nor ended within staleTtl of its last transition")

// lookAgain has a sweep look at ex once the clock reads later than due.
func (w *expiry) lookAgain(ex *execution, due int64) {
	ex.lookAt = due
	w.looks = append(w.looks, appointment[execution]{item: ex, due: due})
}

// evict takes ex out of the store for good; the caller holds its function's lock.
func (w *expiry) evict(ex *execution) {
	ex.evicted = true
	w.freed += ex.fn.dropPayload(ex)
	ex.fn.evicted(ex)
	w.evicted = append(w.evicted, ex)
	w.events = append(w.events, expiryEvent{EventEvicted, ex})
}

// endStale force-ends an execution that has not moved for staleTtl: its slot
// is freed and its waiter woken. The record stays for its TTL. The caller holds
// fn.mu.
func (fn *Function) endStale(work *expiry, ex *execution, fx *effects) {
	fn.releaseSlot(fx, ex)
	fn.end(fx, ex, ending{status: Timeout, err: errStale})
	work.lookAgain(ex, fn.core.store.ttl.firstStep(ex.finished))
	fn.noteReady(fx) // served at the end of the sweep: what waits may be stale as well
}

// carryOutExpiry carries out the effects of a step of a sweep.
func (c *Core) carryOutExpiry(work *expiry, now Instant) {
	c.store.used.addBytes(-work.freed)
	c.store.settle(work.evicted, work.looks)
	for _, ev := range work.events {
		c.event(ev.kind, ev.ex, now)
	}
}

// expired reports whether ex is past its TTL, swept or not. The caller holds
// the function's lock.
func (c *Core) expired(ex *execution, now Instant) bool {
	return ex.status.Terminal() && c.store.ttl.evictable(ex.finished, now.Wall) && !c.endHeld(ex)
}
