package core

// Canceller is a Dispatcher that can break an attempt off.
type Canceller interface {
	// Cancel says that nobody wants the outcome of an attempt any more. The
	// attempt keeps its slot until it has answered or its deadline has passed.
	// It must return at once; the attempt may have answered already.
	Cancel(id ID, attempt int)
}

// Cancel ends an execution that has not ended, as ERROR with code CANCELLED:
// a queued one leaves the queue, a running one's attempt is broken off where
// the Dispatcher is a Canceller. It returns the execution's state then. The
// error is ErrExecutionGone or ErrAlreadyEnded. Nobody may be told either before
// the fact at Snapshot.LSN is durable.
func (c *Core) Cancel(id ID) (Snapshot, error) {
	ex := c.store.get(id)
	if ex == nil {
		return Snapshot{}, ErrExecutionGone
	}
	var fx effects
	ex.fn.step(&input{kind: StepCancel, now: c.clock.Now(), ex: ex}, &fx)
	c.carryOut(&fx)
	fx.told.LSN = fx.restsOn
	if fx.why != nil {
		return Snapshot{LSN: fx.restsOn}, fx.why
	}
	c.serve() // with the scheduler off nothing else may drive the queue
	return fx.told, nil
}

// CancelMemory cancels every execution that has not ended and is not in the journal:
// what would end with this process anyway.
func (c *Core) CancelMemory() {
	q := &Search{Statuses: Statuses(0).With(Queued).With(Running), Limit: 1000}
	for more := true; more; {
		p := c.Search(q)
		for _, f := range p.Executions {
			if ex := c.store.get(f.ID); ex != nil && !ex.durable() {
				_, _ = c.Cancel(f.ID) // it may have ended meanwhile
			}
		}
		more, q.After = p.More, p.Next
	}
}

var errCancelled = sharedError(CodeCancelled, "cancelled")

// cancel ends in.ex; the caller holds fn.mu.
func (fn *Function) cancel(in *input, fx *effects) {
	ex := in.ex
	switch {
	case fx.expired(ex):
		fx.why = ErrExecutionGone
		return
	case fx.left(ex):
		fx.why = ErrDraining
		return
	case ex.status.Terminal():
		fx.why, fx.restsOn = ErrAlreadyEnded, ex.lastFact()
		return
	}
	switch {
	case ex.awaitsDispatch():
		fn.releaseSlot(fx, ex)
	case ex.holdsSlot && !ex.answered:
		fx.breakOff = ex
	}
	fn.end(fx, ex, ending{status: Error, err: errCancelled, unwanted: true})
	fx.told, fx.restsOn = ex.snapshot(), ex.lastFact()
	fn.noteReady(fx)
}
