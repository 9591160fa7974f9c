package sim

import (
	"errors"
	"slices"
	"strconv"

	"simplane/core"
	"simplane/sim/internal/world"
	"simplane/sim/scenario"
)

// What the world tells of its calls: world.Witness. What a call must bring
// about is judged after it, from core's answer and from the events that have
// been observed meanwhile.

// Offering implements world.Witness.
func (w *witness) Offering(t world.Tag, k *world.Caller, input []byte, letter core.ID) {
	f := w.caller(t)
	f.group.counts[cOffered]++
	if w.check != nil {
		w.check.offering(t, f, k, input, letter)
	}
}

// Offered implements world.Witness.
func (w *witness) Offered(t world.Tag, c *world.Caller, res *core.Result, err error) {
	if w.check != nil {
		w.check.submitted(w.caller(t), c, res, err)
	}
}

// caller is the function that a call was made at; nil for a tag that no call
// bears.
func (w *witness) caller(t world.Tag) *function {
	if i := t.Load(); i >= 0 && i < len(w.loads) {
		return w.functions[w.loads[i].Function]
	}
	return nil
}

// Created implements world.Witness.
func (w *witness) Created(fn int, err error) {
	f := w.functions[fn]
	want := error(nil)
	switch {
	case f.exists:
		want = core.ErrExists
	case w.check != nil && w.registered() >= w.check.mostFunctions:
		want = core.ErrFunctionLimit
	}
	if w.check != nil && !errors.Is(err, want) || errors.Is(err, core.ErrExists) != f.exists {
		w.fail("create-function", "%s: existed %v, core says %v, expected %v", f.name, f.exists, err, want)
	}
	f.exists = f.exists || err == nil
	if f.exists != (f.current != nil) {
		w.fail("create-function", "%s: exists %v, but by core's events %v", f.name, f.exists, f.current != nil)
	}
}

// registered is how many functions exist.
func (w *witness) registered() (n int) {
	for _, f := range w.functions {
		if f.exists {
			n++
		}
	}
	return n
}

// Deleted implements world.Witness.
func (w *witness) Deleted(fn int, err error) {
	f := w.functions[fn]
	if (err == nil) != f.exists {
		w.fail("delete-function", "%s: existed %v, core says %v", f.name, f.exists, err)
	}
	if f.exists && !f.current.deleted {
		w.fail("delete-function", "%s: core observed no deletion", f.name)
	}
	f.exists, f.current, f.letters.dropped = false, nil, -1
}

// Reporting implements world.Witness.
func (w *witness) Reporting(fn int, typ, name string, value float64) {
	b := append(w.log.begin(w.loop.Now()), "report "...)
	b = append(append(append(b, w.functions[fn].name...), ' '), typ...)
	if name != "" {
		b = strconv.AppendQuote(append(b, ' '), name)
	}
	w.log.end(strconv.AppendFloat(append(b, ' '), value, 'g', -1, 64))
	w.reportedAt = w.loop.Now()
}

// Reported implements world.Witness.
func (w *witness) Reported(fn int, typ, name string, value float64, err error) {
	f := w.functions[fn]
	if f.exists && f.current != nil && !f.current.takes(typ, name) {
		if invalid := (*core.ValidationError)(nil); !errors.As(err, &invalid) {
			w.fail("reports are taken", "%s is not scaled by %s %s, and core says %v", f.name, typ, name, err)
		}
		return
	}
	if (err == nil) != f.exists || (err != nil && !errors.Is(err, core.ErrNotFound)) {
		w.fail("reports are taken", "%s: %s %s = %v: exists %v, core says %v", f.name, typ, name, value, f.exists, err)
	}
}

// takes says that a function is scaled by a figure that core is told.
func (f *generation) takes(typ, name string) bool {
	return f.autoscaled() && slices.ContainsFunc(f.spec.ScalingConfig.Metrics, func(m core.ScalingMetric) bool { return m.Type == typ && m.Name == name })
}

// Fault implements world.Witness.
func (w *witness) Fault(f *scenario.Fault, ends bool) {
	verb := "fault "
	if ends {
		verb = "fault-end "
	}
	line := append(w.log.begin(w.loop.Now()), verb...)
	line = append(append(append(line, f.Kind...), ' '), f.Function...)
	w.log.end(line)
	if f.Kind == "clock-jump" && w.check != nil {
		w.check.clockJumps()
	}
}

// Scaled implements world.Witness.
func (w *witness) Scaled(fn, n int) {
	if f := w.functions[fn].current; f != nil {
		w.scaled(f, n)
	}
}

// Occupancy implements world.Witness.
func (w *witness) Occupancy(fn int) int64 {
	f := w.functions[fn].current
	if f == nil {
		return 0
	}
	f.elapse(w.loop.Now())
	return f.queueArea + f.runningArea
}

// Without a journal no call rests on anything, and nothing crashes: Rests,
// Advanced, Crashed, Restarted and Refused of world.Witness are durable's.

// Rests implements world.Witness.
func (w *witness) Rests(world.Tag, core.ID, core.LSN) {}

// Conditional implements world.Witness.
func (w *witness) Conditional(int, core.ID, core.LSN) {}

// Advanced implements world.Witness.
func (w *witness) Advanced() {}

// Crashed implements world.Witness.
func (w *witness) Crashed() {}

// Restarted implements world.Witness.
func (w *witness) Restarted() {}

// Refused implements world.Witness.
func (w *witness) Refused(error) {}

// Seen implements world.Witness.
func (w *witness) Seen(core.ID, int64, *core.Snapshot) {}

// Settled implements world.Witness.
func (w *witness) Settled(core.ID, int, *core.Outcome, error) {}

// Woken implements world.Witness.
func (w *witness) Woken(c *world.Caller, s core.Snapshot) {
	if w.check != nil {
		w.check.woken(c, &s)
	}
}

// Dispatching implements world.Witness.
func (w *witness) Dispatching(t core.Task) {
	if w.check != nil {
		w.check.handed(&t)
	}
}

// Answering implements world.Witness.
func (w *witness) Answering(id core.ID, attempt int, o core.Outcome) {
	if w.check != nil {
		w.check.answering(id, int32(attempt), o)
	}
}

// Answered implements world.Witness.
func (w *witness) Answered() {
	if w.check != nil {
		w.check.taken()
	}
}
