package core

import "fmt"

// retry requeues an execution whose attempt has just failed, at the tail,
// while attempt <= maxRetries. When the queue is full then, the execution
// keeps its error, which then says so. The caller holds fn.mu.
func (c *Core) retry(fn *Function, ex *execution, now Instant) bool {
	maxRetries := fn.spec.Load().MaxRetries
	if int(ex.attempt) > maxRetries || fn.deleted {
		return false
	}
	if fn.queue.live >= fn.QueueSize() {
		ex.err = &ExecError{
			Code: CodeQueueFull,
			Message: fmt.Sprintf("retry %d of %d refused: the function's queue is full; the attempt failed with %s: %s",
				ex.attempt, maxRetries, ex.err.Code, ex.err.Message),
		}
		return false
	}
	if !ex.resetForRetry(now) {
		return false
	}
	fn.enqueue(ex)
	fn.watch(ex, now)
	return true
}
