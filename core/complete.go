package core

import "time"

// Complete reports the attempt's outcome. Only the first call for an attempt
// counts; later ones, and results of executions that have ended meanwhile,
// are counted as events and dropped.
func (t Task) Complete(o Outcome) {
	c, attempt := t.ex.fn.core, int32(t.Attempt)
	c.conclude(&input{kind: StepAnswer, now: c.clock.Now(), ex: t.ex, attempt: attempt, outcome: o})
}

// AttemptEnded reports the outcome of an attempt that an earlier owner of the
// execution's partition has dispatched. It counts exactly as Task.Complete does
// there: an error is retried while there are retries. An outcome that has counted
// already, or that is of an attempt which is not the current one or was not
// dispatched yet, changes nothing. The LSN is the fact that must be durable before
// whoever tells may forget the outcome; 0 = none. The error is ErrExecutionGone, or
// ErrDraining when the execution is the next owner's by now.
func (c *Core) AttemptEnded(id ID, attempt int, o Outcome) (LSN, error) {
	return c.concludeByID(StepAnswer, id, attempt, o)
}

// Complete ends an execution from outside, as a completion callback does. The
// outcome is final: an error is not retried. An execution that has ended
// already stays as it is, and so does one that is at another attempt than the
// one that the outcome is of; attempt 0 is any. The error is ErrExecutionGone, or
// ErrDraining when the execution is the next owner's by now.
// Nobody may be told of the success before the fact at the LSN, if any, is
// durable.
func (c *Core) Complete(id ID, attempt int, o Outcome) (LSN, error) {
	return c.concludeByID(StepComplete, id, attempt, o)
}

func (c *Core) concludeByID(kind StepKind, id ID, attempt int, o Outcome) (LSN, error) {
	ex := c.store.get(id)
	if ex == nil {
		return 0, ErrExecutionGone
	}
	at, why := c.conclude(&input{kind: kind, now: c.clock.Now(), ex: ex, attempt: int32(attempt), outcome: o})
	if why != nil {
		return 0, why
	}
	return at, nil
}

// conclude takes a step that may release a slot, and then serves the ready
// list, unless the completion comes from inside Dispatch: the dispatching
// loop does that then. Whether it does is asked last: another goroutine may be
// dispatching, and what it is told to serve must be in the ready list by then.
func (c *Core) conclude(in *input) (LSN, *Rejection) {
	var fx effects
	fn := in.ex.fn
	fn.step(in, &fx)
	c.carryOut(&fx)
	if fx.did && !in.ex.completedInside(fx.attempt) {
		c.serve()
	}
	return fx.restsOn, fx.why
}

// answer applies the outcome of an attempt; the caller holds fn.mu.
func (fn *Function) answer(in *input, fx *effects) {
	ex, o := in.ex, &in.outcome
	if fx.left(ex) {
		fn.answerLeft(in, fx)
		return
	}
	if in.attempt != ex.attempt || ex.answered || ex.status == Queued || ex.awaitsDispatch() {
		fx.happen(EventDuplicateResult, ex)
		fx.restsOn = ex.lastFact()
		return
	}
	ex.answered = true
	if o.Status == Success && ex.holdsSlot && fn.core.cfg.PassOverLate {
		fn.service.add(fx.now.Mono - ex.startedMono)
	}
	fx.did, fx.attempt = true, in.attempt
	fn.releaseSlot(fx, ex)
	if ex.status.Terminal() {
		fn.watch(ex, fx.now)
		fx.happen(EventLateResult, ex)
	} else {
		how := o.ending()
		ex.noteStart(o)
		if how.status != Error || !fn.retry(fx, ex, o, how.err) {
			fn.end(fx, ex, how)
		}
	}
	fx.restsOn = ex.lastFact()
	fn.noteReady(fx)
}

// completed applies a completion from outside; the caller holds fn.mu.
func (fn *Function) completed(in *input, fx *effects) {
	ex := in.ex
	if fx.expired(ex) {
		fx.why = ErrExecutionGone
		return
	}
	if fx.left(ex) {
		fx.why = ErrDraining
		return
	}
	if ex.status.Terminal() || (in.attempt != 0 && in.attempt != ex.attempt) {
		fx.happen(EventDuplicateResult, ex)
		if ex.status.Terminal() {
			fx.restsOn = ex.lastFact()
		}
		return
	}
	ex.answered = true
	fx.did, fx.attempt = true, ex.attempt
	fn.releaseSlot(fx, ex)
	ex.noteStart(&in.outcome)
	fn.end(fx, ex, in.outcome.ending())
	fx.restsOn = fx.lsn
	fn.noteReady(fx)
}

// noteStart records a cold start that the outcome reports.
func (ex *execution) noteStart(o *Outcome) {
	if !o.ColdStart {
		return
	}
	ex.coldStart = true
	if o.Init > 0 {
		ex.initMs = int32(o.Init / time.Millisecond)
	}
}
