package sim

import (
	"slices"

	"simplane/core"
)

// What else the witness of a journal judges: pauses over restarts, what is shown between an end
// and its commit, what a process that drains starts, and what searches find after a restart.

// pausesModel is the pauses of one execution.
type pausesModel struct {
	until   int64 // wall ns of the end of the one that was decided on last; 0 = there is none
	durable int64 // the same by its facts
}

// paused notes a retry, and the end of its pause.
func (d *durable) paused(ev *core.Event, a *account) {
	switch {
	case a == nil || d.nodes:
	case ev.Kind == core.EventRetried:
		a.pause.until = ev.At.Wall + int64(ev.Pause)
	case ev.Kind == core.EventRequeued && ev.At.Wall < a.pause.until && d.losses.of == nil:
		d.fail("pauses are kept", "execution #%d is put back %d ns before the end of its pause", a.rec.number, a.pause.until-ev.At.Wall)
	}
}

// Answered implements world.Witness: what has ended is hidden until that is durable.
func (d *durable) Answered() {
	if d.nodes {
		return
	}
	for _, a := range d.endings {
		d.hidden(a)
	}
	d.endings = d.endings[:0]
}

// hidden checks what is shown of an execution that has just ended.
func (d *durable) hidden(a *account) {
	s, ok := d.core.Execution(a.rec.id)
	if !ok || !a.isDurable || d.made.ended[a.rec.id] <= d.disk.Durable() {
		return
	}
	if s.Status.Terminal() || s.Err != nil || s.Output != nil || s.FinishedAtMillis != 0 {
		d.fail("what is shown is what is durable", "execution #%d is shown as %v, and fact %d, its end, is not durable", a.rec.number, s.Status, d.made.ended[a.rec.id])
	}
	d.hides(a, &s)
}

// startsNothing checks that a process which drains leaves durable work for the next one, unless
// somebody waits for it.
func (d *durable) startsNothing(f *core.Fact) {
	a := d.accounts[f.ID]
	if f.Kind == core.FactStarted && d.leaving && !d.nodes && a != nil && a.joins == 0 && !d.drainsOnce {
		d.fail("a drain starts no durable work", "execution #%d starts, for which nobody waits", a.rec.number)
	}
}

// DrainingOnce implements world.Witness.
func (d *durable) DrainingOnce(int) { d.drainsOnce = true }

// ownErrors are codes of core's own errors, which stay after the clean-up.
var ownErrors = []string{core.CodeStale, core.CodeFunctionDeleted, core.CodeInterrupted, core.CodeCancelled, core.CodeQueueWait}

// keepsError checks what is left of an error after the clean-up.
func (d *durable) keepsError(a *account, s *core.Snapshot) {
	if !s.CleanedUp || a.was == nil || a.was.Err == nil || a.was.CleanedUp || d.nodes {
		return
	}
	if own := slices.Contains(ownErrors, a.was.Err.Code); own != (s.Err != nil) {
		d.fail("consistent snapshots", "execution #%d (%v), cleaned up: error present is %v, it was %v", a.rec.number, s.Status, s.Err != nil, a.was.Err)
	}
}

// found compares what searches find with the accounts, when a process has just started.
func (d *durable) found() {
	if d.nodes || d.losses.of != nil {
		return
	}
	failures := core.Statuses(0).With(core.Error).With(core.Timeout)
	for _, q := range []core.Search{{Limit: 500}, {Limit: 500, Statuses: failures}} {
		got := map[core.ID]bool{}
		for more := true; more; {
			p := d.core.Search(&q)
			for _, f := range p.Executions {
				got[f.ID] = true
			}
			more, q.After = p.More, p.Next
		}
		for _, a := range d.inOrder() {
			s, ok := d.core.Execution(a.rec.id)
			want := ok && (q.Statuses == 0 || s.Status == core.Error || s.Status == core.Timeout)
			if got[a.rec.id] != want {
				d.fail("what is kept is found", "execution #%d (%v, there %v): a search for %d finds it: %v", a.rec.number, s.Status, ok, q.Statuses, got[a.rec.id])
			}
		}
	}
}

// sound checks core's sizes.
func (d *durable) sound() {
	if g := d.core.Gauges(); g.PayloadBytes < 0 || g.StoredExecutions == 0 && g.PayloadBytes != 0 {
		d.fail("payload bytes", "core stores %d executions with %d bytes", g.StoredExecutions, g.PayloadBytes)
	}
}

// deletions checks, at the end, that the facts of functions go that are deleted and have nothing
// left.
func (d *durable) deletions() {
	needed := map[registration]bool{}
	for _, a := range d.accounts {
		if a.facts > 0 {
			needed[registration{a.name, a.registration}] = true
		}
	}
	gone := map[registration]bool{}
	d.disk.Each(func(_ core.LSN, f *core.Fact) {
		if f.Kind == core.FactFunctionGone {
			gone[registration{f.Function, f.Registration}] = true
		}
	})
	d.disk.Each(func(at core.LSN, f *core.Fact) {
		of := registration{f.Function, f.Registration}
		if f.Kind == core.FactFunctionSet && gone[of] && !needed[of] && d.core.Gauges().StoredExecutions == 0 {
			d.fail("facts go when nobody needs them", "fact %d is a spec of %s, which is deleted and has nothing left", at, f.Function)
		}
	})
}

// numbered checks that a new registration of a name is told from those that have something left.
func (d *durable) numbered(f *core.Fact) {
	if f.Generation != 1 || d.losses.refolding || d.nodes {
		return
	}
	for _, a := range d.accounts {
		if a.facts > 0 && a.name == f.Function && a.registration == f.Registration {
			d.fail("registrations are told apart", "%s is registered again with the number %d, which execution #%d is of", f.Function, f.Registration, a.rec.number)
		}
	}
}

// Purged implements world.Witness.
func (d *durable) Purged(fn, n int, err error) {
	name := d.functions[fn].name
	ids := slices.DeleteFunc(slices.Clone(d.letters[name]), func(id core.ID) bool { return d.made.redriven[id] })
	if err == nil && n > 0 && !d.nodes && len(ids) > 0 && len(d.letters[name]) < d.core.Config().MaxDeadLetters/2 && d.made.names[name] == 0 {
		d.fail("a purge is in the journal", "%s: %d dead letters are purged, %d are in the journal, and no fact says that they are gone", name, n, len(ids))
	}
	d.witness.Purged(fn, n, err)
}
