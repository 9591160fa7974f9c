package flight

import (
	"sync/atomic"

	"simplane/core"
)

// Part is the Recorder of one of several cores, which may go while others stay. Their
// functions have numbers of their own, see core.Domains.
type Part struct {
	*Recorder
	gone atomic.Bool
}

// Part makes one. It works on nil, and returns nil then.
func (r *Recorder) Part() *Part {
	if r == nil {
		return nil
	}
	return &Part{Recorder: r}
}

// Base implements core.Recorder.
func (p *Part) Base(b *core.Base) { p.base(b, p) }

// Gone says that the core takes no more steps, or few: the states of its functions are
// kept for as long as steps are, and no longer. It works on nil.
func (p *Part) Gone() {
	if p == nil {
		return
	}
	p.gone.Store(true) // what comes from now on is forgotten as it comes
	for i := range p.rings {
		g := &p.rings[i]
		g.mu.Lock()
		for _, h := range g.newest {
			if h.of == p {
				g.forget(h)
			}
		}
		g.mu.Unlock()
	}
}

// forget has a base be useless once the steps up to now are overwritten; g.mu is held.
func (g *ring) forget(h *heldBase) {
	h.next = max(g.total, 1)
	delete(g.newest, h.base.Domain)
}
