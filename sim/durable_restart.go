package sim

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"simplane/core"
)

// What durable does when a process ends and another begins, and at the end of a run.

// Crashed implements world.Witness: who was not told will not be, and what is in
// memory only is gone.
func (d *durable) Crashed() {
	d.log.end(append(d.log.begin(d.loop.Now()), "crash"...))
	for i := range d.rests {
		d.late(&d.rests[i])
	}
	d.rests, d.touched = d.rests[:0], d.touched[:0]
	d.made = newMade()
	clear(d.holding)
	d.drainsOnce, d.endings = false, d.endings[:0]
	d.lose()
	for id, a := range d.accounts {
		a.over, a.breakOff, a.joins, a.waiting, a.byHand = a.status.Terminal(), 0, 0, 0, false
		a.pause.until = a.pause.durable
		if a.open, a.running, a.inSlot, a.slot = false, false, false, false; a.facts == 0 && !a.letter {
			delete(d.accounts, id)
		}
	}
	d.drains, d.leaving, d.completing = 0, false, core.ID{}
	if d.disk.Durable() == 0 { // a first start, as far as core can tell: nobody was told of a call
		clear(d.settings.rates)
	}
	if d.settings.at > d.disk.Durable() {
		d.settings.at = 0
	}
	for name, specs := range d.promised {
		d.promised[name] = slices.DeleteFunc(specs, func(s core.Spec) bool {
			return s.LSN > d.disk.Durable() || len(d.losses.lost) > 0 && !d.disk.Has(s.LSN)
		})
	}
	for _, f := range d.functions {
		for _, g := range f.generations {
			d.sizes(g, 0, 0, 0)
		}
	}
}

// Restarted implements world.Witness.
func (d *durable) Restarted() {
	d.log.end(append(d.log.begin(d.loop.Now()), "restart"...))
	d.overlooked()
	for _, f := range d.functions {
		for _, g := range f.generations {
			if g.core == d.core.Function(f.name) {
				d.follow(g)
			}
		}
	}
	d.compareAll()
	for _, a := range d.inOrder() {
		d.stillShown(a)
	}
	d.found()
	d.restoredSettings()
	d.unfinished()
	d.nothingWaits()
}

// compareAll compares all that core shows with the facts.
func (d *durable) compareAll() {
	for _, a := range d.inOrder() {
		d.compare(a)
	}
	for _, f := range d.functions {
		fn, fact := d.core.Function(f.name), d.specs[f.name]
		if specs := d.promised[f.name]; len(specs) > 0 && (fn == nil || fn.Spec().Generation < specs[len(specs)-1].Generation) {
			d.fail("nothing acknowledged is missing", "function %s, generation %d", f.name, specs[len(specs)-1].Generation)
		}
		if fn != nil && fn.Spec().LSN <= d.disk.Durable() && fn.Spec().Generation != fact.Generation {
			d.fail("what is shown is what is durable", "function %s is at generation %d; its facts say %d", f.name, fn.Spec().Generation, fact.Generation)
		}
		d.compareLetters(f.name)
	}
}

// leftovers looks for facts that nobody needs any more, for long enough that sweeps
// have come.
func (d *durable) leftovers() {
	if d.nodes {
		return
	}
	d.oneConfig()
	d.deletions()
	d.sound()
	d.drained()
	d.unfinished()
	cfg := d.core.Config()
	for _, a := range d.inOrder() {
		if age := d.clock.Wall() - max(a.finished, a.endKept); a.status.Terminal() && a.facts > 0 && !a.letter && age > int64(cfg.TTL+4*cfg.SweepInterval) {
			d.fail("facts go when nobody needs them", "execution #%d ended %v ago, and %d facts of it are there", a.rec.number, time.Duration(age), a.facts)
		}
	}
}

// compareLetters compares the dead letters of a name with those that the facts come
// to, but for the oldest, which ends that are not durable may have pushed out. It is
// for when no redrive is under way.
func (d *durable) compareLetters(name string) {
	ids, _ := d.core.DeadLetterIDs(name)
	want := d.letters[name]
	held := d.core.DeadLetterCount(name) - len(ids)
	want = want[min(len(want), max(0, len(want)+held-d.core.Config().MaxDeadLetters)):]
	ids = slices.DeleteFunc(ids, func(id core.ID) bool { return d.accounts[id] == nil || !d.accounts[id].isDurable })
	for _, id := range ids {
		d.letterOf(name, id)
	}
	if !slices.Equal(ids, want) {
		d.fail("dead letters are kept", "%s has %d, %v; by its facts %d, %v", name, len(ids), ids, len(want), want)
	}
}

// inOrder are the accounts in order of acceptance.
func (d *durable) inOrder() []*account {
	return slices.SortedFunc(maps.Values(d.accounts), func(a, b *account) int { return cmp.Compare(a.rec.number, b.rec.number) })
}
