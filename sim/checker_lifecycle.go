package sim

import (
	"bytes"
	"time"

	"simplane/core"
	"simplane/sim/internal/world"
)

func (c *checker) dispatched(ev *core.Event, f *generation, rec *record, slot int32) {
	w := c.w
	c.touch(f)
	switch {
	case rec == nil || rec.fn != f:
		w.fail("only stored work runs", "%s: dispatched execution %s, which is not stored there", f.name, ev.ID)
		return
	case rec.state != stQueued:
		w.fail("status transitions", "execution #%d was dispatched while not queued", rec.number)
		return
	case f.deleted:
		w.fail("status transitions", "execution #%d of a deleted function was dispatched", rec.number)
	case f.inFlight >= f.slots:
		w.fail("concurrency bound", "%s: dispatched with %d in flight of %d", f.name, f.inFlight, f.slots)
	case ev.Attempt != rec.attempt:
		w.fail("attempts", "execution #%d: dispatched attempt %d, expected %d", rec.number, ev.Attempt, rec.attempt)
	case ev.Sync != rec.sync:
		w.fail("submissions are accepted or rejected", "execution #%d: its dispatch says sync %v", rec.number, ev.Sync)
	case int64(ev.QueueWait) != ev.At.Mono-rec.queuedMono:
		w.fail("latencies add up", "execution #%d: queue wait %v, expected %d ns", rec.number, ev.QueueWait, ev.At.Mono-rec.queuedMono)
	case ev.Sync && ev.Attempt == 1 && c.sayings[slot].maxWait > 0 && int64(ev.QueueWait) > c.sayings[slot].maxWait:
		w.fail("maxQueueWait", "execution #%d was dispatched after waiting %v", rec.number, ev.QueueWait)
	}
	c.observedWith(ev, rec, slot)
	c.takesTurn(f, rec)
	c.inOrder(f, rec, slot, ev.At.Mono)
	c.attended(rec, slot)
	c.startedBy(f, rec)
	c.moved(rec, slot)
	if rec.sync {
		c.syncQueued--
		c.syncInFlight++
	}
}

func (c *checker) retried(ev *core.Event, f *generation, rec *record, slot int32) {
	w := c.w
	c.touch(f)
	switch {
	case rec == nil || rec.fn != f:
		w.fail("only stored work runs", "%s: retried execution %s, which is not stored there", f.name, ev.ID)
		return
	case rec.state != stRunning:
		w.fail("status transitions", "execution #%d was requeued while not running", rec.number)
	case ev.Attempt != rec.attempt+1 || int(rec.attempt) > f.spec.MaxRetries:
		w.fail("attempts", "execution #%d: attempt %d follows %d, with %d retries allowed", rec.number, ev.Attempt, rec.attempt, f.spec.MaxRetries)
	case ev.Code == world.CodePermanent:
		w.fail("only what may succeed is retried", "execution #%d is retried after %s", rec.number, ev.Code)
	case c.cause(ev.ID) != nil && ev.Pause != c.pause(f, rec, &c.cause(ev.ID).outcome):
		w.fail("pauses grow", "execution #%d pauses for %v after attempt %d", rec.number, ev.Pause, rec.attempt)
	case rec.sync && ev.Pause > 0 && ev.At.Mono+int64(ev.Pause) >= rec.createdMono+rec.timeout:
		w.fail("pauses grow", "execution #%d pauses for %v, beyond its caller's deadline", rec.number, ev.Pause)
	case ev.Pause == 0 && f.queued >= f.spec.QueueSize:
		w.fail("queue bound", "%s: a retry was queued with %d queued of %d", f.name, f.queued, f.spec.QueueSize)
	case f.deleted:
		w.fail("status transitions", "execution #%d of a deleted function was requeued", rec.number)
	}
	c.retriedFor(ev, rec, slot)
	if rec.sync && ev.Pause == 0 {
		c.syncQueued++
	}
	c.failed = append(c.failed, slot)
	c.longest = max(c.longest, int64(ev.Pause))
	c.moved(rec, slot)
	c.look(rec)
}

// requeued checks the end of a pause.
func (c *checker) requeued(ev *core.Event, f *generation, rec *record, slot int32) {
	w := c.w
	c.touch(f)
	switch {
	case rec == nil || rec.fn != f:
		w.fail("only stored work runs", "%s: requeued execution %s, which is not stored there", f.name, ev.ID)
		return
	case rec.state != stPausing || ev.Attempt != rec.attempt:
		w.fail("status transitions", "execution #%d was put back for attempt %d while not pausing for it", rec.number, ev.Attempt)
	case ev.At.Mono != rec.queuedMono:
		w.fail("pauses are kept", "execution #%d was put back %d ns after the end of its pause", rec.number, ev.At.Mono-rec.queuedMono)
	case f.queued >= f.spec.QueueSize:
		w.fail("queue bound", "%s: a retry was queued with %d queued of %d", f.name, f.queued, f.spec.QueueSize)
	case f.deleted:
		w.fail("status transitions", "execution #%d of a deleted function was requeued", rec.number)
	}
	if rec.sync {
		c.syncQueued++
	}
	c.moved(rec, slot)
	c.look(rec)
}

// moved notes that an execution that has not ended has made a transition: it is
// the youngest again.
func (c *checker) moved(rec *record, slot int32) {
	c.live.remove(slot)
	c.live.push(slot)
}

func (c *checker) ended(ev *core.Event, f *generation, rec *record, slot int32) {
	w := c.w
	c.touch(f)
	switch {
	case rec == nil || rec.fn != f:
		w.fail("an execution ends exactly once", "%s: execution %s ended, which is not stored there", f.name, ev.ID)
		return
	case rec.state == stEnded:
		w.fail("an execution ends exactly once", "execution #%d ended again", rec.number)
		return
	}
	c.endsFor(ev, f, rec, slot)
	c.endedFor(ev, rec, slot)
	c.observedWith(ev, rec, slot)
	delete(c.leaves, slot)
	if rec.sync && rec.state == stQueued {
		c.syncQueued--
	}
	switch {
	case ev.Status == core.Success:
		if s := &c.sayings[slot]; !bytes.Equal(s.output, s.input) { // else it is the same memory, see scenario.Behavior.Echo
			rec.result = int32(len(s.output))
		}
		c.payload += int64(rec.result)
	case ev.Status == core.Error && ev.Code != core.CodeFunctionDeleted && ev.Code != core.CodeQueueWait && ev.Code != core.CodeCancelled:
		rec.failed = true
		c.failed = append(c.failed, slot)
	}
	c.buried(ev, f, slot)
	c.owed += int(rec.waiters)
	c.live.remove(slot)
	c.done.push(slot)
	c.dirty.push(slot)
	if !rec.holdsSlot {
		c.answers(rec, slot)
	}
	if c.look(rec) {
		c.probes[0].add(w.loop.Now(), rec.id)
		c.probes[1].add(w.loop.Now(), rec.id)
	}
}

// endsFor checks that the end has the cause it claims.
func (c *checker) endsFor(ev *core.Event, f *generation, rec *record, slot int32) {
	w := c.w
	age := ev.At.Mono - rec.createdMono
	held := int64(-1) // how long the running attempt has taken
	if rec.state == stRunning {
		held = ev.At.Mono - rec.startedMono
	}
	if int64(ev.E2E) != age || (held >= 0 && int64(ev.Service) != held) {
		w.fail("latencies add up", "execution #%d: e2e %v service %v, expected %d and %d ns", rec.number, ev.E2E, ev.Service, age, held)
	}
	if rec.sync && age > rec.timeout {
		w.fail("timeouts", "sync execution #%d ended %d ns after its arrival, past its timeout of %d", rec.number, age, rec.timeout)
	}
	switch {
	case c.completes(ev.ID):
	case ev.Status == core.Success:
		if rec.state != stRunning {
			w.fail("status transitions", "execution #%d succeeded while not running", rec.number)
		}
	case ev.Code == core.CodeStale:
		if age := ev.At.Wall - rec.moved; age <= int64(c.cfg.StaleTTL) {
			w.fail("nothing is ended early", "execution #%d was ended as stale %d ns after its last transition", rec.number, age)
		}
	case ev.Code == core.CodeCancelled:
		if w.cancelling != ev.ID && !w.cancellingAll {
			c.abandonedCall(ev, f, rec, slot)
		}
		c.cancelsAttempt(rec, slot)
		if rec.state != stRunning { // or the attempt has the input
			c.forgetInput(rec, slot)
		}
	case ev.Status == core.Timeout:
		if !(rec.sync && age == rec.timeout) && held != rec.timeout {
			w.fail("timeouts", "execution #%d timed out %d ns after arrival, %d after dispatch; its timeout is %d", rec.number, age, held, rec.timeout)
		}
	case ev.Code == core.CodeFunctionDeleted:
		if (rec.state != stQueued && rec.state != stPausing) || !f.deleted {
			w.fail("status transitions", "execution #%d ended for a deletion of %s that has not happened, or not to it", rec.number, f.name)
		}
		c.forgetInput(rec, slot) // nobody wants it any more
	case ev.Code == core.CodeQueueWait:
		waited := ev.At.Mono - rec.queuedMono
		if most := c.sayings[slot].maxWait; rec.state != stQueued || !rec.sync || rec.attempt > 1 || most == 0 || waited != most || age >= rec.timeout {
			w.fail("maxQueueWait", "execution #%d was rejected after waiting %d ns for attempt %d", rec.number, waited, rec.attempt)
		}
		c.freed(rec) // its caller is told to try again
	default: // the last attempt failed
		c.failedForGood(ev, f, rec)
	}
}

// failedForGood checks that an execution that ends with the error of its last attempt
// could not be retried.
func (c *checker) failedForGood(ev *core.Event, f *generation, rec *record) {
	w := c.w
	if rec.state == stPausing { // it finds no room for the next attempt
		if ev.Code != core.CodeQueueFull || ev.At.Mono != rec.queuedMono || f.queued < f.spec.QueueSize {
			w.fail("failures are retried", "execution #%d ended in %s after a pause, with %d queued of %d", rec.number, ev.Code, f.queued, f.spec.QueueSize)
		}
		return
	}
	pause := time.Duration(0)
	if k := c.cause(ev.ID); k != nil {
		pause = c.pause(f, rec, &k.outcome)
	}
	tooLate := rec.sync && pause > 0 && ev.At.Mono+int64(pause) >= rec.createdMono+rec.timeout
	retriesLeft := int(rec.attempt) <= f.spec.MaxRetries && !f.deleted && ev.Code != world.CodePermanent && !tooLate
	switch {
	case rec.state != stRunning:
		w.fail("status transitions", "execution #%d failed with %s while not running", rec.number, ev.Code)
	case retriesLeft && ev.Code != core.CodeQueueFull:
		w.fail("failures are retried", "execution #%d ended in %s at attempt %d of %d", rec.number, ev.Code, rec.attempt, f.spec.MaxRetries+1)
	case retriesLeft && (f.queued < f.spec.QueueSize || pause > 0):
		w.fail("failures are retried", "execution #%d was not retried for want of room, with %d queued of %d", rec.number, f.queued, f.spec.QueueSize)
	}
}

// released checks the end of a slot's use. rec is nil when the execution has
// been evicted meanwhile.
func (c *checker) released(ev *core.Event, f *generation, rec *record, slot int32) {
	w := c.w
	c.touch(f)
	if f.inFlight <= 0 {
		w.fail("slots", "%s: a slot was released with none in use", f.name)
	}
	if ev.Sync {
		c.syncInFlight--
	}
	if c.drained[ev.ID] {
		delete(c.drained, ev.ID)
		c.drainsOver++
	}
	if rec == nil {
		return
	}
	if !rec.holdsSlot || ev.Sync != rec.sync {
		w.fail("slots", "execution #%d released a slot; it holds one: %v, and that it is sync is said to be %v", rec.number, rec.holdsSlot, ev.Sync)
	}
	if held := ev.At.Mono - rec.startedMono; rec.startedMono > 0 && held > rec.timeout {
		w.fail("timeouts", "execution #%d held its slot for %d ns; its timeout is %d", rec.number, held, rec.timeout)
	}
	c.releasedFor(ev, rec)
	if rec.state == stEnded {
		c.answers(rec, slot)
	}
}
