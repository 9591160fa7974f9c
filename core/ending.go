package core

import "time"

// ending carries what is left to do, without the function's lock, for an
// execution that has just ended or been requeued.
type ending struct {
	ex      *execution
	retried bool
	attempt int32

	waiter    Waiter
	more      []Waiter
	snap      Snapshot
	code      string
	status    Status
	service   time.Duration
	queueWait time.Duration
	coldStart bool
	init      time.Duration
	outBytes  int64
	trace     *TraceContext
}

// end takes ex's waiters into the empty e and stops its clocks; the caller
// holds fn.mu and has made the transition. It counts on ex not being queued any
// more.
func (c *Core) end(e *ending, fn *Function, ex *execution, now Instant) {
	e.ex, e.waiter, e.status = ex, ex.waiter, ex.status
	e.attempt, e.coldStart, e.init = ex.attempt, ex.coldStart, -1
	ex.waiter = nil
	if ex.more != nil {
		e.more, ex.more.waiters = ex.more.waiters, nil
		e.trace = ex.more.trace.orNil()
	}
	if e.waiter != nil || e.more != nil {
		ex.copyTo(&e.snap)
	}
	if ex.err != nil {
		e.code = ex.err.Code
	}
	if ex.startedMono >= 0 {
		e.service = time.Duration(now.Mono - ex.startedMono)
		e.queueWait = time.Duration(ex.startedMono - ex.queuedMono)
	}
	if ex.initMs >= 0 {
		e.init = time.Duration(ex.initMs) * time.Millisecond
	}
	if !sameBytes(ex.input, ex.output) {
		e.outBytes = int64(len(ex.output))
	}
	fn.watch(ex, now)
	if due := c.store.ttl.firstStep(ex.finished); due < ex.lookAt {
		c.store.lookAt(ex, due) // only when the wall clock was set back meanwhile
	}
}

// settle tells the store, the observer and the waiters.
func (c *Core) settle(e *ending, now Instant) {
	ex := e.ex
	if e.retried {
		c.observe(Event{Kind: EventRetried, Function: ex.fn, ID: ex.id, At: now, Sync: ex.sync, Attempt: e.attempt, Cold: e.coldStart})
		return
	}
	if e.outBytes > 0 {
		c.store.bytes.Add(e.outBytes)
	}
	c.tell(e, now)
}

// tell informs the observer and wakes the waiters.
func (c *Core) tell(e *ending, now Instant) {
	ex := e.ex
	if c.observed {
		c.observer.Observe(Event{
			Kind: EventEnded, Function: ex.fn, ID: ex.id, At: now, Status: e.status, Sync: ex.sync, Attempt: e.attempt,
			Code: e.code, Cold: e.coldStart, Init: e.init, Service: e.service, QueueWait: e.queueWait,
			E2E: time.Duration(now.Mono - ex.createdMono), Trace: e.trace,
		})
	}
	if e.waiter != nil {
		e.waiter.Wake(e.snap)
	}
	for _, w := range e.more {
		w.Wake(e.snap)
	}
}

// slotReleased tells what Function.releaseSlot did, once its lock is given up.
func (c *Core) slotReleased(ex *execution, released bool, attemptEnded func(), now Instant) {
	if released {
		c.event(EventSlotReleased, ex, now)
	}
	if attemptEnded != nil {
		attemptEnded()
	}
}

func (c *Core) observe(ev Event) {
	if c.observed {
		c.observer.Observe(ev)
	}
}

func (c *Core) event(kind EventKind, ex *execution, now Instant) {
	if c.observed {
		c.observer.Observe(Event{Kind: kind, Function: ex.fn, ID: ex.id, At: now, Sync: ex.sync})
	}
}
