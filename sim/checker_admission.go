package sim

import (
	"time"

	"simplane/core"
	"simplane/sim/internal/world"
)

// acquired counts one place taken in a rate window.
func (c *checker) acquired(at core.Instant) {
	if c.opensWindow(at) {
		c.window, c.taken = at.Wall/int64(time.Second), 0
	}
	c.taken++
	if limit := c.cfg.RateMaxPerSecond; limit > 0 && c.taken > limit {
		c.w.fail("rate window", "place %d taken in a window of %d", c.taken, limit)
	}
}

// opensWindow says whether an acquisition opens a new window. Windows are
// whole seconds of the wall clock; when that goes back, the newest one stays.
func (c *checker) opensWindow(at core.Instant) bool {
	return at.Wall/int64(time.Second) > c.window
}

func (c *checker) accepted(ev *core.Event, f *generation, rec *record, slot int32) {
	w := c.w
	c.accepts++
	c.acquired(ev.At)
	called := w.caller(world.Tag(ev.Tag))
	switch {
	case f.deleted || called == nil || called.current != f:
		w.fail("accepted work belongs to the function called", "execution #%d was accepted at %s", rec.number, f.name)
	case f.queued >= f.queueSize:
		w.fail("queue bound", "%s: accepted with %d queued of %d", f.name, f.queued, f.queueSize)
	case c.stored >= c.cfg.MaxExecutions:
		w.fail("store bound", "accepted with %d executions stored of %d", c.stored, c.cfg.MaxExecutions)
	case ev.Sync && c.judged(f) && c.syncQueued >= c.cfg.SyncQueue.MaxDepth:
		w.fail("sync queue bound", "accepted with %d sync in flight and %d queued", c.syncInFlight, c.syncQueued)
	}
	c.stored++
	rec.request = int32(len(world.Input(world.Tag(ev.Tag).Input())))
	if key := world.Tag(ev.Tag).Key(); key >= 0 {
		rec.request += int32(len(world.KeyName(key)))
	}
	if held := c.payload + int64(rec.request) + w.core.Gauges().KeyBytes; held > c.cfg.MaxPayloadBytes {
		w.fail("payload bound", "%s: accepted with %d bytes held of %d", f.name, held, c.cfg.MaxPayloadBytes)
	}
	c.payload += int64(rec.request)
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
	called := w.caller(world.Tag(ev.Tag))
	if called == nil {
		w.fail("submissions are accepted or rejected", "a rejection %s outside a submission", ev.Code)
		return
	}
	if (f == nil) != (ev.Code == core.CodeNotFound) || (f == nil) != (called.current == nil) {
		w.fail("deleted functions are not found", "%s exists %v, rejected with %s", called.name, called.current != nil, ev.Code)
		return
	}
	q := &c.cfg.SyncQueue
	full := ev.Sync && f != nil && c.judged(f)
	switch ev.Code {
	case core.CodeNotFound:
		return
	case core.CodeRateLimited:
		if c.opensWindow(ev.At) || c.taken < c.cfg.RateMaxPerSecond {
			w.fail("rate window", "refused with %d of %d places taken in the window", c.taken, c.cfg.RateMaxPerSecond)
		}
		return
	case core.CodeQueueFull:
		if f.queued < f.queueSize {
			w.fail("work is refused for a reason", "%s: QUEUE_FULL with %d queued of %d", f.name, f.queued, f.queueSize)
		}
	case core.CodeDepth:
		if !full || c.syncQueued < q.MaxDepth {
			w.fail("work is refused for a reason", "DEPTH with %d sync in flight of %d and %d queued of %d", c.syncInFlight, q.MaxConcurrency, c.syncQueued, q.MaxDepth)
		}
	case core.CodeEstWait:
		if !full || c.syncQueued+f.queued == 0 {
			w.fail("work is refused for a reason", "EST_WAIT with %d sync in flight of %d, %d sync queued and %d at %s", c.syncInFlight, q.MaxConcurrency, c.syncQueued, f.queued, f.name)
		}
	case core.CodeStoreFull:
		left := c.needed() - c.answeredBytes
		if key := c.offer.Key(); key >= 0 { // its claim has been given back
			left += int64(len(called.name) + len(world.KeyName(key)))
		}
		if c.stored < c.cfg.MaxExecutions && left <= c.cfg.MaxPayloadBytes {
			w.fail("work is refused for a reason", "STORE_FULL with %d executions of %d, and %d bytes of %d without those of answered calls", c.stored, c.cfg.MaxExecutions, left, c.cfg.MaxPayloadBytes)
		}
	case core.CodeIdempotencyFull:
		if c.keys.stored < c.cfg.MaxIdempotencyKeys {
			w.fail("work is refused for a reason", "IDEMPOTENCY_STORE_FULL with %d keys of %d", c.keys.stored, c.cfg.MaxIdempotencyKeys)
		}
	case core.CodeKeyReused:
		if !c.reuses(called, world.Tag(ev.Tag), ev.At.Wall) {
			w.fail("work is refused for a reason", "%s: IDEMPOTENCY_KEY_REUSED for key %d, which no request with another input has", called.name, world.Tag(ev.Tag).Key())
		}
	default:
		w.fail("work is refused for a reason", "unexpected rejection %s", ev.Code)
	}
	c.acquired(ev.At) // refused after the limiter: the place is spent
	if key := world.Tag(ev.Tag).Key(); key >= 0 && ev.Code != core.CodeIdempotencyFull && ev.Code != core.CodeKeyReused {
		c.abandoned(called, world.Tag(ev.Tag), ev.Code)
	}
}
