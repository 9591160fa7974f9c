package world

import "simplane/core"

// What operators, and functions that answer by a callback, do to executions of several
// control planes. Any of those is asked, again and again until the outcome is known.

// actThere is an arrival of a load that makes no calls.
func (w *World) actThere(l *load) {
	b := l.backend
	if l.calls.Decl.Mode == "redrive" {
		w.redriveThere(b, 1, w.beside)
		return
	}
	ids := w.witness.Unended(b.number)
	if len(ids) == 0 {
		return
	}
	id := ids[b.luck.Below(len(ids))]
	w.asking++
	if l.calls.Decl.Mode == "cancel" {
		w.carry(b.name, cancelling(id), func(err error, _ bool) {
			w.asking--
			w.settled(id, 0, nil, err)
		})
		return
	}
	attempt, o := w.outside(l)
	w.carry(b.name, func(c *core.Core) (core.LSN, error) {
		w.witness.Completing(id, attempt, o)
		at, err := c.Complete(id, attempt, o)
		w.witness.Completed(err)
		return at, err
	}, func(err error, _ bool) {
		w.asking--
		w.settled(id, attempt, &o, err)
	})
}

func cancelling(id core.ID) func(*core.Core) (core.LSN, error) {
	return func(c *core.Core) (core.LSN, error) {
		s, err := c.Cancel(id)
		return s.LSN, err
	}
}

// settled says what came of a call that was to end an execution; somebody looks later.
func (w *World) settled(id core.ID, attempt int, o *core.Outcome, err error) {
	w.witness.Settled(id, attempt, o, err)
	w.lookAgain(id)
}

// purgeThere has a function's dead letters forgotten.
func (w *World) purgeThere(b *backend) {
	n := 0
	w.operate(b.name, func(c *core.Core) (at core.LSN, err error) {
		n, at, err = c.PurgeDeadLetters(b.name)
		return at, err
	}, func(err error, _ bool) { w.witness.Purged(b.number, n, err) })
}
