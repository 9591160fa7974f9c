package core

import "time"

// A step is one decision about a function: with the function's lock held,
// (state, input) becomes (state', effects). Everything that changes a function,
// its queue, its slots or its executions is a step, and all that a step depends
// on beside the function's state is in its input: one instant, and the operands
// of its kind. A step calls nothing outside core but the clock, to arm the
// function's own timers: two steps must arm one timer in the order in which
// they were taken. Everything else is left in effects, and carryOut does it
// without the lock.

// StepKind says what a step decides about. Its numbers are part of the format of
// recordings.
type StepKind uint8

// Kinds of steps.
const (
	StepAccept      StepKind = iota // a submission: starts, is queued, or is refused
	StepJoin                        // a caller waits for the execution of its key
	StepForget                      // a caller waits no longer
	StepTick                        // the scheduler's turn
	StepDrain                       // drain-once's turn
	StepAnswer                      // a dispatch has answered
	StepComplete                    // a completion from outside
	StepDue                         // the function's timer: the earliest deadline
	StepExpire                      // a sweep: executions that are due
	StepClose                       // the function is deleted
	StepEmpty                       // a deleted function: a batch of what waits ends
	StepUpdate                      // another spec
	StepRelieve                     // payloads of answered calls are dropped
	StepLook                        // the autoscaler evaluates, woken by work or a report
	StepLookAgain                   // the autoscaler evaluates, by its timer
	StepAsked                       // the Scaler has been called
	StepSetReplicas                 // replicas set by hand
	StepReplicas                    // the number of ready instances
	StepReport                      // a reported metric
	StepCancel                      // nobody wants the execution any more
	StepDurable                     // facts that effects were held for are durable
	StepRestore                     // executions of an earlier process come back
	StepInterrupt                   // an attempt has ended with the process that ran it

	// Not steps, but in a recording among them.
	StepRefuse // a submission refused before any step
	StepMore   // what did not fit into the Step before
	StepKey    // a shard of idempotency keys decides, see keyrecording.go
)

var stepNames = [...]string{"accept", "join", "forget", "tick", "drain", "answer", "complete", "due", "expire", "close", "empty",
	"update", "relieve", "look", "look_again", "asked", "set_replicas", "replicas", "report", "cancel", "durable", "restore",
	"interrupt", "refuse", "more", "key"}

func (k StepKind) String() string {
	if int(k) < len(stepNames) {
		return stepNames[k]
	}
	return unknownKind
}

// input is a step's kind, its instant and its operands.
type input struct {
	kind StepKind
	now  Instant

	ex         *execution
	attempt    int32 // StepAnswer; StepComplete: 0 = any
	outcome    Outcome
	callerRuns bool   // StepAccept: the caller makes the first attempt itself
	tag        uint64 // StepAccept
	waiter     Waiter
	key        claim  // StepAccept: to be published; token 0 = none
	n          int    // StepSetReplicas, StepReplicas; StepForget, set by the step: the waiter's place
	done       func() // StepDrain

	expiry     *expiry   // StepExpire
	deletion   *Deletion // StepEmpty
	relief     *reliefStep
	spec       *Spec  // StepUpdate: the next one
	generation uint64 // StepUpdate: the expected one; 0 = any
	report     *metricReport
	letter     ID           // StepAccept: the dead letter that it comes from
	held       *heldEffects // StepDurable
	restored   []*execution // StepRestore
	grace      int64        // StepRestore: Restorer.Grace, ns

	places     places // StepAccept
	letterGone bool   // StepAccept, set by the step: the dead letter is not there

	asked  question // StepTick, StepDrain: what the step before has had asked
	nobody bool     // the answer: nobody is there
	// draining has StepTick set aside what the next process goes on with.
	draining bool
}

// effects is what a step leaves to be done without the function's lock.
type effects struct {
	fn   *Function
	now  Instant
	gone bool // the journal is another process's

	// The step's results for its caller.
	why     *Rejection
	did     bool
	attempt int32 // that is completed
	more    bool
	count   int
	spec    *Spec // StepUpdate: in force from now on
	failed  error // StepUpdate: the spec cannot be stored
	// restsOn is the fact that must be durable before the caller may tell anybody
	// of the result; 0 = none.
	restsOn LSN
	// lsn is the step's last fact; 0 = none. Dispatch, waiters, breakOff and
	// attemptEnded are held until it is durable.
	lsn   LSN
	ended *execution // durable, and has just ended
	// durable is how far the journal was when the step asked.
	durable      LSN
	askedJournal bool

	ready   bool // fn is to be added to the ready list
	freeKey *execution
	settled []func() // callbacks of submissions that wait for the key

	happened bool // event is to be observed
	accepted bool // a sweep is needed from now on
	wake     bool // the autoscaler is to evaluate
	released *execution
	resized  bool
	scaled   bool
	ask      bool       // the Scaler is to be called for count replicas
	breakOff *execution // ended, and its attempt still runs
	dispatch *execution
	inHand   bool     // the caller makes the attempt itself
	question question // before the turn is taken, see leave.go

	event        Event
	task         Task
	queueWait    time.Duration // before it
	waiter       Waiter
	joined       []Waiter
	told         Snapshot // for waiter and joined; StepJoin: the state for the caller, as StepCancel
	attemptEnded func()
	expiry       *expiry
}

// step takes one step of fn.
func (fn *Function) step(in *input, fx *effects) {
	fx.fn, fx.now = fn, in.now
	fn.mu.Lock()
	fx.gone = fn.core.cfg.Journal != nil && fn.core.cfg.Journal.Gone()
	fn.decide(in, fx)
	if fn.core.recorder != nil {
		fn.recordStep(in, fx)
	}
	fn.mu.Unlock()
}

// decide is a step's decision; the caller holds fn.mu.
func (fn *Function) decide(in *input, fx *effects) {
	switch in.kind {
	case StepAccept:
		fn.accept(in, fx)
	case StepAnswer:
		fn.answer(in, fx)
	case StepTick:
		fn.tick(in, fx)
	case StepExpire:
		fn.expire(in.expiry, fx)
	case StepDue:
		fn.endDue(fx)
	case StepJoin:
		fn.join(in, fx)
	case StepForget:
		in.n = fn.removeWaiter(in.ex, in.waiter)
	case StepComplete:
		fn.completed(in, fx)
	case StepDrain:
		fn.drainOne(in, fx)
	case StepClose:
		fn.close(fx)
	case StepEmpty:
		fn.endWaiting(in.deletion, fx)
	case StepRelieve:
		fn.relieve(in.relief)
	case StepUpdate:
		fn.update(in, fx)
	case StepLook:
		fn.look(fx)
	case StepLookAgain:
		fn.lookAgain(fx)
	case StepAsked:
		fn.auto.Load().asking = false
		fn.askIfDue(fx)
	case StepSetReplicas:
		fn.setReplicas(in.n, fx)
	case StepReplicas:
		fn.replicasAre(in.n, fx)
	case StepReport:
		fn.takeReport(in.report, fx)
	case StepCancel:
		fn.cancel(in, fx)
	case StepDurable:
		fn.durableNow(in.held, fx)
	case StepRestore:
		fn.restore(in, fx)
	case StepInterrupt:
		fn.interrupt(in.ex, fx)
	}
}

// noteReady has carryOut add fn to the ready list if a tick would dispatch
// something and fn is not in the list yet; the caller holds fn.mu.
func (fn *Function) noteReady(fx *effects) {
	if !fn.ready && fn.runnable() {
		fn.ready, fx.ready = true, true
	}
}

// carryOut carries out the effects of a step, in this order: ready list and
// keys, the event and the waiters, the slot, the store's records, the event of a
// dispatch, autoscaling, and last the dispatch itself. The last two may take
// further steps before they return, so the step's own events come first: fewer
// slots must not be observed before what took one of more. Those that may not
// leave before the step's facts are durable are held (held.go). It reports
// whether the dispatch completed at once: the caller must then serve the ready
// list.
func (c *Core) carryOut(fx *effects) (completed bool) {
	if fx.ready {
		c.ready.push(fx.fn)
	}
	if fx.freeKey != nil {
		c.freeKey(fx.freeKey)
	}
	for _, f := range fx.settled {
		f()
	}
	if fx.accepted {
		c.armSweep(fx.now)
	}
	if fx.happened {
		c.observe(&fx.event)
	}
	if fx.waiter != nil {
		fx.waiter.Wake(fx.told)
	}
	for _, w := range fx.joined {
		w.Wake(fx.told)
	}
	if fx.breakOff != nil && fx.lsn == 0 {
		if d, ok := c.dispatcher.(Canceller); ok {
			d.Cancel(fx.breakOff.id, int(fx.breakOff.attempt)) // neither changes after the end
		}
	}
	if fx.released != nil {
		c.event(EventSlotReleased, fx.released, fx.now)
	}
	if fx.attemptEnded != nil && fx.lsn == 0 {
		fx.attemptEnded()
	}
	if fx.expiry != nil {
		c.carryOutExpiry(fx.expiry, fx.now)
	}
	if fx.dispatch != nil && fx.lsn == 0 {
		c.observeDispatch(fx)
	}
	if fx.wake || fx.resized || fx.scaled || fx.ask {
		c.carryOutScaling(fx)
	}
	switch {
	case fx.lsn != 0:
		return c.hold(fx)
	case fx.dispatch != nil:
		return c.dispatch(fx)
	}
	return false
}

// carryOutScaling carries out the effects of a step that changes the number of
// instances, or may. It is not inlined: what it needs of the stack is a kilobyte,
// and every call would have it.
//
//go:noinline
func (c *Core) carryOutScaling(fx *effects) {
	if fx.resized {
		c.observe(&Event{Kind: EventConcurrencyChanged, Function: fx.fn, At: fx.now, Count: fx.fn.EffectiveConcurrency()})
	}
	if fx.scaled {
		c.observe(&Event{Kind: EventScaled, Function: fx.fn, At: fx.now, Count: fx.count})
	}
	if fx.wake {
		c.take(fx.fn, &input{kind: StepLook, now: fx.now})
	}
	if fx.resized {
		c.serve()
	}
	if fx.ask {
		c.askScaler(fx.fn, fx.count, fx.now)
	}
}

// take takes a step of fn and carries out its effects, for callers that need
// no results.
func (c *Core) take(fn *Function, in *input) {
	var fx effects
	fn.step(in, &fx)
	c.carryOut(&fx)
}

// observe calls the observer, if there is one.
func (c *Core) observe(ev *Event) {
	if c.observed {
		c.observer.Observe(*ev)
	}
}

func (c *Core) event(kind EventKind, ex *execution, now Instant) {
	if c.observed {
		c.observer.Observe(Event{Kind: kind, Function: ex.fn, ID: ex.id, At: now, Sync: ex.sync})
	}
}

// happen has carryOut observe an event about ex; the caller holds fn.mu.
func (fx *effects) happen(kind EventKind, ex *execution) {
	fx.happened = true
	ev := &fx.event
	ev.Kind, ev.Function, ev.ID, ev.At, ev.Sync = kind, fx.fn, ex.id, fx.now, ex.sync
}
