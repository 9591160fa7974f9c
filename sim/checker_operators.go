package sim

import (
	"errors"

	"simplane/core"
	"simplane/sim/internal/world"
	"simplane/sim/scenario"
)

// What is done to executions and to core beside calls and answers, as the world
// tells of it: completions from outside, drain-once, callers that forget, settings.
// What each must bring about is judged after it.

// Completing implements world.Witness.
func (w *witness) Completing(id core.ID, attempt int, o core.Outcome) {
	if w.check != nil {
		w.check.completing(id, int32(attempt), o)
	}
}

// Completed implements world.Witness.
func (w *witness) Completed(err error) {
	if w.check != nil {
		w.check.completed(err)
	}
}

// completing is told before a completion from outside.
func (c *checker) completing(id core.ID, attempt int32, o core.Outcome) {
	rec, slot := c.w.find(id)
	k := cause{id: id, attempt: attempt, outcome: o, external: true, what: isRepeated}
	switch {
	case rec == nil || (rec.state == stEnded && c.w.clock.Wall()-rec.finished > int64(c.cfg.TTL)):
		k.what = isGone
	case rec.state != stEnded && (attempt == 0 || attempt == rec.attempt):
		k.what, k.held, c.sayings[slot].answered = decides, rec.holdsSlot, rec.attempt
	}
	c.causes = append(c.causes, k)
}

// completed is told when it has been made.
func (c *checker) completed(err error) {
	k := &c.causes[len(c.causes)-1]
	if gone := k.what == isGone; gone != errors.Is(err, core.ErrExecutionGone) || gone != (err != nil) {
		c.w.fail("completions from outside", "execution %s: core says %v, expected %s", k.id, err, consequences[k.what])
	}
	if rec, _ := c.w.find(k.id); rec != nil && k.what == decides && rec.state == stEnded {
		rec.fn.group.counts[cCompleted]++
	}
	c.taken()
}

// DrainingOnce implements world.Witness.
func (w *witness) DrainingOnce(fn int) {
	if w.check != nil {
		f := w.functions[fn].current
		w.check.drainOf, w.check.drainable = f, f != nil && f.queued > 0 && f.inFlight < f.slots
	}
}

// DrainedOnce implements world.Witness.
func (w *witness) DrainedOnce(fn int, did bool, err error) {
	c := w.check
	if c == nil {
		return
	}
	f, started := w.functions[fn], c.drainOf == nil
	c.drainOf = nil
	switch {
	case (err != nil) != (f.current == nil) || (err != nil && !errors.Is(err, core.ErrNotFound)):
		w.fail("drain once", "%s: exists %v, core says %v", f.name, f.current != nil, err)
	case f.current != nil && did != started:
		w.fail("drain once", "%s: core says %v, and started one: %v", f.name, did, started)
	case did && !c.drainable, !did && c.drainable && f.current.queued > 0:
		w.fail("drain once", "%s: started one: %v, and could: %v", f.name, did, c.drainable)
	}
}

// DrainEnded implements world.Witness.
func (w *witness) DrainEnded(fn int) {
	if c := w.check; c != nil {
		if c.drainsOver--; c.drainsOver < 0 {
			w.fail("drain once", "%s: an attempt is said to be over that is not, or twice", w.functions[fn].name)
		}
	}
}

// Forgetting implements world.Witness.
func (w *witness) Forgetting(k *world.Caller) {
	if w.check != nil {
		w.check.forgetting(k)
	}
}

// forgetting is told before a caller takes its wait back: unless it has its answer, it
// gets none.
func (c *checker) forgetting(k *world.Caller) {
	if k.Answered || k.Told != (core.ID{}) {
		return
	}
	k.Answered = true
	rec, slot := c.w.find(k.Execution)
	if rec == nil || rec.state == stEnded {
		c.w.fail("callers are answered", "a caller of execution %s still waits, which has ended", k.Execution)
		return
	}
	rec.waiters--
	if s := &c.sayings[slot]; s.waits == k {
		s.waits = nil
	}
	c.leaves.forget(slot, k)
}

// Purged implements world.Witness.
func (w *witness) Purged(fn, n int, err error) {
	f := w.functions[fn]
	f.group.counts[cPurged] += int64(n)
	if w.check != nil {
		w.check.purged(f, n, err)
	}
}

// Configured implements world.Witness.
func (w *witness) Configured(f *scenario.Fault, err error) {
	if err != nil {
		w.fail("settings are taken", "%s: core says %v", f.Kind, err)
	}
	c := w.check
	if c == nil {
		return
	}
	switch f.Kind {
	case "drain":
		c.draining = true
	case "set-rate":
		c.cfg.RateMaxPerSecond = *f.Rate
	case "set-sync-queue":
		c.cfg.SyncQueue = world.SyncQueue(f.SyncQueue)
	}
}

// Saved implements world.Witness: without a journal nothing is.
func (w *witness) Saved(core.LSN) {}

// CancellingMemory implements world.Witness.
func (w *witness) CancellingMemory() { w.cancellingAll = true }

// CancelledMemory implements world.Witness: without a journal nothing is left.
func (w *witness) CancelledMemory() {
	if w.cancellingAll = false; w.unended > 0 {
		w.fail("all memory is cancelled", "%d executions have not ended", w.unended)
	}
}

// BrokenOff implements world.Witness.
func (w *witness) BrokenOff(id core.ID, attempt int) {
	if w.check != nil {
		w.check.brokenOff(id, int32(attempt))
	}
}

// brokenOff checks that an attempt is broken off whose execution is being cancelled, and
// that has not answered: once.
func (c *checker) brokenOff(id core.ID, attempt int32) {
	rec, slot := c.w.find(id)
	if rec == nil || rec.state != stEnded || c.sayings[slot].breakOff != attempt {
		c.w.fail("attempts are broken off", "attempt %d of execution %s is broken off, and nobody has cancelled it while it ran", attempt, id)
		return
	}
	c.sayings[slot].breakOff = 0
	c.unbroken--
}

// cancelsAttempt notes that a cancel must break an attempt off.
func (c *checker) cancelsAttempt(rec *record, slot int32) {
	if s := &c.sayings[slot]; rec.state == stRunning && rec.holdsSlot && s.answered < rec.attempt {
		s.breakOff = rec.attempt
		c.unbroken++
	}
}

// drives says that a queued execution has its function's queue served although the
// scheduler is off: a caller waits for it.
func (rec *record) drives() bool { return rec.sync || rec.waiters > 0 }

// driven says that something in a function's queue drives it.
func (c *checker) driven(f *generation) bool {
	if !c.cfg.SchedulerOff {
		return true
	}
	for _, first := range []int32{f.head, f.lateHead} {
		for slot := first; slot >= 0; slot = c.w.all[slot].queue.next {
			if c.w.all[slot].drives() {
				return true
			}
		}
	}
	return false
}

// startedBy checks that work starts that may: with the scheduler off that of callers,
// what is ahead of it, and what drain-once starts.
func (c *checker) startedBy(f *generation, rec *record) {
	if c.drainOf == f {
		c.drainOf = nil
		c.drained[rec.id] = true
		return
	}
	if !c.driven(f) {
		c.w.fail("nobody starts work with the scheduler off", "%s: execution #%d was dispatched, and no caller waits", f.name, rec.number)
	}
}
