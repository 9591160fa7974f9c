package core

// When a partition is handed over, or taken away, the facts of its journal are the
// next owner's, who goes on with every durable execution that has not ended. Here
// such an execution keeps its slot until its attempt has answered or its time is
// over, so that the work that does end here finds the function as busy as it is.
// Nothing else happens to it: it neither ends nor is retried, and no event tells of
// it, since all of that happens at the next owner. Who dispatched the attempt tells
// that one of its outcome (Core.AttemptEnded).

// left says that ex is the next owner's. The caller holds the function's lock.
func (fx *effects) left(ex *execution) bool { return fx.gone && ex.durable() }

// answerLeft takes the slot back from an attempt of an execution that is the next
// owner's; the caller holds fn.mu.
func (fn *Function) answerLeft(in *input, fx *effects) {
	ex := in.ex
	if in.attempt != ex.attempt || ex.answered {
		fx.why = ErrDraining
		return
	}
	ex.answered = true
	fx.did, fx.attempt = true, in.attempt
	fn.releaseSlot(fx, ex)
	fn.watch(ex, fx.now)
	fn.noteReady(fx)
}

// dueLeft is what a deadline does to an execution that is the next owner's; the
// caller holds fn.mu.
func (fn *Function) dueLeft(fx *effects, ex *execution) {
	if ex.holdsSlot {
		fn.releaseSlot(fx, ex)
	}
	if ex.pausing {
		ex.more.retryAt.Mono = notDispatched
	}
	fn.watch(ex, fx.now)
}
