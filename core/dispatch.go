package core

import "time"

// Dispatcher runs executions. Dispatch must return at once; it, or any
// goroutine later, calls Task.Complete with the outcome. Completing before
// Dispatch returns is fine and cheap.
type Dispatcher interface {
	Dispatch(Task)
}

// Task is one attempt of an execution, handed to the Dispatcher. The byte
// slices are shared and must not be changed.
type Task struct {
	ID             ID
	Function       *Function
	Spec           *Spec // in force when the attempt began
	Input          []byte
	Metadata       []byte // raw JSON object; nil when none was given
	TraceID        string
	Trace          *TraceContext // nil without one; must not be changed
	IdempotencyKey string
	Attempt        int           // from 1
	Timeout        time.Duration // the attempt's deadline, counted from now
	Durable        bool          // the execution is in the journal
	Waiter         Waiter        // Request.Waiter, unless the execution has ended; of a sync one

	ex *execution
}

// Outcome is how an attempt ended.
type Outcome struct {
	Status    Status // Success, Error or Timeout
	Output    []byte // raw JSON, for Success
	Code      string // for Error; kept up to MaxErrorCode bytes
	Message   string // for Error; kept up to MaxErrorMessage bytes
	ColdStart bool
	Init      time.Duration // cold-start time; 0 = not reported
	// Permanent says of an Error that another attempt would fail as well: it is
	// not retried.
	Permanent bool
	// RetryAfter is the shortest pause before another attempt, after an Error;
	// held down to 5 minutes.
	RetryAfter time.Duration
}

// ending is how an execution ends with this outcome.
func (o *Outcome) ending() ending {
	how := ending{status: o.Status, byFunction: true}
	switch o.Status {
	case Success:
		how.output = o.Output
	case Timeout:
	default:
		code := o.Code
		if code == "" {
			code = CodeDispatchFailed
		}
		how.status, how.err = Error, newExecError(code, o.Message)
	}
	return how
}

// An execution's handoff word tells a completion that comes from inside
// Dispatch from one that comes later: attempt << 2 | phase. After the former
// the dispatching loop takes the next tick, so that instant handlers are
// served in a loop and not by recursion.
const (
	handoffDispatching = iota // Dispatch has not returned
	handoffReturned           // Dispatch has returned, or is not called
	handoffCompleted          // completed before Dispatch returned
)

func handoffWord(attempt int32, phase uint32) uint32 { return uint32(attempt)<<2 | phase }

// completedInside records a completion of an attempt and reports whether it
// comes from inside Dispatch.
func (ex *execution) completedInside(attempt int32) bool {
	return ex.handoff.CompareAndSwap(handoffWord(attempt, handoffDispatching), handoffWord(attempt, handoffCompleted))
}

// start takes a slot for ex, which is not in the queue (any more), and marks it
// running. The caller holds fn.mu and has checked that a slot is free.
func (fn *Function) start(fx *effects, ex *execution) {
	fn.takeSlot(ex)
	fn.begin(fx, ex)
}

// begin marks ex, which has a slot, running. If that must be durable first, the
// attempt is dispatched later (held.go), and its time counts from then. The caller
// holds fn.mu.
func (fn *Function) begin(fx *effects, ex *execution) {
	ex.markRunning(fx.now)
	fn.core.store.moved(ex, fx.now)
	if ex.durable() {
		ex.more.facts.held, ex.more.facts.until = true, 0
		fn.watch(ex, fx.now)
		ex.handoff.Store(handoffWord(ex.attempt, handoffReturned))
		fn.recordOf(fx, ex, &Fact{Kind: FactStarted})
		fx.dispatch = ex
		return
	}
	fn.watch(ex, fx.now)
	fn.toDispatch(fx, ex)
}

// toDispatch has carryOut dispatch ex's attempt; the caller holds fn.mu.
func (fn *Function) toDispatch(fx *effects, ex *execution) {
	ex.handoff.Store(handoffWord(ex.attempt, handoffDispatching))
	fx.dispatch, fx.queueWait = ex, time.Duration(fx.now.Mono-ex.queuedMono)
	task := &fx.task
	task.ID, task.Function, task.Spec, task.Input = ex.id, fn, fn.spec.Load(), ex.input
	task.Attempt, task.Timeout, task.Durable, task.ex = int(ex.attempt), time.Duration(ex.timeout), ex.durable(), ex
	task.Waiter = ex.waiter
	if ex.more != nil {
		task.Metadata, task.TraceID, task.IdempotencyKey = ex.more.metadata, ex.more.traceID, ex.more.idempotencyKey
		task.Trace = ex.more.trace.orNil()
	}
}

// observeDispatch tells the observer of a started task that is about to be dispatched.
func (c *Core) observeDispatch(fx *effects) {
	if c.observed {
		c.observer.Observe(Event{
			Kind: EventDispatched, Function: fx.fn, ID: fx.task.ID, At: fx.now, Sync: fx.dispatch.sync,
			Attempt: int32(fx.task.Attempt), QueueWait: fx.queueWait, Trace: fx.task.Trace,
		})
	}
}

// dispatch hands a started task to the dispatcher, unless the caller makes
// the attempt itself, and reports whether it completed at once.
func (c *Core) dispatch(fx *effects) (completed bool) {
	ex, attempt := fx.dispatch, int32(fx.task.Attempt)
	if fx.inHand {
		return false
	}
	c.dispatcher.Dispatch(fx.task)
	return !ex.handoff.CompareAndSwap(handoffWord(attempt, handoffDispatching), handoffWord(attempt, handoffReturned))
}
