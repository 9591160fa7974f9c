package core

// Complete ends an execution from outside, as a completion callback does. The
// outcome is final: an error is not retried. An execution that has ended
// already stays as it is. The error is ErrExecutionGone.
func (c *Core) Complete(id ID, o Outcome) error {
	ex := c.store.get(id)
	if ex == nil {
		return ErrExecutionGone
	}
	fn := ex.fn
	now := c.clock.Now()
	fn.mu.Lock()
	if c.expired(ex, now) {
		fn.mu.Unlock()
		return ErrExecutionGone
	}
	if ex.status.Terminal() {
		fn.mu.Unlock()
		c.event(EventDuplicateResult, ex, now)
		return nil
	}
	if ex.status == Queued {
		fn.unqueue(ex)
	}
	ex.answered = true
	inline := ex.handoff.CompareAndSwap(handoffWord(ex.attempt, handoffDispatching), handoffWord(ex.attempt, handoffCompleted))
	released, attemptEnded := fn.releaseSlot(ex)
	c.conclude(ex, &o, now)
	c.admission.completed(fn, now)
	var e ending
	c.end(&e, fn, ex, now)
	fn.mu.Unlock()
	c.settle(&e, now)
	c.slotReleased(ex, released, attemptEnded, now)
	if !inline {
		c.kick(fn)
	}
	return nil
}
