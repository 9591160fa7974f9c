package core

// onDeadline ends what is due at fn. It is called by the function's timer; an
// extra call does nothing.
func (c *Core) onDeadline(fn *Function) {
	now := c.clock.Now()
	for more := true; more; {
		var fx effects
		fn.step(&input{kind: StepDue, now: now}, &fx)
		c.carryOut(&fx)
		more = fx.more
	}
	c.serve()
}

var errQueueWait = sharedError(CodeQueueWait, "waited in the queue longer than maxQueueWait")

// endDue handles the earliest due execution, or arms the timer for it and
// leaves fx.more false; the caller holds fn.mu.
func (fn *Function) endDue(fx *effects) {
	at, ex, ok := fn.deadlines.next()
	if !ok || at > fx.now.Mono {
		fn.armedAt = 0
		fn.arm(fx.now)
		return
	}
	fx.more = true
	switch {
	case fx.left(ex):
		fn.dueLeft(fx, ex)
	case ex.pausing && ex.more.retryAt.Mono <= fx.now.Mono:
		fn.resume(fx, ex)
	case ex.status == Queued && ex.waitedTooLong(fx.now):
		fn.end(fx, ex, ending{status: Error, err: errQueueWait})
		fx.freeKey = ex
	case ex.status == Queued:
		fn.end(fx, ex, ending{status: Timeout})
	case ex.formerly() && ex.attemptDeadline() <= fx.now.Mono:
		fn.interrupt(ex, fx)
	case ex.holdsSlot && ex.attemptDeadline() <= fx.now.Mono:
		// The dispatch has not answered within its time: the slot is free for
		// others, and whatever it still answers is late.
		fn.releaseSlot(fx, ex)
		if !fn.end(fx, ex, ending{status: Timeout}) {
			fn.watch(ex, fx.now)
		}
	default:
		// The caller's deadline during a run: the slot stays with the dispatch.
		if !fn.end(fx, ex, ending{status: Timeout}) {
			fn.watch(ex, fx.now)
		}
	}
	fn.noteReady(fx)
}

// waitedTooLong reports whether a queued execution has reached the longest
// first wait that sync admission allows, and not yet its caller's deadline.
func (ex *execution) waitedTooLong(now Instant) bool {
	return ex.queueDeadline > 0 && ex.queueDeadline <= now.Mono && ex.callerDeadline() > now.Mono
}

// gaveKeyBack says that ex has ended without having run, and that its key leads to it
// no longer, or will not in a moment: freeKey comes after the step.
func (ex *execution) gaveKeyBack() bool {
	return ex.err == errQueueWait || ex.err == errLeft && ex.attempt == 1
}

// freeKey releases the idempotency key of an execution that never ran: its
// caller is advised to retry, and the retry must not get this refusal again.
func (c *Core) freeKey(ex *execution) {
	if ex.more == nil || ex.more.idempotencyKey == "" {
		return
	}
	if state, token := c.keys.ClaimIfMatches(ex.fn.name, ex.more.idempotencyKey, ex.id); state == Claimed {
		_ = c.keys.Abandon(ex.fn.name, ex.more.idempotencyKey, token)
	}
}
