package core

import "time"

// Function is a registered function with its queue and its slots. What each
// submission and answer touches comes first, in as few cache lines as possible:
// with calls spread over many functions, fetching these lines is most of what a
// call costs core.
type Function struct {
	// Read by a submission without the lock.
	core    *Core
	name    string
	spec    atomicPointer[Spec]
	handle  any
	limiter RateLimiter

	mu            mutex
	depth         atomicInt32 // queued; written under mu, read without
	running       atomicInt32 // slots in use; written under mu, read without
	queueSize     atomicInt32
	slots         atomicInt32 // effective concurrency
	timeoutMillis atomicInt32 // of the spec in force
	pauses        atomicInt32 // executions between two attempts; written under mu, read without
	tag           uint8       // of its name, see segment
	ready         bool        // is in the scheduler's ready list, or its turn goes on
	deleted       bool

	// For the recorder.
	domain    uint32 // tells registrations apart; 0 = nothing is recorded
	recorded  uint32 // the place of the last record
	check     uint32 // after it
	sinceBase uint32 // steps
	basedAt   int64  // elapsed ns of the last Base

	auto           atomicPointer[autoscale] // nil when core has never adapted anything; written under mu
	armedAt        int64                    // elapsed ns the timer is armed for; 0 = not armed
	onTimer        func()
	deadlines      deadlines
	syncQueued     int
	joinQueued     int         // queued async executions that sync invocations have joined
	replicasWanted atomicInt32 // written under mu, read without
	replicasReady  atomicInt32
	queue          lanes
	answered       answered
	timer          Timer

	// Of the journal; see factlog.go.
	registration  uint64 // tells a name's registrations apart
	setAt, goneAt LSN    // facts of the spec in force and of the deletion; 0 = none
	kept          int    // durable executions that are not evicted
	open          int    // durable executions that have not ended

	completions throughput
	service     serviceTime // with Config.PassOverLate only
}

func newFunction(c *Core, spec *Spec) *Function {
	fn := &Function{name: spec.Name, core: c, tag: nameTag(spec.Name)}
	fn.setSpec(spec)
	fn.auto.Store(newAutoscale(c, spec))
	fn.slots.Store(fn.slotsNow())
	fn.onTimer = func() { c.onDeadline(fn) }
	fn.handle = c.observer.FunctionAdded(fn)
	return fn
}

// setSpec puts a spec into force, and what is kept of it beside it.
func (fn *Function) setSpec(spec *Spec) {
	fn.spec.Store(spec)
	fn.queueSize.Store(int32(spec.QueueSize))
	fn.timeoutMillis.Store(int32(spec.TimeoutMillis))
	fn.limiter.SetLimit(spec.RateMaxPerSecond)
}

// Name is the function's registered name.
func (fn *Function) Name() string { return fn.name }

// Spec is the specification in force. It must not be changed.
func (fn *Function) Spec() *Spec { return fn.spec.Load() }

// Handle is what Observer.FunctionAdded returned.
func (fn *Function) Handle() any { return fn.handle }

// QueueDepth is the number of queued executions.
func (fn *Function) QueueDepth() int { return int(fn.depth.Load()) }

// Pausing is the number of executions that wait for their next attempt outside
// the queue.
func (fn *Function) Pausing() int { return int(fn.pauses.Load()) }

// timeout is the time for an attempt, in ns, unless its request says otherwise.
func (fn *Function) timeout() int64 {
	return int64(fn.timeoutMillis.Load()) * int64(time.Millisecond)
}

// QueueSize is the most executions that may be queued.
func (fn *Function) QueueSize() int { return int(fn.queueSize.Load()) }

// InFlight is the number of slots in use.
func (fn *Function) InFlight() int { return int(fn.running.Load()) }

// EffectiveConcurrency is the number of slots there are.
func (fn *Function) EffectiveConcurrency() int { return int(fn.slots.Load()) }

// SyncQueueDepth is the number of queued sync invocations.
func (fn *Function) SyncQueueDepth() int {
	fn.mu.Lock()
	defer fn.mu.Unlock()
	return fn.syncQueued
}

// The methods below need fn.mu.

func (fn *Function) slotFree() bool { return fn.running.Load() < fn.slots.Load() }

// runnable reports whether a scheduler tick would dispatch something. With
// the scheduler off only a waiting sync invocation drives its queue.
func (fn *Function) runnable() bool {
	return fn.queue.live > 0 && fn.slotFree() && !fn.deleted && (!fn.core.cfg.SchedulerOff || fn.syncQueued+fn.joinQueued > 0)
}

// enqueue appends ex; the caller has checked the bound.
func (fn *Function) enqueue(ex *execution) {
	fn.queue.push(ex)
	fn.countQueued(ex, 1)
}

// dequeue takes the head; nil when the queue is empty.
func (fn *Function) dequeue() *execution {
	ex := fn.queue.pop()
	if ex != nil {
		fn.countQueued(ex, -1)
	}
	return ex
}

// unqueue takes ex out of the middle.
func (fn *Function) unqueue(ex *execution) {
	fn.queue.remove(ex)
	fn.countQueued(ex, -1)
}

func (fn *Function) countQueued(ex *execution, by int32) {
	fn.depth.Store(fn.depth.Load() + by)
	if ex.sync {
		fn.syncQueued += int(by)
		fn.core.admission.depth.Add(int64(by))
	} else if ex.joined() {
		fn.joinQueued += int(by)
	}
}

func (fn *Function) takeSlot(ex *execution) {
	ex.holdsSlot = true
	fn.running.Store(fn.running.Load() + 1)
	if ex.sync {
		fn.core.admission.inFlight.Add(1)
	}
}

// releaseSlot releases ex's slot if it holds one, and leaves the event and
// the attempt's callback in fx.
func (fn *Function) releaseSlot(fx *effects, ex *execution) {
	if !ex.holdsSlot {
		return
	}
	ex.holdsSlot = false
	if ex.answerable() { // its attempt has outlived it
		fn.answered.push(ex)
	}
	fn.running.Store(fn.running.Load() - 1)
	if ex.sync {
		fn.core.admission.inFlight.Add(-1)
	}
	fx.released = ex
	if ex.more != nil {
		fx.attemptEnded, ex.more.attemptEnded = ex.more.attemptEnded, nil
	}
}

// watch moves ex to its next deadline, or drops it when it has none, and arms
// the function's timer when that is now the earliest.
func (fn *Function) watch(ex *execution, now Instant) {
	at := ex.nextDeadline()
	if at == 0 {
		fn.deadlines.drop(ex)
		return
	}
	fn.deadlines.set(ex, at)
	fn.arm(now)
}

// arm does not touch a timer that is set for an earlier time: when it fires,
// nothing is due and it is armed again. So a timer is set about once per
// timeout, not once per execution.
func (fn *Function) arm(now Instant) {
	at, _, ok := fn.deadlines.next()
	if !ok || at == notDispatched || (fn.armedAt != 0 && fn.armedAt <= at) {
		return
	}
	fn.armedAt = at
	wait := time.Duration(at - now.Mono)
	if fn.timer == nil {
		fn.timer = fn.core.clock.AfterFunc(wait, fn.onTimer)
		return
	}
	fn.timer.Reset(wait)
}
