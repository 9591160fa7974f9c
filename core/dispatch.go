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
	// Caller and CallerToken are the Waiter and WaiterToken of the sync
	// invocation that this is; nil without one. A dispatcher may let the caller
	// do the work instead of only waiting.
	Caller      Waiter
	CallerToken uint32

	ex *execution
}

// Outcome is how an attempt ended.
type Outcome struct {
	Status    Status // Success, Error or Timeout
	Output    []byte // raw JSON, for Success
	Code      string // for Error
	Message   string // for Error
	ColdStart bool
	Init      time.Duration // cold-start time; 0 = not reported
}

// Complete reports the attempt's outcome. Only the first call for an attempt
// counts; later ones, and results of executions that have ended meanwhile,
// are counted as events and dropped.
func (t Task) Complete(o Outcome) { t.ex.fn.core.attemptDone(t.ex, int32(t.Attempt), o) }

// An execution's handoff word tells a completion that comes from inside
// Dispatch from one that comes later: attempt << 2 | phase. The former leaves
// the next tick to the loop that is dispatching, so that a queue of instant
// handlers is worked off in a loop and not in ever deeper calls.
const (
	handoffDispatching = iota // Dispatch has not returned
	handoffReturned           // Dispatch has returned
	handoffCompleted          // completed before Dispatch returned
)

func handoffWord(attempt int32, phase uint32) uint32 { return uint32(attempt)<<2 | phase }

// start takes a slot for ex and marks it running; the caller holds fn.mu and
// has checked that a slot is free.
func (c *Core) start(fn *Function, ex *execution, now Instant) Task {
	fn.takeSlot(ex)
	ex.markRunning(now)
	fn.watch(ex, now)
	ex.handoff.Store(handoffWord(ex.attempt, handoffDispatching))
	task := Task{
		ID: ex.id, Function: fn, Spec: fn.spec.Load(), Input: ex.input,
		Attempt: int(ex.attempt), Timeout: time.Duration(ex.timeout), Caller: ex.waiter, CallerToken: ex.waiterToken, ex: ex,
	}
	if ex.more != nil {
		task.Metadata, task.TraceID, task.IdempotencyKey = ex.more.metadata, ex.more.traceID, ex.more.idempotencyKey
		task.Trace = ex.more.trace.orNil()
	}
	return task
}

// dispatch hands a started task to the dispatcher, without locks, and reports
// whether it completed on the spot.
func (c *Core) dispatch(fn *Function, ex *execution, task Task, now Instant) (completed bool) {
	if c.observed {
		c.observer.Observe(Event{
			Kind: EventDispatched, Function: fn, ID: ex.id, At: now, Sync: ex.sync,
			Attempt: int32(task.Attempt), QueueWait: time.Duration(now.Mono - ex.queuedMono), Trace: task.Trace,
		})
	}
	c.dispatcher.Dispatch(task)
	attempt := int32(task.Attempt)
	return !ex.handoff.CompareAndSwap(handoffWord(attempt, handoffDispatching), handoffWord(attempt, handoffReturned))
}

// attemptDone applies the outcome of an attempt.
func (c *Core) attemptDone(ex *execution, attempt int32, o Outcome) {
	fn := ex.fn
	now := c.clock.Now()
	fn.mu.Lock()
	if attempt != ex.attempt || ex.answered {
		fn.mu.Unlock()
		c.event(EventDuplicateResult, ex, now)
		return
	}
	ex.answered = true
	if o.Status == Success && ex.startedMono >= 0 {
		fn.service.add(now.Mono - ex.startedMono)
	}
	inline := ex.handoff.CompareAndSwap(handoffWord(attempt, handoffDispatching), handoffWord(attempt, handoffCompleted))
	released, attemptEnded := fn.releaseSlot(ex)
	if ex.status.Terminal() {
		fn.watch(ex, now)
		fn.mu.Unlock()
		c.event(EventLateResult, ex, now)
	} else {
		var e ending
		c.apply(&e, fn, ex, &o, now)
		fn.mu.Unlock()
		c.settle(&e, now)
	}
	c.slotReleased(ex, released, attemptEnded, now)
	if !inline {
		c.kick(fn)
	}
}

// apply ends a running execution as the outcome says, or requeues it; the
// caller holds fn.mu.
func (c *Core) apply(e *ending, fn *Function, ex *execution, o *Outcome, now Instant) {
	c.conclude(ex, o, now)
	if ex.status == Error && c.retry(fn, ex, now) {
		e.ex, e.retried, e.attempt, e.coldStart = ex, true, ex.attempt, o.ColdStart
		return
	}
	c.admission.completed(fn, now)
	if ex.status == Error && !fn.deleted {
		c.bury(fn, ex)
	}
	c.end(e, fn, ex, now)
}

// conclude makes the transition of a non-terminal execution that the outcome
// asks for; the caller holds fn.mu.
func (c *Core) conclude(ex *execution, o *Outcome, now Instant) {
	ex.noteStart(o)
	switch o.Status {
	case Success:
		ex.markSuccess(o.Output, now)
	case Timeout:
		ex.markTimeout(nil, now)
	default:
		ex.markError(outcomeError(o), now)
	}
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

func outcomeError(o *Outcome) *ExecError {
	code := o.Code
	if code == "" {
		code = CodeDispatchFailed
	}
	return &ExecError{Code: code, Message: o.Message}
}
