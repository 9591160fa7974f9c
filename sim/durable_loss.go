package sim

import (
	"fmt"
	"maps"
	"slices"

	"simplane/core"
	"simplane/sim/scenario"
)

// A disk that lies loses facts that were durable. The witness notices by the places
// of facts: none that is durable goes before it is released. Whether core can notice
// is another question, since it knows the facts that are left and nothing else. A loss
// that these show must not be overlooked: the process must not start. Of a loss that
// they do not show, such as one of all that came last, it is not to be expected.

// losses is what is known of facts that are gone.
type losses struct {
	allowed   bool                // the scenario has a check on lost_facts
	kept      map[core.LSN]string // durable and not released, with the name of the function
	lost      map[core.LSN]bool
	refolding bool
	of        *group // of the first that was lost
}

func newLosses(expect []scenario.Check) losses {
	return losses{
		kept: map[core.LSN]string{}, lost: map[core.LSN]bool{},
		allowed: slices.ContainsFunc(expect, func(c scenario.Check) bool { return c.Count == counterNames[cLostFacts] }),
	}
}

// lose looks for what a crash has taken that was durable, counts it, and goes on
// with what is there.
func (d *durable) lose() {
	l := &d.losses
	clear(l.lost)
	for at := range l.kept {
		if !d.disk.Has(at) {
			l.lost[at] = true
		}
	}
	if len(l.lost) == 0 {
		if d.cameBack() {
			d.refold()
		}
		return
	}
	places := slices.Sorted(maps.Keys(l.lost))
	for _, at := range places {
		if f := d.byName[l.kept[at]]; f != nil {
			f.group.counts[cLostFacts]++
			l.of = f.group
		}
	}
	d.log.end(fmt.Appendf(d.log.begin(d.loop.Now()), "lost %d from=%d", len(places), places[0]))
	if !l.allowed {
		d.fail("what is synced is kept", "the disk had synced %d facts, from %d to %d, and has lost them; a scenario in which that may happen has a check on the count lost_facts", len(places), places[0], places[len(places)-1])
	}
	d.refold()
}

// cameBack says that facts are there that were released: the disk had synced that, too.
func (d *durable) cameBack() (any bool) {
	d.disk.Each(func(at core.LSN, _ *core.Fact) {
		if _, kept := d.losses.kept[at]; !kept {
			any = true
		}
	})
	return any
}

// refold forgets what the facts came to, and folds those that are left.
func (d *durable) refold() {
	for _, a := range d.accounts {
		*a = account{rec: a.rec, name: a.name, isDurable: a.isDurable, created: a.created}
	}
	clear(d.byPlace)
	clear(d.letters)
	clear(d.specs)
	clear(d.losses.kept)
	d.losses.refolding = true
	d.disk.Each(d.Stored)
	d.losses.refolding = false
	d.touched = d.touched[:0]
	for _, a := range d.accounts {
		if a.made = int(a.attempt); a.status == core.Queued {
			a.made--
		}
	}
	maps.DeleteFunc(d.keys, func(_ string, a *account) bool { return !a.there })
}

// back is the account of an execution that was gone, and is not, because what took
// it away is lost.
func (d *durable) back(f *core.Fact) *account {
	d.number++
	a := &account{name: f.Function, isDurable: true}
	a.rec.id, a.rec.number = f.ID, d.number
	d.accounts[f.ID] = a
	return a
}

// orphan says that f is not the first fact of an execution, and no first one is
// there: it was released, and the rest is about to be, or it is lost.
func (l *losses) orphan(a *account, f *core.Fact) bool {
	if !l.refolding || a.there || f.Kind == core.FactAccepted {
		return false
	}
	a.status, a.finished = core.Success, 0 // past its TTL, in any case
	return true
}

// overlooked is called when a process has started.
func (d *durable) overlooked() {
	if d.losses.of == nil {
		return
	}
	if what := d.shown(); what != "" {
		d.fail("a loss that the facts show is not overlooked", "the process starts, although %s", what)
	}
}

// Refused implements world.Witness.
func (d *durable) Refused(why error) {
	d.log.end(append(d.log.begin(d.loop.Now()), "refused"...))
	if d.losses.of == nil || d.shown() == "" {
		d.fail("the process starts again", "%v", why)
		return
	}
	d.losses.of.counts[cRefusedStarts]++
}

// chain is the facts of one execution so far.
type chain struct {
	last    core.Fact
	orphan  bool
	of      registration
	account *account
}

// registration is one of a name.
type registration struct {
	name   string
	number uint64
}

// shown is what is wrong with the facts that are there, for somebody who knows
// nothing else; "" = nothing.
func (d *durable) shown() (what string) {
	chains := map[core.ID]*chain{}
	var inOrder []*chain
	specs := map[registration]bool{} // true = not gone
	add := func(format string, args ...any) {
		if what == "" {
			what = fmt.Sprintf(format, args...)
		}
	}
	d.disk.Each(func(at core.LSN, f *core.Fact) {
		of := registration{f.Function, f.Registration}
		switch f.Kind {
		case core.FactFunctionSet:
			specs[of] = true
			return
		case core.FactFunctionGone:
			if specs[of] {
				specs[of] = false
			}
			return
		case core.FactPurged, core.FactConfig:
			return
		}
		c := chains[f.ID]
		switch {
		case c == nil:
			c = &chain{orphan: f.Kind != core.FactAccepted, of: of, account: d.accounts[f.ID]}
			chains[f.ID], inOrder = c, append(inOrder, c)
		case !c.orphan && !follows(&c.last, f):
			add("fact %d says %v of attempt %d, and the one before it %v of attempt %d", at, f.Kind, f.Attempt, c.last.Kind, c.last.Attempt)
		}
		c.last = *f
	})
	inForce := map[string]int{}
	for of, there := range specs {
		if there {
			inForce[of.name]++
		}
	}
	for _, c := range inOrder {
		_, there := specs[c.of]
		switch {
		case c.orphan && c.last.Kind != core.FactEnded:
			add("an execution of %s was never accepted, by its facts", c.of.name)
		case !c.orphan && !there && (c.account == nil || !d.past(c.account)):
			add("an execution is of %s, which was never registered, by the facts", c.of.name)
		case inForce[c.of.name] > 1:
			add("%s is there twice", c.of.name)
		}
	}
	return what
}

// follows says that f may be the next fact of an execution after last.
func follows(last, f *core.Fact) bool {
	attempt := max(last.Attempt, 1)
	switch f.Kind {
	case core.FactStarted:
		ready := last.Kind == core.FactAccepted || last.Kind == core.FactRetried && last.RetryAt == 0 || last.Kind == core.FactRequeued
		return ready && f.Attempt == attempt
	case core.FactRetried:
		return last.Kind == core.FactStarted && f.Attempt == attempt+1
	case core.FactRequeued:
		return last.Kind == core.FactRetried && last.RetryAt != 0 && f.Attempt == attempt
	case core.FactEnded:
		return last.Kind != core.FactEnded && f.Attempt == attempt
	}
	return false
}
