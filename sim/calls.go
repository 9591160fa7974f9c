package sim

import (
	"errors"
	"strconv"

	"simplane/core"
	"simplane/sim/draws"
	"simplane/sim/internal/world"
	"simplane/sim/scenario"
)

// What the world tells of its calls: world.Witness. What a call must bring
// about is judged after it, from core's answer and from the events that have
// been observed meanwhile.

// Offering implements world.Witness.
func (w *witness) Offering(t world.Tag) {
	w.caller(t).group.counts[cOffered]++
	w.brings = len(draws.Input(t.Input()))
	if calls, n := w.loads[t.Load()].Calls, w.offered[t.Load()]; n < len(calls) && calls[n].Input > 0 {
		w.brings = int(calls[n].Input)
	}
	w.offered[t.Load()]++
	if w.check != nil {
		w.check.countErrors()
		w.check.offer = t
	}
}

// Offered implements world.Witness.
func (w *witness) Offered(t world.Tag, id core.ID, err error) {
	if w.check != nil {
		w.check.submitted(w.caller(t), id, err)
		w.check.offer = 0
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
	if errors.Is(err, core.ErrExists) != f.exists {
		w.fail("create-function", "%s: existed %v, core says %v", f.name, f.exists, err)
	}
	f.exists = f.exists || err == nil
	if f.exists != (f.current != nil) {
		w.fail("create-function", "%s: exists %v, but by core's events %v", f.name, f.exists, f.current != nil)
	}
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
	f.exists, f.current = false, nil
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
	if (err == nil) != f.exists || (err != nil && !errors.Is(err, core.ErrNotFound)) {
		w.fail("reports are taken", "%s: %s %s = %v: exists %v, core says %v", f.name, typ, name, value, f.exists, err)
	}
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

// Advanced implements world.Witness.
func (w *witness) Advanced() {}

// Crashed implements world.Witness.
func (w *witness) Crashed() {}

// Restarted implements world.Witness.
func (w *witness) Restarted() {}

// Refused implements world.Witness.
func (w *witness) Refused(error) {}

// Wake implements core.Waiter for every sync call.
func (w *witness) Wake(s core.Snapshot) {
	if w.check != nil {
		w.check.woken(&s)
	}
}
