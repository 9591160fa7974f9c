package sim

import (
	"fmt"
	"slices"

	"simplane/core"
	"simplane/sim/internal/world"
)

// What durable judges by.

// Stored implements world.DiskWatch: the fold.
func (d *durable) Stored(at core.LSN, f *core.Fact) {
	d.losses.kept[at] = f.Function
	switch f.Kind {
	case core.FactFunctionSet:
		d.numbered(f)
		d.specs[f.Function] = *f
		return
	case core.FactFunctionGone:
		if d.specs[f.Function].Registration == f.Registration {
			delete(d.specs, f.Function)
		}
		return
	case core.FactPurged:
		d.setLetters(f.Function, nil)
		return
	case core.FactConfig:
		return
	}
	a := d.accounts[f.ID]
	if a == nil && d.losses.refolding {
		a = d.back(f)
	}
	if a == nil {
		d.fail("facts are of what was accepted", "fact %d, %v, is of %v, which core did not observe", at, f.Kind, f.ID)
		return
	}
	d.byPlace[at] = a
	a.facts++
	d.touched = append(d.touched, a)
	if d.losses.orphan(a, f) {
		return
	}
	if a.status.Terminal() || a.there == (f.Kind == core.FactAccepted) {
		d.fail("facts follow the states of an execution", "fact %d, %v, of execution #%d, which is %v", at, f.Kind, a.rec.number, a.status)
	}
	switch f.Kind {
	case core.FactAccepted:
		a.there, a.registration, a.attempt, a.tail, a.created, a.input = true, f.Registration, 1, at, f.Wall, string(f.Input)
		a.timeout = f.Timeout
		d.hasCall(a, f)
		if f.Letter != (core.ID{}) {
			d.setLetters(f.Function, slices.DeleteFunc(d.letters[f.Function], func(id core.ID) bool { return id == f.Letter }))
			if old := d.accounts[f.Letter]; old != nil {
				old.letter = false
			}
		}
	case core.FactStarted:
		d.started(a)
		a.hasStarted(f)
	case core.FactRetried:
		a.allowed = d.retries(f) + 1
		a.status, a.attempt, a.pausing, a.tail, a.inSlot = core.Queued, f.Attempt, f.RetryAt != 0, at, f.Code == core.CodeInterrupted
		a.pause.durable = f.RetryAt
	case core.FactRequeued:
		a.pausing, a.tail = false, at
	case core.FactEnded:
		output := string(f.Output)
		if f.Echo {
			output = a.input
		}
		a.endKept = d.clock.Wall()
		a.status, a.pausing, a.finished, a.outcome = f.Status, false, f.Wall, fmt.Sprintf("%v %s %s", f.Status, f.Code, output)
		if f.Status != core.Success && !f.Unwanted {
			a.letter = true
			d.setLetters(f.Function, append(d.letters[f.Function], f.ID))
		}
	}
}

// started applies a start, which must be of the first in the queue.
func (d *durable) started(a *account) {
	if !a.inSlot && !d.losses.refolding {
		for _, other := range d.accounts {
			if other.there && other.name == a.name && other.registration == a.registration && other.status == core.Queued && !other.pausing && !other.inSlot && other.tail < a.tail && !d.passes(a, other) {
				d.fail("work starts in the order of its facts", "execution #%d starts, and #%d was queued before it", a.rec.number, other.rec.number)
			}
		}
	}
	a.status, a.inSlot = core.Running, false
}

// passes says that a may start before other, which was queued earlier: a process that
// drains, or hands a partition over, starts what callers wait for and what is drained by
// hand, and leaves what nobody waits for to the next one. Nobody begins to wait then, so whoever waits for other now
// did when that was decided.
func (d *durable) passes(a, other *account) bool {
	return d.leaving && (a.joins > 0 || a.byHand) && other.waiting == 0
}

// joined is a caller who begins to wait for an execution.
func (a *account) joined() {
	a.joins++
	a.waiting++
}

// retries are the maxRetries that were in force at a fact.
func (d *durable) retries(f *core.Fact) int {
	set, ok := d.specs[f.Function]
	switch {
	case !ok && d.losses.refolding:
		return core.MaxRetriesBound // the spec that was in force then may be released
	case !ok:
		return 0
	}
	spec, err := world.Specs{}.DecodeSpec(set.Data)
	if err != nil {
		d.fail("facts are of what was accepted", "a spec of %s: %v", f.Function, err)
		return 0
	}
	return spec.MaxRetries
}

// setLetters sets a name's dead letters, which core keeps up to a number.
func (d *durable) setLetters(name string, ids []core.ID) {
	for len(ids) > d.core.Config().MaxDeadLetters {
		d.accounts[ids[0]].letter = false
		ids = ids[1:]
	}
	if ids == nil {
		for _, id := range d.letters[name] {
			d.accounts[id].letter = false
		}
	}
	d.letters[name] = ids
}

// Released implements world.DiskWatch: nothing goes that is still needed.
func (d *durable) Released(at core.LSN) {
	delete(d.losses.kept, at)
	a := d.byPlace[at]
	if a == nil {
		return // of a function, or a purge
	}
	delete(d.byPlace, at)
	a.facts--
	if !d.past(a) || a.letter {
		d.fail("facts stay while they are needed", "fact %d of execution #%d is released: %v, dead letter %v", at, a.rec.number, a.status, a.letter)
	}
	if a.facts == 0 {
		d.drop(a)
	}
}

// past says that an execution's TTL is over.
func (d *durable) past(a *account) bool {
	return a.status.Terminal() && d.clock.Wall()-a.finished > int64(d.core.Config().TTL)
}

func (d *durable) drop(a *account) {
	if !a.letter {
		delete(d.accounts, a.rec.id)
	}
}

func (d *durable) evicted(ev *core.Event, a *account) {
	switch {
	case a == nil:
	case !a.isDurable:
		d.drop(a)
	case !d.past(a):
		d.fail("an execution is kept for its TTL", "execution #%d is evicted; its facts say %v", a.rec.number, a.status)
	}
}

// dispatched judges a dispatch.
func (d *durable) dispatched(ev *core.Event, f *generation, a *account) {
	if a == nil || !a.isDurable {
		return
	}
	if d.nodes {
		d.dispatchedThere(ev, a)
		return
	}
	if a.status != core.Running || a.attempt != ev.Attempt {
		d.fail("a dispatch follows its start", "attempt %d of execution #%d is dispatched; its facts say attempt %d, %v", ev.Attempt, a.rec.number, a.attempt, a.status)
	}
	if a.made++; a.made > int(ev.Attempt) || a.made > 1 && a.made > a.allowed {
		d.fail("no more attempts than maxRetries + 1", "execution #%d: %d attempts, attempt %d is dispatched", a.rec.number, a.made, ev.Attempt)
	}
	if a.open {
		d.fail("attempts do not overlap", "attempt %d of execution #%d is dispatched while another is open", ev.Attempt, a.rec.number)
	}
	a.open = true
}

// keep gives the answers whose facts are durable, in time.
func (d *durable) keep() {
	reached := d.disk.Durable()
	d.rests = slices.DeleteFunc(d.rests, func(p promise) bool {
		if p.on > reached {
			return false
		}
		if !d.late(&p) {
			d.acknowledge(&p)
		}
		return true
	})
}

// late says that the caller has been told that nobody knows.
func (d *durable) late(p *promise) bool {
	if d.loop.Now()-p.since < d.timeout {
		return false
	}
	d.byName[p.of.name].group.counts[cUnavailable]++
	return true
}

func (d *durable) acknowledge(p *promise) {
	a := p.of
	if !a.there {
		d.fail("an answer follows its facts", "execution #%d is acknowledged, and no fact of it is durable", a.rec.number)
	}
	if p.cancel && !a.status.Terminal() {
		d.fail("an answer follows its facts", "execution #%d is cancelled, and its end is not durable", a.rec.number)
	}
	if p.key == "" {
		return
	}
	first := d.keys[p.key]
	ttl := int64(d.core.Config().IdempotencyTTL)
	if first != nil && first != a && first.created+ttl >= p.at && !(first.status.Terminal() && p.at-first.finished > int64(d.core.Config().TTL)) {
		d.fail("a key leads to one execution", "key %s led to execution #%d and leads to #%d", p.key, first.rec.number, a.rec.number)
	}
	if first == nil || first.created < a.created {
		d.keys[p.key] = a
	}
}

// Advanced implements world.Witness: at every commit, what core shows of what has
// changed is what its facts come to.
func (d *durable) Advanced() {
	d.keep()
	for _, a := range d.touched {
		d.compare(a)
		d.remember(a)
		d.unbroken(a)
	}
	d.settingsAt()
	d.sound()
	d.leftIdle()
	if d.log.lines&15 == 0 && !d.nodes {
		d.unfinished()
	}
	d.touched = d.touched[:0]
	line := append(d.log.begin(d.loop.Now()), "durable "...)
	d.log.end(fmt.Append(line, d.disk.Durable()))
}

// compare compares what core shows of an execution with its facts.
func (d *durable) compare(a *account) {
	if !a.there {
		return
	}
	s, ok := d.core.Execution(a.rec.id)
	switch {
	case !ok && !d.past(a):
		d.fail("nothing acknowledged is missing", "execution #%d is gone; its facts say %v", a.rec.number, a.status)
	case !ok:
		return
	case s.Status.Terminal() != a.status.Terminal():
		d.fail("what is shown is what is durable", "execution #%d is shown as %v; its facts say %v", a.rec.number, s.Status, a.status)
	case !s.Status.Terminal() && (s.Err != nil || s.Output != nil || s.FinishedAtMillis != 0):
		d.fail("what is shown is what is durable", "execution #%d is shown as %v with error %v, output %q and end %d", a.rec.number, s.Status, s.Err, s.Output, s.FinishedAtMillis)
	case s.Attempt < a.attempt:
		d.fail("what is shown is what is durable", "execution #%d is shown at attempt %d; its facts say %d", a.rec.number, s.Attempt, a.attempt)
	case s.Status.Terminal() && !s.CleanedUp && outcomeOf(&s) != a.outcome:
		d.fail("what is shown is what is durable", "execution #%d is shown as %s; its facts say %s", a.rec.number, outcomeOf(&s), a.outcome)
	}
	d.hides(a, &s)
	d.keepsError(a, &s)
}
