package sim

import (
	"math"

	"simplane/core"
	"simplane/sim/internal/world"
)

// leaveModel is who waits for an execution whose own caller may leave, by the
// execution's slot. One whose own caller stays, and async work, are not in it.
type leaveModel map[int32]*attendance

// attendance is when those who wait for an execution will have left, in virtual ns.
type attendance struct {
	own    int64
	joined []attendant
}

type attendant struct {
	caller *world.Caller
	until  int64
}

const neverLeaves = int64(math.MaxInt64)

// begun notes that a call waits for its own execution.
func (c *checker) begun(t world.Tag, rec *record, slot int32) {
	if load := t.Load(); !rec.sync || load < 0 || load >= len(c.w.loads) {
		return
	}
	if l := &c.w.loads[t.Load()]; l.Leaves > 0 {
		c.leaves[slot] = &attendance{own: c.w.loop.Now() + int64(l.Leaves)}
	}
}

// waits notes that the call being made waits for an earlier one's execution.
func (c *checker) waits(t world.Tag, slot int32) {
	a, at := c.leaves[slot], neverLeaves
	if a == nil {
		return
	}
	if l := &c.w.loads[t.Load()]; l.Leaves > 0 {
		at = c.w.loop.Now() + int64(l.Leaves)
	}
	a.joined = append(a.joined, attendant{c.caller, at})
}

// forget notes that a caller has taken its wait back.
func (m leaveModel) forget(slot int32, k *world.Caller) {
	if a := m[slot]; a != nil {
		for i := range a.joined {
			if a.joined[i].caller == k {
				a.joined = append(a.joined[:i], a.joined[i+1:]...)
				return
			}
		}
	}
}

// leftAt is when the last caller of an execution leaves.
func (c *checker) leftAt(slot int32) int64 {
	a := c.leaves[slot]
	if a == nil {
		return neverLeaves
	}
	at := a.own
	for i := range a.joined {
		at = max(at, a.joined[i].until)
	}
	return at
}

// attended checks that somebody waits for an execution which is dispatched.
func (c *checker) attended(rec *record, slot int32) {
	if at := c.leftAt(slot); at <= c.w.loop.Now() {
		c.w.fail("callers that leave", "execution #%d was dispatched %d ns after its last caller had left", rec.number, c.w.loop.Now()-at)
	}
}

// abandonedCall checks that an execution may end because nobody waits for it: at
// its turn, and not before the last caller has left.
func (c *checker) abandonedCall(ev *core.Event, f *generation, rec *record, slot int32) {
	w := c.w
	switch {
	case c.leftAt(slot) > w.loop.Now():
		w.fail("status transitions", "execution #%d was cancelled, and nobody has asked for it or left", rec.number)
	case rec.state != stQueued:
		w.fail("callers that leave", "execution #%d ended because its callers have left, and was not queued", rec.number)
	case f.inFlight >= f.slots:
		w.fail("callers that leave", "execution #%d ended because its callers have left before its turn, with %d in flight of %d", rec.number, f.inFlight, f.slots)
	}
	c.inOrder(f, rec, slot, ev.At.Mono)
	if rec.attempt == 1 {
		c.freed(rec) // it has never run: a caller that comes again is served
	}
}
