package sim

import (
	"math"

	"simplane/core"
	"simplane/sim/internal/world"
)

// leaveModel is when the last caller of an execution will have left, in virtual
// ns, by the execution's slot. One that a caller waits for who stays, and async
// work, are not in it.
type leaveModel map[int32]int64

const neverLeaves = int64(math.MaxInt64)

// waits notes that a call waits for an execution from now on.
func (c *checker) waits(t world.Tag, rec *record, slot int32, first bool) {
	at, known := c.leaves[slot]
	if !rec.sync || (!first && !known) {
		return // whatever this one does, the execution is not left
	}
	after := int64(c.w.loads[t.Load()].Leaves)
	if after == 0 {
		delete(c.leaves, slot)
		return
	}
	c.leaves[slot] = max(at, c.w.loop.Now()+after)
}

// leftAt is when the last caller of an execution leaves.
func (c *checker) leftAt(slot int32) int64 {
	if at, known := c.leaves[slot]; known {
		return at
	}
	return neverLeaves
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
