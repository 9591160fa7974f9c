package sim

import (
	"time"

	"simplane/core"
	"simplane/sim/draws"
	"simplane/sim/internal/world"
)

// rateWindow counts the places taken in a rate limiter's running window. Windows
// are whole seconds of the wall clock; when that goes back, the newest one stays.
type rateWindow struct {
	second int64 // -1 = no window yet
	taken  int64
}

// full says that a limiter has no place left at a time; limit 0 is none.
func (r *rateWindow) full(at core.Instant, limit int64) bool {
	return limit > 0 && at.Wall/int64(time.Second) <= r.second && r.taken >= limit
}

// take takes a place. Without a limit none is counted.
func (r *rateWindow) take(at core.Instant, limit int64) {
	if second := at.Wall / int64(time.Second); second > r.second && limit > 0 {
		r.second, r.taken = second, 0
	}
	if limit > 0 {
		r.taken++
	}
}

// acquired counts one place in the windows of a function and of all.
func (c *checker) acquired(at core.Instant, f *generation) {
	own, all := f.spec.RateMaxPerSecond, c.cfg.RateMaxPerSecond
	switch {
	case f.rate.full(at, own):
		c.w.fail("rate window", "%s: a place beyond the %d of its window was taken", f.name, own)
	case c.rate.full(at, all):
		c.w.fail("rate window", "a place beyond the %d of the window was taken", all)
	}
	f.rate.take(at, own)
	c.rate.take(at, all)
}

// limited checks a refusal by a rate limit. The function's own comes first: a
// place in it is spent although the other one refuses.
func (c *checker) limited(at core.Instant, f *generation) {
	own, all := f.spec.RateMaxPerSecond, c.cfg.RateMaxPerSecond
	switch {
	case f.rate.full(at, own):
	case c.rate.full(at, all):
		f.rate.take(at, own)
	default:
		c.w.fail("rate window", "%s: refused with %d of %d places taken in its window, and %d of %d in that of all", f.name, f.rate.taken, own, c.rate.taken, all)
	}
}

func (c *checker) accepted(ev *core.Event, f *generation, rec *record, slot int32) {
	w := c.w
	c.accepts++
	c.acquired(ev.At, f)
	called := w.caller(world.Tag(ev.Tag))
	switch {
	case f.deleted || called == nil || called.current != f:
		w.fail("accepted work belongs to the function called", "execution #%d was accepted at %s", rec.number, f.name)
	case c.draining:
		w.fail("nothing is accepted while core drains", "execution #%d was", rec.number)
	case f.queued >= f.spec.QueueSize:
		w.fail("queue bound", "%s: accepted with %d queued of %d", f.name, f.queued, f.spec.QueueSize)
	case c.stored >= c.cfg.MaxExecutions:
		w.fail("store bound", "accepted with %d executions stored of %d", c.stored, c.cfg.MaxExecutions)
	case ev.Sync && c.judged(f) && c.syncQueued >= c.cfg.SyncQueue.MaxDepth:
		w.fail("sync queue bound", "accepted with %d sync in flight and %d queued", c.syncInFlight, c.syncQueued)
	case ev.Sync && c.judged(f) && !c.cfg.SyncQueue.EstimateDisabled && c.estimate(f, ev.At.Mono) > c.cfg.SyncQueue.MaxEstimatedWait:
		w.fail("waits are estimated", "%s: accepted with an estimated wait of %v, above %v", f.name, c.estimate(f, ev.At.Mono), c.cfg.SyncQueue.MaxEstimatedWait)
	}
	c.stored++
	c.longest = max(c.longest, rec.timeout)
	rec.request = int32(len(c.brings) + contextBytes(c.with))
	c.begins(slot)
	c.redrives(called)
	if key := world.Tag(ev.Tag).Key(); key >= 0 {
		rec.request += int32(len(draws.KeyName(key)))
	}
	if held := c.payload + int64(rec.request) + w.core.Gauges().KeyBytes; held > c.cfg.MaxPayloadBytes {
		w.fail("payload bound", "%s: accepted with %d bytes held of %d", f.name, held, c.cfg.MaxPayloadBytes)
	}
	c.roomMade(c.payload + int64(rec.request) + w.core.Gauges().KeyBytes)
	c.payload += int64(rec.request)
	c.begun(world.Tag(ev.Tag), rec, slot)
	if ev.Sync {
		c.syncQueued++
		rec.waiters = 1
	}
	c.live.push(slot)
	c.touch(f)
	c.look(rec)
	if key := world.Tag(ev.Tag).Key(); key >= 0 && called != nil {
		c.claimed(called, world.Tag(ev.Tag), rec, ev.At.Wall)
	}
}

// judged says that a sync newcomer of f may be refused: f has no free slot, or
// maxConcurrency executions are in flight.
func (c *checker) judged(f *generation) bool {
	q := &c.cfg.SyncQueue
	return q.Enabled && (f.inFlight >= f.slots || c.syncInFlight >= q.MaxConcurrency)
}

func (c *checker) rejected(ev *core.Event, f *generation) {
	w := c.w
	c.rejects++
	c.refusal = ev.Code
	if c.relieved {
		w.fail("nothing is cleaned up early", "payloads have made room for a call that is refused with %s", ev.Code)
	}
	called := w.caller(world.Tag(ev.Tag))
	if called == nil {
		w.fail("submissions are accepted or rejected", "a rejection %s outside a submission", ev.Code)
		return
	}
	if (f == nil) != (ev.Code == core.CodeNotFound) || (f == nil) != (called.current == nil) {
		w.fail("deleted functions are not found", "%s exists %v, rejected with %s", called.name, called.current != nil, ev.Code)
		return
	}
	if i := world.Tag(ev.Tag).Load(); ev.Sync != w.loads[i].Waits {
		w.fail("submissions are accepted or rejected", "%s: the rejection %s says sync %v", called.name, ev.Code, ev.Sync)
	}
	q := &c.cfg.SyncQueue
	full := ev.Sync && f != nil && c.judged(f)
	switch ev.Code {
	case core.CodeNotFound:
		return
	case core.CodeDraining:
		if !c.draining {
			w.fail("work is refused for a reason", "%s: DRAINING, and nobody has asked for that", f.name)
		}
		return
	case core.CodeRateLimited:
		c.limited(ev.At, f)
		return
	case core.CodeQueueFull:
		if f.queued < f.spec.QueueSize {
			w.fail("work is refused for a reason", "%s: QUEUE_FULL with %d queued of %d", f.name, f.queued, f.spec.QueueSize)
		}
	case core.CodeDepth:
		if !full || c.syncQueued < q.MaxDepth {
			w.fail("work is refused for a reason", "DEPTH with %d sync in flight of %d and %d queued of %d", c.syncInFlight, q.MaxConcurrency, c.syncQueued, q.MaxDepth)
		}
	case core.CodeEstWait:
		if wait := c.estimate(f, ev.At.Mono); full && wait <= q.MaxEstimatedWait {
			w.fail("waits are estimated", "%s: EST_WAIT with an estimate of %v, at most %v", f.name, wait, q.MaxEstimatedWait)
		}
		if !full || c.syncQueued+f.queued == 0 || q.EstimateDisabled {
			w.fail("work is refused for a reason", "EST_WAIT with %d sync in flight of %d, %d sync queued and %d at %s", c.syncInFlight, q.MaxConcurrency, c.syncQueued, f.queued, f.name)
		}
	case core.CodeStoreFull:
		left := c.needed() - c.answeredBytes
		if key := c.offer.Key(); key >= 0 { // its claim has been given back
			left += int64(len(called.name) + len(draws.KeyName(key)))
		}
		if c.stored < c.cfg.MaxExecutions && left <= c.cfg.MaxPayloadBytes {
			w.fail("work is refused for a reason", "STORE_FULL with %d executions of %d, and %d bytes of %d without those of answered calls", c.stored, c.cfg.MaxExecutions, left, c.cfg.MaxPayloadBytes)
		}
	case core.CodeIdempotencyFull:
		if n := c.keysHeld(); n < c.cfg.MaxIdempotencyKeys {
			w.fail("work is refused for a reason", "IDEMPOTENCY_STORE_FULL with %d keys of %d", n, c.cfg.MaxIdempotencyKeys)
		}
	case core.CodeKeyReused:
		if !c.reuses(called, world.Tag(ev.Tag), ev.At.Wall) && !c.mayReuse(called, world.Tag(ev.Tag), ev.At.Wall) {
			w.fail("work is refused for a reason", "%s: IDEMPOTENCY_KEY_REUSED for key %d, which no request with another input has", called.name, world.Tag(ev.Tag).Key())
		}
	default:
		w.fail("work is refused for a reason", "unexpected rejection %s", ev.Code)
	}
	c.acquired(ev.At, f) // refused after the limiter: the place is spent
	if key := world.Tag(ev.Tag).Key(); key >= 0 && ev.Code != core.CodeIdempotencyFull && ev.Code != core.CodeKeyReused {
		c.abandoned(called, world.Tag(ev.Tag), ev.Code)
	}
}
