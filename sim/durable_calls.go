package sim

import (
	"simplane/core"
	"simplane/sim/internal/world"
)

// What the world tells durable of its calls: world.Witness.

// Created implements world.Witness.
func (d *durable) Created(fn int, err error) {
	f := d.functions[fn]
	if err == nil {
		if !d.nodes && !d.disk.Room() {
			d.fail("new durable work needs room", "%s is registered, and the journal has no room", f.name)
		}
		d.promised[f.name] = append(d.promised[f.name], *f.current.core.Spec())
		f.exists = true
		delete(d.settings.rates, f.name) // another function, with a limit of its own
	}
}

// Deleted implements world.Witness.
func (d *durable) Deleted(fn int, err error) {
	if err == nil {
		delete(d.promised, d.functions[fn].name)
		d.functions[fn].exists = false
	}
}

// Updating implements world.Witness.
func (d *durable) Updating(int, *core.Spec, uint64) {}

// Updated implements world.Witness.
func (d *durable) Updated(fn int, now *core.Spec, err error) {
	if f := d.functions[fn]; err == nil {
		f.group.counts[cUpdates]++
		d.promised[f.name] = append(d.promised[f.name], *now)
	}
}

// Unended implements world.Witness.
func (d *durable) Unended(fn int) (ids []core.ID) {
	for _, a := range d.inOrder() {
		if s, ok := d.core.Execution(a.rec.id); ok && a.name == d.functions[fn].name && !s.Status.Terminal() {
			ids = append(ids, a.rec.id)
		}
	}
	return ids
}

// Cancelling implements world.Witness.
func (d *durable) Cancelling(core.ID) {}

// Cancelled implements world.Witness: what it has freed is used at once.
func (d *durable) Cancelled(_ core.ID, _ *core.Snapshot, err error) {
	if err == nil {
		d.leftIdle()
	}
}

// Redriven implements world.Witness.
func (d *durable) Redriven(t world.Tag, _, _ core.ID, err error) {
	if err == nil {
		d.caller(t).group.counts[cRedriven]++
	}
}
