package sim

import (
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
	case f.inFlight >= f.slots:
		w.fail("concurrency bound", "%s: dispatched with %d in flight of %d", f.name, f.inFlight, f.slots)
	case ev.Attempt != rec.attempt:
		w.fail("attempts", "execution #%d: dispatched attempt %d, expected %d", rec.number, ev.Attempt, rec.attempt)
	case int64(ev.QueueWait) != ev.At.Mono-rec.queuedMono:
		w.fail("latencies add up", "execution #%d: queue wait %v, expected %d ns", rec.number, ev.QueueWait, ev.At.Mono-rec.queuedMono)
	case ev.Sync && ev.Attempt == 1 && c.cfg.SyncQueue.Enabled && int64(ev.QueueWait) > int64(c.cfg.SyncQueue.MaxQueueWait):
		w.fail("maxQueueWait", "execution #%d was dispatched after waiting %v", rec.number, ev.QueueWait)
	}
	c.inOrder(f, rec, slot, ev.At.Mono)
	if rec.sync {
		c.syncQueued--
		c.syncInFlight++
	}
}

// inOrder checks that rec is the one to go next: the head of the queue. When
// late calls may be passed over, those ahead of it must be such, and one that
// has been passed over goes when nobody else is left, in their order.
func (c *checker) inOrder(f *generation, rec *record, slot int32, now int64) {
	w := c.w
	for f.head >= 0 && f.head != slot && w.violation == nil {
		c.passesOver(f, rec, now)
	}
	if rec.passed && f.lateHead != slot {
		w.fail("FIFO", "%s: execution #%d was dispatched before #%d, which was passed over before it", f.name, rec.number, w.all[f.lateHead].number)
	}
}

// passesOver checks that rec may go before the head of the queue: only when
// that is a sync call with less than half of its time left.
func (c *checker) passesOver(f *generation, rec *record, now int64) {
	w, slot := c.w, f.head
	head := &w.all[slot]
	left := head.createdMono + head.timeout - now
	if !c.cfg.PassOverLate || !head.sync || left >= head.timeout/2 {
		w.fail("FIFO", "%s: execution #%d was dispatched before #%d, which is ahead of it", f.name, rec.number, head.number)
		return
	}
	w.unlink(f, head)
	head.passed = true
	w.append(f, head, slot)
}

func (c *checker) retried(ev *core.Event, f *generation, rec *record, _ int32) {
	w := c.w
	c.touch(f)
	switch {
	case rec == nil || rec.fn != f:
		w.fail("only stored work runs", "%s: retried execution %s, which is not stored there", f.name, ev.ID)
		return
	case rec.state != stRunning:
		w.fail("status transitions", "execution #%d was requeued while not running", rec.number)
	case ev.Attempt != rec.attempt+1 || int(rec.attempt) > f.group.decl.MaxRetries:
		w.fail("attempts", "execution #%d: attempt %d follows %d, with %d retries allowed", rec.number, ev.Attempt, rec.attempt, f.group.decl.MaxRetries)
	case f.queued >= f.queueSize:
		w.fail("queue bound", "%s: a retry was queued with %d queued of %d", f.name, f.queued, f.queueSize)
	case f.deleted:
		w.fail("status transitions", "execution #%d of a deleted function was requeued", rec.number)
	}
	if rec.sync {
		c.syncQueued++
	}
	c.look(rec)
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
	c.endsFor(ev, f, rec)
	if rec.sync && rec.state == stQueued {
		c.syncQueued--
	}
	switch {
	case ev.Status == core.Success:
		rec.result = int32(len(world.Output))
		c.payload += int64(rec.result)
	case ev.Status == core.Error && ev.Code != core.CodeFunctionDeleted && ev.Code != core.CodeQueueWait:
		rec.failed = true
		c.failed = append(c.failed, slot)
	}
	c.owed += int(rec.waiters)
	c.live.remove(slot)
	c.done.push(slot)
	c.dirty.push(slot)
	if c.look(rec) {
		c.probes[0].add(w.loop.Now(), rec.id)
		c.probes[1].add(w.loop.Now(), rec.id)
	}
}

// endsFor checks that the end has the cause it claims.
func (c *checker) endsFor(ev *core.Event, f *generation, rec *record) {
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
	case ev.Status == core.Success:
		if rec.state != stRunning {
			w.fail("status transitions", "execution #%d succeeded while not running", rec.number)
		}
	case ev.Code == core.CodeStale:
		if age := ev.At.Wall - rec.created; age <= int64(c.cfg.StaleTTL) {
			w.fail("nothing is ended early", "execution #%d was ended as stale at an age of %d ns", rec.number, age)
		}
	case ev.Status == core.Timeout:
		if !(rec.sync && age == rec.timeout) && held != rec.timeout {
			w.fail("timeouts", "execution #%d timed out %d ns after arrival, %d after dispatch; its timeout is %d", rec.number, age, held, rec.timeout)
		}
	case ev.Code == core.CodeFunctionDeleted:
		if rec.state != stQueued || f.deleted {
			w.fail("status transitions", "execution #%d ended for a deletion of %s that is not happening to it", rec.number, f.name)
		}
		f.emptied = true // the deletion itself must follow, see settled
	case ev.Code == core.CodeQueueWait:
		waited := ev.At.Mono - rec.queuedMono
		if q := c.cfg.SyncQueue; rec.state != stQueued || !rec.sync || rec.attempt > 1 || !q.Enabled || waited != int64(q.MaxQueueWait) {
			w.fail("maxQueueWait", "execution #%d was rejected after waiting %d ns for attempt %d", rec.number, waited, rec.attempt)
		}
		c.freed(rec) // its caller is told to try again
	default: // the last attempt failed
		retriesLeft := int(rec.attempt) <= f.group.decl.MaxRetries && !f.deleted
		switch {
		case rec.state != stRunning:
			w.fail("status transitions", "execution #%d failed with %s while not running", rec.number, ev.Code)
		case retriesLeft && ev.Code != core.CodeQueueFull:
			w.fail("failures are retried", "execution #%d ended in %s at attempt %d of %d", rec.number, ev.Code, rec.attempt, f.group.decl.MaxRetries+1)
		case retriesLeft && f.queued < f.queueSize:
			w.fail("failures are retried", "execution #%d was not retried for want of room, with %d queued of %d", rec.number, f.queued, f.queueSize)
		}
	}
}

// released checks the end of a slot's use. rec is nil when the execution has
// been evicted meanwhile.
func (c *checker) released(ev *core.Event, f *generation, rec *record) {
	w := c.w
	c.touch(f)
	if f.inFlight <= 0 {
		w.fail("slots", "%s: a slot was released with none in use", f.name)
	}
	if ev.Sync {
		c.syncInFlight--
	}
	if rec == nil {
		return
	}
	if !rec.holdsSlot {
		w.fail("slots", "execution #%d released a slot it does not hold", rec.number)
	}
	if held := ev.At.Mono - rec.startedMono; rec.startedMono > 0 && held > rec.timeout && !rec.stale {
		w.fail("timeouts", "execution #%d held its slot for %d ns; its timeout is %d", rec.number, held, rec.timeout)
	}
}

// woken checks the answer a sync caller gets.
func (c *checker) woken(s *core.Snapshot) {
	w := c.w
	rec, _ := w.find(s.ID)
	switch {
	case rec == nil:
		w.fail("callers are answered", "a caller of execution %s was woken, which is not stored", s.ID)
	case rec.state != stEnded || !s.Status.Terminal():
		w.fail("callers are answered", "a caller was woken by execution #%d in status %v", rec.number, s.Status)
	case rec.waiters <= 0:
		w.fail("callers are answered", "execution #%d woke a caller too many", rec.number)
	case (s.Status == core.Success) != rec.success || (s.Status == core.Success && s.Output == nil):
		w.fail("callers are answered", "a caller was told that execution #%d ended in %v", rec.number, s.Status)
	default:
		rec.waiters--
		c.owed--
	}
}
