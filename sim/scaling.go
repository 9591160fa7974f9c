package sim

import "strconv"

// scaled notes how many instances are wanted.
func (w *witness) scaled(f *generation, n int) {
	g := f.group
	up := n > f.wanted
	switch {
	case up:
		g.counts[cScaleUps]++
	default:
		g.counts[cScaleDowns]++
	}
	if f.moved && up != f.movedUp {
		g.counts[cScaleTurns]++
	}
	f.moved, f.movedUp, f.wanted = true, up, n
	w.writeSize(f, "scale", n)
}

func (w *witness) replicasReady(f *generation, n int) {
	if w.check != nil {
		w.check.replicasReady(f, n)
	}
	f.ready = n
	w.writeSize(f, "ready", n)
}

func (w *witness) concurrencyChanged(f *generation, n int) {
	if !f.group.decl.Scaled() {
		return // a reconfigure, which has its own line
	}
	if w.check != nil {
		w.check.resized(f, n)
		w.check.touch(f)
	}
	f.elapse(w.loop.Now())
	f.slots = n
	w.writeSize(f, "slots", n)
}

func (w *witness) writeSize(f *generation, verb string, n int) {
	b := append(append(w.log.begin(w.loop.Now()), verb...), ' ')
	b = append(append(b, f.name...), ' ')
	w.log.end(strconv.AppendInt(b, int64(n), 10))
}

// scale is how big a function is, of all its copies.
type scale struct{ ready, wanted, starting, slots int }

func (w *witness) scale(g *group) (s scale) {
	for _, fn := range g.functions {
		now := w.fleets.Instances(fn.number)
		s.ready += now.Ready
		s.starting += now.Starting
		if fn.current != nil {
			s.wanted += fn.current.wanted
			s.slots += fn.current.slots
		}
	}
	return s
}
