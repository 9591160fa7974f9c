package core

import "time"

// ending is how an execution ends. Everything that can end one uses it: an
// answer, a completion from outside, a deadline, a sweep, a deletion.
type ending struct {
	status Status     // terminal
	output []byte     // of Success
	err    *ExecError // of Error, and of a Timeout that says why
	// byFunction says that the function's own work led to it: it counts as a
	// completion for the estimate of waits.
	byFunction bool
	// unwanted says that nobody wants the work done any more: it is not kept as
	// a dead letter, and if it was waiting its input is given back at once.
	unwanted bool
}

// end makes the transition, takes ex out of the queue, moves its waiters into
// fx and updates its deadline; the caller holds fn.mu. It is refused, and
// changes nothing, when ex has ended already. A slot that ex holds stays with
// it.
func (fn *Function) end(fx *effects, ex *execution, how ending) bool {
	wasQueued, wasPausing := ex.inQueue(), ex.pausing
	if !ex.markEnded(how.status, how.output, how.err, fx.now) {
		return false
	}
	if wasQueued {
		fn.unqueue(ex)
	}
	if wasPausing {
		fn.unpause(ex)
	}
	c := fn.core
	if how.status != Success {
		c.store.markFailed(ex)
	}
	if how.byFunction {
		c.admission.completed(fn, fx.now)
	}
	if how.status != Success && !ex.sync && !how.unwanted {
		c.dead.mu.Lock() // the order of letters is that of their facts
		if ex.durable() {
			fn.recordEnded(fx, ex, &how)
		}
		c.dead.bury(ex)
		c.dead.mu.Unlock()
	} else if ex.durable() {
		fn.recordEnded(fx, ex, &how)
	}
	if n := ex.resultBytes(); n > 0 {
		c.store.used.addBytes(n)
	}
	fn.tellEnd(fx, ex)
	if how.unwanted && (wasQueued || wasPausing) { // or an attempt may be reading it
		c.store.used.addBytes(-ex.dropInput())
	}
	if ex.answerable() {
		fn.answered.push(ex)
	}
	fn.watch(ex, fx.now)
	c.store.lookInTime(ex, c.store.ttl.firstStep(ex.finished))
	return true
}

// takeWaiters moves ex's waiters into fx, with the snapshot for them; the caller
// holds fn.mu.
func (fn *Function) takeWaiters(fx *effects, ex *execution) {
	fx.waiter, ex.waiter = ex.waiter, nil
	if ex.more != nil {
		fx.joined, ex.more.waiters = ex.more.waiters, nil
	}
	if fx.waiter != nil || fx.joined != nil {
		ex.copyTo(&fx.told)
	}
}

// tellEnd moves ex's waiters into fx, unless its end must be durable before they
// are woken, and the event of its end; the caller holds fn.mu.
func (fn *Function) tellEnd(fx *effects, ex *execution) {
	if ex.durable() {
		fx.ended = ex
	} else {
		fn.takeWaiters(fx, ex)
	}
	if !fn.core.observed {
		return
	}
	fx.happen(EventEnded, ex)
	ev := &fx.event
	ev.Status, ev.Attempt, ev.Cold, ev.Init = ex.status, ex.attempt, ex.coldStart, -1
	ev.E2E = time.Duration(fx.now.Mono - ex.createdMono)
	if ex.more != nil {
		ev.Trace = ex.more.trace.orNil()
	}
	if ex.err != nil {
		ev.Code = ex.err.Code
	}
	if ex.startedMono >= 0 {
		ev.Service = time.Duration(fx.now.Mono - ex.startedMono)
		ev.QueueWait = time.Duration(ex.startedMono - ex.queuedMono)
	}
	if ex.initMs >= 0 {
		ev.Init = time.Duration(ex.initMs) * time.Millisecond
	}
}
