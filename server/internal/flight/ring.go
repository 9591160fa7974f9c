package flight

import (
	"sync"

	"simplane/core"
)

// ring has the latest steps of some functions. Its lock is held for the copy of a
// step, and for that of the ring when it is dumped.
type ring struct {
	mu    sync.Mutex
	steps []core.Step
	at    int    // where the next one goes
	total uint64 // steps that there ever were

	bases  []*heldBase // in no order
	newest map[uint32]*heldBase
	look   int // which base is looked at next

	chunk *chunk // the latest steps for the files; nil = none are kept

	_ [64]byte // so that two rings' locks are in different cache lines
}

// heldBase is a base of a ring.
type heldBase struct {
	base *core.Base
	size int64
	at   uint64 // the ring's total when it came
	next uint64 // the same of the next whole base of the function, or of the end of its part; 0 = there is none
	of   *Part
}

// leastBaseBytes is the room for bases beside rings that are small.
const leastBaseBytes = 4 << 20

// oldest is the total at which the oldest step came that is still here.
func (g *ring) oldest() uint64 { return g.total - uint64(g.held()) }

// dropped is how many steps newer ones have overwritten.
func (g *ring) dropped() uint64 {
	if len(g.steps) == 0 {
		return 0
	}
	return g.oldest()
}

func (g *ring) held() int { return int(min(g.total, uint64(len(g.steps)))) }

// hold keeps a base, and drops what nobody will need. Whatever the number of
// bases, it looks at a few of them: the caller holds g.mu, and a function's lock.
func (r *Recorder) hold(g *ring, b *core.Base, size int64, of *Part) {
	h := &heldBase{base: b, size: size, at: g.total, of: of}
	if b.Whole {
		if before := g.newest[b.Domain]; before != nil {
			before.next = max(g.total, 1)
		}
		g.newest[b.Domain] = h
		if of != nil && of.gone.Load() {
			g.forget(h)
		}
	}
	g.bases = append(g.bases, h)
	r.baseBytes.Add(size)
	for range 2 {
		if g.nextLook() && g.useless(g.bases[g.look]) {
			r.drop(g, g.look)
		} else {
			g.look++
		}
	}
	for r.baseBytes.Load() > r.maxBases && len(g.bases) > 0 {
		r.dropOld(g)
	}
}

// nextLook has g.look be the place of a base; false = there is none.
func (g *ring) nextLook() bool {
	if g.look >= len(g.bases) {
		g.look = 0
	}
	return len(g.bases) > 0
}

// useless says that no step is here any more for which h would be the base: the
// function has a later one from before the oldest step, or is deleted.
func (g *ring) useless(h *heldBase) bool {
	oldest := g.oldest()
	if !h.base.Whole || h.base.Deleted {
		return h.at < oldest
	}
	return h.next != 0 && h.next <= oldest
}

func (r *Recorder) drop(g *ring, i int) {
	h, last := g.bases[i], len(g.bases)-1
	g.bases[i], g.bases[last] = g.bases[last], nil
	g.bases = g.bases[:last]
	if g.newest[h.base.Domain] == h {
		delete(g.newest, h.base.Domain)
	}
	r.baseBytes.Add(-h.size)
}

// dropOld drops the oldest of a few bases, whether it is needed or not: there are
// too many.
func (r *Recorder) dropOld(g *ring) {
	victim := -1
	for range min(8, len(g.bases)) {
		g.nextLook()
		if victim < 0 || g.bases[g.look].at < g.bases[victim].at {
			victim = g.look
		}
		g.look++
	}
	if !g.useless(g.bases[victim]) {
		r.counts.basesDropped.Add(1)
	}
	r.drop(g, victim)
}

// baseBytes is about what a base takes in memory.
func baseBytes(b *core.Base) int64 {
	const base, execution = 2048, 400
	n := base + execution*len(b.Live) + 16*(len(b.Queue)+len(b.Late))
	for i := range b.Live {
		e := &b.Live[i]
		n += len(e.Waiters) + 8*len(e.LSNs)
	}
	return int64(n)
}
