package world

import "simplane/sim/scenario"

// restartPause is the time, in ns, that a supervisor takes to start a process again
// that has ended by itself.
const restartPause = 100_000_000

// crashFault is the beginning of the fault crash.
func (w *World) crashFault(f *scenario.Fault) {
	w.node.pause, w.node.again = f.For, max(w.node.again, f.Again)
	w.crash()
}

// restart makes a new process, unless another crash's time is not over. The
// operator registers the functions again that are not there: nobody had been told
// that they were.
func (w *World) restart(int32) {
	n := &w.node
	if n.downs--; n.downs > 0 || n.lost {
		return
	}
	n.begin()
	w.reach(recoveryBegins)
	c, err := n.boot()
	if err != nil {
		n.lost = true
		w.end()
		w.witness.Refused(err)
		return
	}
	w.reach(recoveryDone)
	n.recovering, w.core = false, c
	w.witness.Restarted()
	for _, b := range w.backends {
		if b.registered && c.Function(b.name) == nil {
			_ = w.register(b) // the witness judges the answer
		}
	}
}

// Down says that there is no process now, and that one will be made.
func (w *World) Down() bool { return w.node.downs > 0 && !w.node.lost }

// Lost says that no process can be made any more of what is on the disk.
func (w *World) Lost() bool { return w.node.lost }

// begin begins a recovery.
func (n *node) begin() {
	n.recovering = true
	n.recoveries = append(n.recoveries, Span{n.reached + 1, n.reached})
	if n.again > 0 {
		n.odds = []float64{0.5, 0.1, 0.02}[n.luck.Below(3)]
	}
}

// crashes says that a recovery crashes at p: at the end at the latest, if one more
// is to.
func (n *node) crashes(p Point) bool {
	if n.again == 0 || p != recoveryDone && !n.luck.Hit(n.odds) {
		return false
	}
	n.again--
	return true
}
