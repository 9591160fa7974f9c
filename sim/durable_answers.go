package sim

import (
	"simplane/core"
	"simplane/sim/internal/world"
)

// What core answers may rest on facts that are not durable yet, and then it says on which:
// nobody may be told before that. The witness sees each fact as it is made, and so knows what
// an answer rests on.

// made is which facts this process has made.
type made struct {
	accepted, ended map[core.ID]core.LSN
	names           map[string]core.LSN // the last deletion or purge that no answer has told of
	redriven        map[core.ID]bool    // dead letters
	settings        core.LSN            // the last one of a function or of the configuration
}

func newMade() made {
	return made{accepted: map[core.ID]core.LSN{}, ended: map[core.ID]core.LSN{}, names: map[string]core.LSN{}, redriven: map[core.ID]bool{}}
}

// Appended implements world.DiskWatch.
func (d *durable) Appended(at core.LSN, f *core.Fact) {
	m := &d.made
	d.startsNothing(f)
	switch f.Kind {
	case core.FactAccepted:
		m.accepted[f.ID], m.redriven[f.Letter] = at, true
	case core.FactStarted:
		if a := d.accounts[f.ID]; a != nil && a.joins == 0 {
			a.byHand, d.drainsOnce = d.drainsOnce, false // one call starts one
		}
	case core.FactEnded:
		m.ended[f.ID] = at
	case core.FactPurged:
		m.names[f.Function] = at
	case core.FactFunctionGone:
		m.names[f.Function], m.settings = at, at
	case core.FactFunctionSet, core.FactConfig:
		m.settings = at
	}
}

// Conditional implements world.Witness: the answer to a request about an execution, or about
// a function if id is zero, rests on a fact; 0 = none.
func (d *durable) Conditional(fn int, id core.ID, on core.LSN) {
	need := d.made.ended[id]
	if id == (core.ID{}) {
		name := d.functions[fn].name
		need = d.made.names[name]
		delete(d.made.names, name)
	}
	if on < need && need > d.disk.Durable() {
		d.fail("answers say what they rest on", "an answer about %s, execution %v, rests on fact %d, and not on fact %d", d.functions[fn].name, id, on, need)
	}
}

// acceptedOn checks what the answer to a submission rests on.
func (d *durable) acceptedOn(a *account, on core.LSN) {
	if need := d.made.accepted[a.rec.id]; on < need && need > d.disk.Durable() {
		d.fail("answers say what they rest on", "that execution #%d is there rests on fact %d, and not on fact %d", a.rec.number, on, need)
	}
}

// settingsAt checks what whoever reads functions and settings has to wait for.
func (d *durable) settingsAt() {
	if got := d.core.SettingsAt(); got < d.made.settings {
		d.fail("answers say what they rest on", "functions and settings rest on fact %d, and not on fact %d", got, d.made.settings)
	}
}

// leftIdle checks that core has let go all that a commit was waited for with, and has used what
// that freed.
func (d *durable) leftIdle() {
	if d.nodes || d.offScheduler {
		return
	}
	for _, f := range d.functions {
		fn := d.core.Function(f.name)
		if fn != nil && fn.QueueDepth() > 0 && fn.InFlight() < fn.EffectiveConcurrency() {
			d.fail("work conserving", "%s: %d queued and %d of %d slots in use after a commit", f.name, fn.QueueDepth(), fn.InFlight(), fn.EffectiveConcurrency())
		}
	}
	if _, inFlight := d.core.Unfinished(); d.core.Gauges().Held == 0 && inFlight != len(d.holding) {
		d.fail("slots", "core has %d in flight, nothing is held, and by its events it is %d", inFlight, len(d.holding))
	}
}

// slotOf follows who holds a slot in this process.
func (d *durable) slotOf(ev *core.Event) {
	switch ev.Kind {
	case core.EventDispatched:
		d.holding[ev.ID] = true
	case core.EventSlotReleased:
		delete(d.holding, ev.ID)
	}
}

var _ world.DiskWatch = (*durable)(nil)
