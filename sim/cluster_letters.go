package sim

import (
	"slices"

	"simplane/core"
	"simplane/sim/internal/world"
)

// What several judges of dead letters: whichever nodes are asked, by whomever at the same
// time, and whoever owns the partition meanwhile, a letter is redriven once, and who has
// redriven it is told of the execution that came of it.

// redrives judges a fact by which an execution is there that a dead letter has become.
func (k *several) redrives(t *part, f *core.Fact) {
	if f.Kind != core.FactAccepted || f.Letter == (core.ID{}) {
		return
	}
	if first, again := t.redriven[f.Letter]; again {
		k.fail("a dead letter is redriven once", "%v of %s has become execution %v, and becomes %v at epoch %d", f.Letter, f.Function, first, f.ID, t.epoch)
		return
	}
	if !slices.Contains(t.letters[f.Function], f.Letter) {
		k.fail("a dead letter is redriven once", "%v of %s becomes execution %v, and is no dead letter by the facts before", f.Letter, f.Function, f.ID)
	}
	t.redriven[f.Letter] = f.ID
}

// Redriven implements world.Witness.
func (k *several) Redriven(tag world.Tag, letter, as core.ID, err error) {
	if err != nil {
		return
	}
	k.caller(tag).group.counts[cRedriven]++
	t := k.parts[as[15]]
	a, durable := t.accounts[as], t.redriven[letter] != core.ID{}
	if durable && t.redriven[letter] != as || !durable && a != nil && a.isDurable {
		k.fail("who redrives a dead letter is told what it became", "%v: told is %v, the facts say %v", letter, as, t.redriven[letter])
	}
}
