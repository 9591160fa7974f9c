package sim

import (
	"errors"
	"reflect"

	"simplane/core"
)

// What updates change of a function. The spec that must be in force is kept from
// what the world says it has put: core's own word for it is only compared.

// asked is an update that is being made.
type asked struct {
	spec         *core.Spec // nil = none, or core has taken it
	ifGeneration uint64
}

// refused is the answer that core must give; nil = it takes the update.
func (a *asked) refused(f *function) error {
	switch {
	case !f.exists:
		return core.ErrNotFound
	case a.ifGeneration != 0 && a.ifGeneration != f.current.spec.Generation:
		return core.ErrGenerationConflict
	}
	return nil
}

// Updating implements world.Witness.
func (w *witness) Updating(fn int, next *core.Spec, ifGeneration uint64) {
	f := w.functions[fn]
	f.asked = asked{next, ifGeneration}
	f.refusal = f.asked.refused(f)
}

// Updated implements world.Witness.
func (w *witness) Updated(fn int, now *core.Spec, err error) {
	f := w.functions[fn]
	taken := f.asked.spec == nil
	f.asked = asked{}
	switch {
	case !errors.Is(err, f.refusal):
		w.fail("updates", "%s: core says %v, expected %v", f.name, err, f.refusal)
	case taken != (err == nil):
		w.fail("updates", "%s: core says %v, and observed an update %v", f.name, err, taken)
	case err == nil && f.current.lowered:
		w.fail("replicas", "%s: an update lowered maxReplicas to %d, and %d are wanted", f.name, f.current.spec.ScalingConfig.MaxReplicas, f.current.wanted)
	case err == nil && !f.current.autoscaled() && f.current.core.DesiredReplicas() != 0:
		w.fail("replicas", "%s: %d are wanted of a function that is not autoscaled", f.name, f.current.core.DesiredReplicas())
	case err == nil && !reflect.DeepEqual(*now, f.current.spec):
		w.fail("updates", "%s: core answers with %+v, put was %+v", f.name, *now, f.current.spec)
	}
}

// updated has a generation's next spec be in force, as core has just observed.
func (w *witness) updated(f *generation) {
	switch a := &f.function.asked; {
	case a.spec == nil:
		w.fail("updates", "%s: core observed one that nobody asks for", f.name)
	case f.function.refusal != nil:
		w.fail("updates", "%s: core took one, expected %v", f.name, f.function.refusal)
	default:
		before := f.spec
		f.spec, a.spec = *a.spec, nil
		f.spec.Generation = before.Generation + 1
		f.rescaled(&before, w.loop.Now())
	}
	f.group.counts[cUpdates]++
	w.hasSpec(f)
	f.elapse(w.loop.Now())
	if !f.perPod() {
		f.slots = f.spec.Concurrency
	}
	w.writeFunction(f, "reconfigure")
	if w.check != nil {
		w.check.touch(f)
	}
}

// hasSpec compares the spec that core has in force with the one it was given.
func (w *witness) hasSpec(f *generation) {
	if now := f.core.Spec(); !reflect.DeepEqual(*now, f.spec) {
		w.fail("updates", "%s: core has %+v in force, put was %+v", f.name, *now, f.spec)
	}
}
