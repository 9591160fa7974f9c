package core

var errInterrupted = sharedError(CodeInterrupted, "the attempt was interrupted: the process that had dispatched it ended before the answer came")

// interrupt fails an attempt that an earlier process started and of which no
// answer will come. If attempts are left the next one starts in the same slot, so
// that no bound and no order is touched. The caller holds fn.mu.
func (fn *Function) interrupt(ex *execution, fx *effects) {
	if !ex.formerly() {
		return
	}
	if fn.deleted || int(ex.attempt) > fn.spec.Load().MaxRetries {
		fn.releaseSlot(fx, ex)
		fn.end(fx, ex, ending{status: Error, err: errInterrupted})
		fn.noteReady(fx)
		return
	}
	fn.failed(fx, ex, errInterrupted)
	fn.recordRetried(fx, ex, errInterrupted)
	fx.happen(EventRetried, ex)
	fx.event.Attempt, fx.event.Code = ex.attempt, errInterrupted.Code
	fn.begin(fx, ex)
}

// restore gives the function its executions of an earlier process back; those
// that are queued come in their order. An open attempt has its slot until its
// time is over, counted from when it started, and the grace. The caller holds fn.mu.
func (fn *Function) restore(in *input, fx *effects) {
	for _, ex := range in.restored {
		fn.kept++
		if ex.status.Terminal() {
			ex.answered = true // what an earlier owner may still tell of it changes nothing
			continue
		}
		fn.open++
		switch {
		case ex.status == Running:
			fn.takeSlot(ex)
			left := ex.started + ex.timeout - fx.now.Wall
			ex.more.facts.until = max(fx.now.Mono+left+in.grace, 1)
		case ex.pausing:
			fn.pauses.Store(fn.pauses.Load() + 1)
		default:
			fn.enqueue(ex)
		}
		fn.watch(ex, fx.now)
	}
	fn.noteReady(fx)
}
