package sim

import (
	"slices"

	"simplane/core"
	"simplane/sim/draws"
	"simplane/sim/internal/world"
)

// keyModel is which idempotency keys core must hold. Core's events do not say
// which keys a sweep evicts, so its gauge is compared: it may have evicted
// those that are due, and none other.
type keyModel struct {
	entries    []keyEntry
	fresh, due ageList // stored keys, by when they were stored: unexpired, expired
	stored     int
}

type keyEntry struct {
	name     string
	id       core.ID
	storedAt int64 // wall ns
	input    int   // number of the first request's
	stored   bool
}

// key is the entry of a function's key.
func (c *checker) key(f *function, n int) int32 {
	for n >= len(f.keys) {
		f.keys = append(f.keys, -1)
	}
	if f.keys[n] < 0 {
		f.keys[n] = int32(len(c.keys.entries))
		c.keys.entries = append(c.keys.entries, keyEntry{name: draws.KeyName(n)})
	}
	return f.keys[n]
}

// reuses says that a call's key belongs to a request with another input, whether
// or not that one's execution is still there.
func (c *checker) reuses(f *function, t world.Tag, wall int64) bool {
	if t.Key() < 0 {
		return false
	}
	k := &c.keys.entries[c.key(f, t.Key())]
	return c.unexpired(k, wall) && k.input != t.Input()
}

// unexpired says that a key has not expired.
func (c *checker) unexpired(k *keyEntry, wall int64) bool {
	return k.stored && k.storedAt+int64(c.cfg.IdempotencyTTL) >= wall
}

// liveKey says that a key has an execution which a new request must join.
func (c *checker) liveKey(k *keyEntry, wall int64) bool {
	if !c.unexpired(k, wall) {
		return false
	}
	rec, _ := c.w.find(k.id)
	return rec != nil && !(rec.state == stEnded && wall-rec.finished > int64(c.cfg.TTL))
}

// claimed notes that an execution was accepted under a key.
func (c *checker) claimed(f *function, t world.Tag, rec *record, wall int64) {
	n := t.Key()
	i := c.key(f, n)
	k := &c.keys.entries[i]
	if c.reuses(f, t, wall) {
		c.w.fail("a key is for one request", "%s: execution #%d was started under key %d, which a request with another input has", f.name, rec.number, n)
	}
	if c.liveKey(k, wall) {
		c.w.fail("one execution per live idempotency key", "%s: execution #%d was started under key %d, whose execution is %s", f.name, rec.number, n, k.id)
	}
	c.forget(i)
	k.id, k.input, k.storedAt, k.stored = rec.id, t.Input(), wall, true
	rec.key = i
	c.keys.stored++
	c.keys.fresh.push(i)
}

// abandoned notes that a request under a key was refused: the key's mapping,
// dead before, is gone.
func (c *checker) abandoned(f *function, t world.Tag, code string) {
	n := t.Key()
	i := c.key(f, n)
	if c.reuses(f, t, c.w.clock.Wall()) {
		c.w.fail("a key is for one request", "%s: %s for a request under key %d, which a request with another input has", f.name, code, n)
	}
	if c.liveKey(&c.keys.entries[i], c.w.clock.Wall()) {
		c.w.fail("one execution per live idempotency key", "%s: a request under key %d was refused, whose execution is %s", f.name, n, c.keys.entries[i].id)
	}
	c.forget(i)
}

// freed notes that an execution which never ran gives its key back.
func (c *checker) freed(rec *record) {
	if rec.key >= 0 && c.keys.entries[rec.key].id == rec.id {
		c.forget(rec.key)
	}
}

func (c *checker) forget(i int32) {
	if k := &c.keys.entries[i]; k.stored {
		k.stored = false
		c.keys.stored--
		c.keys.fresh.remove(i)
		c.keys.due.remove(i)
	}
}

// joined checks that a request got its key's execution.
func (c *checker) joined(ev *core.Event, f *generation, rec *record, slot int32) {
	w := c.w
	c.hits++
	c.hitLine = w.log.lines + 1
	c.acquired(ev.At, f)
	called, key := w.caller(world.Tag(ev.Tag)), world.Tag(ev.Tag).Key()
	if called == nil || key < 0 {
		w.fail("one execution per live idempotency key", "a hit for a request without a key")
		return
	}
	k := &c.keys.entries[c.key(called, key)]
	switch {
	case rec == nil || !k.stored || k.id != ev.ID:
		w.fail("one execution per live idempotency key", "%s: key %d led to execution %s, expected %s", f.name, key, ev.ID, k.id)
	case c.reuses(called, world.Tag(ev.Tag), ev.At.Wall):
		w.fail("a key is for one request", "%s: a request with another input than that of key %d was led to execution #%d", called.name, key, rec.number)
	case !c.liveKey(k, ev.At.Wall):
		w.fail("nothing outlives its TTL", "%s: key %d led to execution #%d, though one of them has expired", f.name, key, rec.number)
	case ev.Sync && rec.state != stEnded:
		rec.waiters++
		c.waits(world.Tag(ev.Tag), rec, slot, false)
	}
}

// keysRetained compares the number of stored keys.
func (c *checker) keysRetained(stored int) {
	m, ttl := &c.keys, int64(c.cfg.IdempotencyTTL)
	if m.stored == 0 && stored == 0 {
		return
	}
	for s := 0; s < len(m.fresh.segments); {
		i := m.fresh.segments[s].head
		if i < 0 || m.entries[i].storedAt+ttl >= c.w.clock.Wall() {
			s++
			continue
		}
		before := len(m.fresh.segments)
		m.fresh.remove(i) // drops empty segments at the front
		m.due.push(i)
		s = max(0, s-(before-len(m.fresh.segments)))
	}
	for m.stored > stored && m.due.segments[0].head >= 0 {
		c.forget(m.due.segments[0].head)
	}
	switch {
	case m.stored > stored:
		c.w.fail("nothing is evicted early", "core holds %d idempotency keys, %d have not expired", stored, m.stored)
	case m.stored < stored:
		c.w.fail("conservation", "core holds %d idempotency keys, at most %d were stored and not evicted", stored, m.stored)
	}
	if i := m.due.segments[0].head; i >= 0 {
		if over := c.overdue(m.entries[i].storedAt, ttl); over > int64(c.cfg.SweepInterval) {
			c.w.fail("nothing outlives its TTL by more than a sweep", "an idempotency key should have been evicted %d ns ago", over)
		}
	}
}

// keysJump is told of a clock jump: expired keys that no sweep has met yet may
// be unexpired after it.
func (c *checker) keysJump() {
	m := &c.keys
	var again []int32
	for i := m.due.segments[0].head; i >= 0; i = m.due.segments[0].head {
		m.due.remove(i)
		again = append(again, i)
	}
	slices.SortFunc(again, func(a, b int32) int { return int(m.entries[a].storedAt - m.entries[b].storedAt) })
	m.fresh.cut()
	for _, i := range again {
		m.fresh.push(i)
	}
	m.fresh.cut()
}
