package core

import (
	"fmt"
	"time"
)

// retry has an execution whose attempt has just failed run again, after a
// pause, while attempt <= maxRetries. It does not end in between and is never
// visible as failed. While it pauses it has no slot and no place in the queue.
// retry returns false when the execution has to end with failed, which retry
// may have changed to say why. The caller holds fn.mu.
func (fn *Function) retry(fx *effects, ex *execution, o *Outcome, failed *ExecError) bool {
	spec := fn.spec.Load()
	if o.Permanent || int(ex.attempt) > spec.MaxRetries || fn.deleted {
		return false
	}
	pause := spec.RetryBackoff.Pause(ex.id, ex.attempt, o.RetryAfter)
	if deadline := ex.callerDeadline(); pause > 0 && deadline > 0 && fx.now.Mono+int64(pause) >= deadline {
		return false // its caller would not see the end of it
	}
	if pause == 0 && fn.queue.live >= fn.QueueSize() {
		*failed = *fn.noRoom(ex.attempt, failed)
		return false
	}
	cold := ex.coldStart
	fn.failed(fx, ex, failed)
	if pause > 0 {
		fn.pause(ex, fx.now, pause)
	} else {
		fn.enqueue(ex)
	}
	if ex.durable() {
		fn.recordRetried(fx, ex, failed)
	}
	fn.watch(ex, fx.now)
	fn.core.store.moved(ex, fx.now)
	fx.happen(EventRetried, ex)
	fx.event.Attempt, fx.event.Cold, fx.event.Pause, fx.event.Code = ex.attempt, cold, pause, failed.Code
	return true
}

// failed takes ex back from running to queued after an attempt that has failed.
// The caller holds fn.mu and puts it where it belongs.
func (fn *Function) failed(fx *effects, ex *execution, why *ExecError) {
	before := ex.requestBytes()
	ex.requeue(fx.now, why)
	fn.core.store.used.addBytes(ex.requestBytes() - before)
}

// noRoom is the error of an execution that finds no place in the queue for its
// next attempt, after one that failed.
func (fn *Function) noRoom(attempt int32, failed *ExecError) *ExecError {
	return newExecError(CodeQueueFull, fmt.Sprintf("retry %d of %d refused: the function's queue is full; the attempt failed with %s: %s",
		attempt, fn.spec.Load().MaxRetries, failed.Code, failed.Message))
}

// pause keeps ex, which is QUEUED, out of the queue for a while; the caller
// holds fn.mu.
func (fn *Function) pause(ex *execution, now Instant, d time.Duration) {
	ex.pausing = true
	ex.more.retryAt = now.after(d)
	fn.pauses.Store(fn.pauses.Load() + 1)
}

// unpause ends a pause; the caller holds fn.mu.
func (fn *Function) unpause(ex *execution) {
	ex.pausing = false
	ex.more.retryAt = Instant{}
	fn.pauses.Store(fn.pauses.Load() - 1)
}

// resume puts an execution whose pause is over at the tail of the queue, or
// ends it when that is full; the caller holds fn.mu.
func (fn *Function) resume(fx *effects, ex *execution) {
	if fn.deleted { // its turn to end has not come yet
		fn.endUnstarted(fx, ex)
		return
	}
	if fn.queue.live >= fn.QueueSize() {
		failed := ex.more.attempts[len(ex.more.attempts)-1].Err
		fn.end(fx, ex, ending{status: Error, err: fn.noRoom(ex.attempt-1, &failed)})
		return
	}
	fn.unpause(ex)
	ex.queuedMono, ex.more.moved = fx.now.Mono, fx.now.Wall
	fn.enqueue(ex)
	if ex.durable() {
		fn.recordOf(fx, ex, &Fact{Kind: FactRequeued})
	}
	fn.watch(ex, fx.now)
	fn.core.store.moved(ex, fx.now)
	if a := fn.auto.Load(); a != nil { // it may have gone to zero during the pause
		fx.wake = a.noticeRetry(fx.now.Mono)
	}
	fx.happen(EventRequeued, ex)
	fx.event.Attempt = ex.attempt
}
