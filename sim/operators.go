package sim

import (
	"cmp"
	"errors"
	"slices"

	"simplane/core"
	"simplane/sim/internal/world"
)

// What operators do to executions: they cancel some, and redrive dead letters.
// Both are told by the world: world.Witness.

// Unended implements world.Witness.
func (w *witness) Unended(fn int) []core.ID {
	var found []*record
	for i := range w.all {
		if rec := &w.all[i]; rec.state != stFree && rec.state != stEnded && rec.fn.function.number == fn {
			found = append(found, rec)
		}
	}
	slices.SortFunc(found, func(a, b *record) int { return cmp.Compare(a.number, b.number) })
	ids := make([]core.ID, len(found))
	for i, rec := range found {
		ids[i] = rec.id
	}
	return ids
}

// Cancelling implements world.Witness.
func (w *witness) Cancelling(id core.ID) {
	rec, _ := w.find(id)
	w.cancelling, w.cancellable = id, nil
	switch {
	case rec == nil || w.check != nil && rec.state == stEnded && w.clock.Wall()-rec.finished > int64(w.check.cfg.TTL):
		w.cancellable = core.ErrExecutionGone
	case rec.state == stEnded:
		w.cancellable = core.ErrAlreadyEnded
	}
}

// Cancelled implements world.Witness.
func (w *witness) Cancelled(id core.ID, s *core.Snapshot, err error) {
	w.cancelling = core.ID{}
	rec, _ := w.find(id)
	switch {
	case !errors.Is(err, w.cancellable):
		w.fail("cancel", "execution %s: core says %v, expected %v", id, err, w.cancellable)
	case err == nil && (rec == nil || rec.state != stEnded):
		w.fail("cancel", "execution %s was cancelled and has not ended", id)
	case err == nil && w.check != nil:
		_, slot := w.find(id)
		w.check.shows(rec, slot, s, "its cancel's answer")
	}
}

// Mistaken implements world.Witness.
func (w *witness) Mistaken(what string, err, want error) {
	var invalid *core.ValidationError
	if want == nil && !errors.As(err, &invalid) {
		w.fail("mistakes are refused", "%s: core says %v, expected what is invalid", what, err)
	}
	if want != nil && !errors.Is(err, want) {
		w.fail("mistakes are refused", "%s: core says %v, expected %v", what, err, want)
	}
}

// Redriven implements world.Witness.
func (w *witness) Redriven(t world.Tag, letter, _ core.ID, err error) {
	f := w.caller(t)
	if err == nil {
		f.group.counts[cRedriven]++
	}
	if w.check != nil {
		w.check.redriven(f, letter, err)
	}
}
