package core

import "fmt"

// retry requeues an execution whose attempt has just failed, at the tail,
// while attempt <= maxRetries. It does not end in between and is never
// visible as failed. When the queue is full, retry returns false with that
// error in failed, and the execution has to end with it. The caller holds
// fn.mu.
func (fn *Function) retry(fx *effects, ex *execution, failed *ExecError) bool {
	maxRetries := fn.spec.Load().MaxRetries
	if int(ex.attempt) > maxRetries || fn.deleted {
		return false
	}
	if fn.queue.live >= fn.QueueSize() {
		*failed = *newExecError(CodeQueueFull, fmt.Sprintf("retry %d of %d refused: the function's queue is full; the attempt failed with %s: %s",
			ex.attempt, maxRetries, failed.Code, failed.Message))
		return false
	}
	cold := ex.coldStart
	ex.requeue(fx.now)
	fn.enqueue(ex)
	fn.watch(ex, fx.now)
	fx.happen(EventRetried, ex)
	fx.event.Attempt, fx.event.Cold = ex.attempt, cold
	return true
}
