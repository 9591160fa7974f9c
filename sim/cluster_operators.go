package sim

import (
	"errors"
	"fmt"

	"simplane/core"
)

// What several judges of cancels, and of completions from outside: whoever is told of an
// end finds it in the facts, with that outcome, and so does everybody who asks later.

// Unended implements world.Witness.
func (k *several) Unended(fn int) (ids []core.ID) {
	for _, a := range k.of(fn).inOrder() {
		if a.name != k.functions[fn].name {
			continue
		}
		if a.isDurable && a.there && !a.status.Terminal() || !a.isDurable && !a.over {
			ids = append(ids, a.rec.id)
		}
	}
	return ids
}

// Completing implements world.Witness.
func (k *several) Completing(id core.ID, attempt int, o core.Outcome) {
	k.completing, k.completion, k.completionOf = k.parts[id[15]].accounts[id], endBy(&o), attempt
	if a := k.completing; a != nil && a.brought == k.completion && a.broughtBy == attempt {
		a.brought = "" // this is another try
	}
}

// Completed implements world.Witness.
func (k *several) Completed(error) {
	if a := k.completing; a != nil && a.brought == k.completion && a.broughtBy == k.completionOf {
		k.byName[a.name].group.counts[cCompleted]++
	}
	k.completing = nil
}

// endBy is the end that an outcome brings about, as outcomeOf shows it.
func endBy(o *core.Outcome) string { return fmt.Sprintf("%v %s %s", o.Status, o.Code, o.Output) }

// endedByCancel is the end of what was cancelled.
var endedByCancel = endBy(&core.Outcome{Status: core.Error, Code: core.CodeCancelled})

// Settled implements world.Witness.
func (k *several) Settled(id core.ID, attempt int, o *core.Outcome, err error) {
	t := k.parts[id[15]]
	a := t.accounts[id]
	cancelled := o == nil && err == nil
	gone := errors.Is(err, core.ErrExecutionGone)
	told := err == nil || errors.Is(err, core.ErrAlreadyEnded) || gone
	if a == nil || !told {
		return // it is past its TTL, or lost with a process's memory; or nobody has said
	}
	if !a.isDurable {
		if !a.over && !gone && attempt == 0 {
			k.fail("who ends an execution has ended it", "execution #%d is ended by a cancel or from outside, and goes on", a.rec.number)
		}
		return
	}
	over := a.status.Terminal()
	switch {
	case gone && !t.past(a):
		k.fail("nothing acknowledged is missing", "execution #%d is to be ended, and not there; its facts say %v", a.rec.number, a.status)
	case gone:
	case !over && attempt == 0:
		k.fail("an answer follows its facts", "execution #%d is ended by a cancel or from outside, and its end is not durable", a.rec.number)
	case cancelled && a.outcome != endedByCancel:
		k.fail("who ends an execution has ended it", "execution #%d is cancelled; its facts say %v %s", a.rec.number, a.status, a.outcome)
	case o != nil && a.brought == endBy(o) && a.broughtBy == attempt && a.outcome != a.brought:
		k.fail("who ends an execution has ended it", "execution #%d is completed from outside with %s; its facts say %v %s", a.rec.number, a.brought, a.status, a.outcome)
	case over && !a.settled:
		a.settled, a.settledAt = true, k.loop.Now()
	}
}

// Cancelling implements world.Witness.
func (k *several) Cancelling(core.ID) {}

// Cancelled implements world.Witness.
func (k *several) Cancelled(core.ID, *core.Snapshot, error) {}
