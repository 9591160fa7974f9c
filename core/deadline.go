package core

// onDeadline ends what is due at fn. It is called by the function's timer; a
// call too many does nothing.
func (c *Core) onDeadline(fn *Function) {
	for c.nextDue(fn) {
	}
	c.kick(fn)
}

// nextDue handles the earliest due execution, or arms the timer for it.
func (c *Core) nextDue(fn *Function) bool {
	now := c.clock.Now()
	fn.mu.Lock()
	at, ex, ok := fn.deadlines.next()
	if !ok || at > now.Mono {
		fn.armedAt = 0
		fn.arm(now)
		fn.mu.Unlock()
		return false
	}
	var (
		e            ending
		ended        bool
		attemptEnded func()
		released     bool
		refused      bool
	)
	switch {
	case ex.status == Queued:
		// The caller's deadline, or the longest first wait sync admission allows.
		fn.unqueue(ex)
		if ex.queueDeadline > 0 && ex.queueDeadline <= now.Mono && ex.callerDeadline() > now.Mono {
			ex.markError(&ExecError{Code: CodeQueueWait, Message: "waited in the queue longer than maxQueueWait"}, now)
			refused = true
		} else {
			ex.markTimeout(nil, now)
		}
		c.end(&e, fn, ex, now)
		ended = true
	case ex.holdsSlot && ex.attemptDeadline() <= now.Mono:
		// The dispatch has not answered within its time: the slot is free for
		// others, and whatever it still answers is late.
		released, attemptEnded = fn.releaseSlot(ex)
		if ex.markTimeout(nil, now) {
			c.end(&e, fn, ex, now)
			ended = true
		} else {
			fn.watch(ex, now)
		}
	case ex.markTimeout(nil, now):
		// The caller's deadline during a run: the slot stays with the dispatch.
		c.end(&e, fn, ex, now)
		ended = true
	default:
		fn.watch(ex, now)
	}
	fn.mu.Unlock()
	if refused {
		c.freeKey(ex)
	}
	if ended {
		c.settle(&e, now)
	}
	c.slotReleased(ex, released, attemptEnded, now)
	return true
}

// freeKey gives back the idempotency key of an execution that never ran: its
// caller is told to try again, and must not meet this refusal then.
func (c *Core) freeKey(ex *execution) {
	if ex.more == nil || ex.more.idempotencyKey == "" {
		return
	}
	if state, token := c.keys.ClaimIfMatches(ex.fn.name, ex.more.idempotencyKey, ex.id); state == Claimed {
		_ = c.keys.Abandon(ex.fn.name, ex.more.idempotencyKey, token)
	}
}
