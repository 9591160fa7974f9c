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
	expired    int // of them, as far as due says
	bytes      int64
}

type keyEntry struct {
	name     string
	bytes    int64 // with the name of its function
	id       core.ID
	storedAt int64 // wall ns
	input    int   // what the first request brought, see brought
	stored   bool
	unsure   bool // it expired, the clock went back, and whether it was evicted between is not known
}

// key is the entry of a function's key.
func (c *checker) key(f *function, n int) int32 {
	for n >= len(f.keys) {
		f.keys = append(f.keys, -1)
	}
	if f.keys[n] < 0 {
		f.keys[n] = int32(len(c.keys.entries))
		c.keys.entries = append(c.keys.entries, keyEntry{name: draws.KeyName(n), bytes: int64(len(f.name) + len(draws.KeyName(n)))})
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
	return c.unexpired(k, wall) && k.input != c.brought(t)
}

// mayReuse says that it may, by a key of which it is not known whether it is still there.
func (c *checker) mayReuse(f *function, t world.Tag, wall int64) bool {
	if t.Key() < 0 {
		return false
	}
	k := &c.keys.entries[c.key(f, t.Key())]
	return k.stored && k.unsure && k.storedAt+int64(c.cfg.IdempotencyTTL) >= wall && k.input != c.brought(t)
}

// unexpired says that a key has not expired.
func (c *checker) unexpired(k *keyEntry, wall int64) bool {
	return k.stored && !k.unsure && k.storedAt+int64(c.cfg.IdempotencyTTL) >= wall
}

// liveKey says that a key has an execution which a new request must join.
func (c *checker) liveKey(k *keyEntry, wall int64) bool {
	if !c.unexpired(k, wall) {
		return false
	}
	rec, _ := c.w.find(k.id)
	return rec != nil && !(rec.state == stEnded && wall-rec.finished > int64(c.cfg.TTL))
}

// sure notes that an unsure key was there after all; false for others.
func (c *checker) sure(k *keyEntry) bool {
	if !k.unsure {
		return false
	}
	i := c.w.all[c.slotOf(k.id)].key
	k.unsure = false
	c.keys.due.remove(i)
	c.keys.expired--
	c.keys.fresh.cut()
	c.keys.fresh.push(i)
	c.keys.fresh.cut()
	return true
}

func (c *checker) slotOf(id core.ID) int32 {
	_, slot := c.w.find(id)
	return slot
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
	k.id, k.input, k.storedAt, k.stored = rec.id, c.brought(t), wall, true
	rec.key = i
	c.keys.stored++
	c.keys.bytes += k.bytes
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
		k.stored, k.unsure = false, false
		c.keys.stored--
		c.keys.bytes -= k.bytes
		if c.keys.due.has(i) {
			c.keys.expired--
		}
		c.keys.fresh.remove(i)
		c.keys.due.remove(i)
	}
}

// joined checks that a request got its key's execution.
func (c *checker) joined(ev *core.Event, f *generation, rec *record, slot int32) {
	w := c.w
	c.hits++
	c.hitLine, c.hitOf = w.log.lines+1, ev.ID
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
	case !c.sure(k) && !c.liveKey(k, ev.At.Wall):
		w.fail("nothing outlives its TTL", "%s: key %d led to execution #%d, though one of them has expired", f.name, key, rec.number)
	case c.draining:
		w.fail("nothing is accepted while core drains", "%s: a call was led to execution #%d", f.name, rec.number)
	case ev.Sync && rec.state != stEnded:
		rec.waiters++
		c.waits(world.Tag(ev.Tag), slot)
	}
}

// keysEvicted is told how many keys a sweep has evicted. At the bound calls evict some, too.
func (c *checker) keysEvicted(n int) {
	if c.cfg.Shards > 1 || c.keys.stored >= c.cfg.MaxIdempotencyKeys {
		return
	}
	stored := c.w.core.Gauges().StoredKeys
	if gone := c.keys.stored - stored; gone != n {
		c.w.fail("conservation", "a sweep is said to have evicted %d idempotency keys, and %d are gone", n, gone)
	}
	c.keysRetained(stored)
}

// keysRetained compares the number of stored keys.
func (c *checker) keysRetained(stored int) {
	m, ttl := &c.keys, int64(c.cfg.IdempotencyTTL)
	if m.stored == 0 && stored == 0 {
		return
	}
	c.expireKeys()
	if c.cfg.Shards > 1 {
		// Which of the expired ones are gone is not known: each may be, until a sweep
		// must have met it.
		for i := m.due.segments[0].head; i >= 0 && c.overdue(m.entries[i].storedAt, ttl) > int64(c.cfg.SweepInterval); i = m.due.segments[0].head {
			c.forget(i)
		}
		if stored < m.stored-m.expired || stored > m.stored {
			c.w.fail("conservation", "core holds %d idempotency keys, expected %d and up to %d expired ones", stored, m.stored-m.expired, m.expired)
		}
		return
	}
	for m.stored > stored && m.due.segments[0].head >= 0 {
		c.forget(m.due.segments[0].head)
	}
	if held := c.w.core.Gauges().KeyBytes; m.expired == 0 && m.stored == stored && held != m.bytes {
		c.w.fail("payload bytes", "core counts %d for idempotency keys, they and the names of their functions have %d", held, m.bytes)
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

// keysHeld is how many keys may be the reason for a refusal: those that have not
// expired. A shard makes room among its own keys only: with several, all count.
func (c *checker) keysHeld() int {
	if c.cfg.Shards > 1 {
		return c.keys.stored
	}
	c.expireKeys()
	return c.keys.stored - c.keys.expired
}

// expireKeys brings the list of expired keys up to date.
func (c *checker) expireKeys() {
	m, ttl := &c.keys, int64(c.cfg.IdempotencyTTL)
	for s := 0; s < len(m.fresh.segments); {
		i := m.fresh.segments[s].head
		if i < 0 || m.entries[i].storedAt+ttl >= c.w.clock.Wall() {
			s++
			continue
		}
		before := len(m.fresh.segments)
		m.fresh.remove(i) // drops empty segments at the front
		m.due.push(i)
		m.expired++
		s = max(0, s-(before-len(m.fresh.segments)))
	}
}

// keysJump is told of a clock jump: expired keys that no sweep has met yet may
// be unexpired after it.
func (c *checker) keysJump() {
	m := &c.keys
	if held := c.w.core.Gauges().StoredKeys; c.cfg.Shards > 1 && held < m.stored {
		// Some of the expired ones are gone, and nobody says which.
		for i := m.due.segments[0].head; i >= 0 && held == m.stored-m.expired; i = m.due.segments[0].head {
			c.forget(i)
		}
		for i := m.due.segments[0].head; i >= 0; i = m.due.links[i].next {
			m.entries[i].unsure = true
		}
		m.fresh.cut()
		return
	}
	var again []int32
	for i := m.due.segments[0].head; i >= 0; i = m.due.segments[0].head {
		m.due.remove(i)
		m.entries[i].unsure = false // all are there
		again = append(again, i)
	}
	m.expired = 0
	slices.SortFunc(again, func(a, b int32) int { return int(m.entries[a].storedAt - m.entries[b].storedAt) })
	m.fresh.cut()
	for _, i := range again {
		m.fresh.push(i)
	}
	m.fresh.cut()
}
