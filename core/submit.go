package core

import (
	"slices"
	"time"
)

// Request asks for one execution.
type Request struct {
	Function string
	// Sync says that a caller waits: its deadline runs from now, and Waiter is
	// woken at the end. Without it the work is only queued.
	Sync bool
	// Input is raw JSON, Metadata a raw JSON object or nil. Both are kept until
	// the cleanup TTL and must not change, unless Borrowed.
	Input, Metadata []byte
	// Borrowed says that the caller will reuse the memory of Input, Metadata
	// and the strings after Submit: core copies what it keeps, once the
	// request is admitted.
	Borrowed bool
	// InputGiven says of a Borrowed request that Input's memory is not reused:
	// core keeps it as it is.
	InputGiven bool
	TraceID    string
	Trace      TraceContext
	// IdempotencyKey leads later requests with the same key, input and metadata
	// to this one's execution; "" for none. Those with another input or metadata
	// get ErrKeyReused.
	IdempotencyKey string
	// Timeout overrides the function's; 0 = the function's. >= 0, held down to
	// MaxTimeoutMillis.
	Timeout time.Duration
	// Durability says whether the work is kept in the journal, other than the
	// function's spec does; a Sync request never is.
	Durability Durability
	Waiter     Waiter
	// CallerRuns says that the caller of a Sync request makes the first attempt
	// itself when a slot is free at once: Result.Run is that attempt then,
	// and the Dispatcher is not called.
	CallerRuns bool
	// Tag is a value of the caller's, handed on with the events that this
	// call causes (Event.Tag). Core does not read it.
	Tag uint64
	// OnSettled is called once after Submit returned ErrPending, when the
	// concurrent claim on the idempotency key has ended: then submit
	// the same Request again; it counts once against the rate limits.
	OnSettled func()

	charged bool        // counted in the rate windows before ErrPending
	print   Fingerprint // made then
	letter  ID          // the dead letter that it is submitted from

	// For the recorder: places in the rate windows, figures that a refusal rests
	// on, and that a step has refused it.
	places  places
	seen    [2]uint64
	decided bool
}

// Result is an accepted request, or the execution its key already had.
type Result struct {
	ID ID
	// Existing says that the idempotency key led to an earlier execution:
	// Snapshot is its state.
	Existing bool
	Snapshot Snapshot
	// Waiting says that Waiter.Wake is called (or has been already). It is
	// false for an Existing execution that had already ended.
	Waiting bool
	// Run is the attempt that the caller has to make, in answer to
	// Request.CallerRuns: it calls Run.Complete once. Run.Attempt is 0 when there
	// is none.
	Run Task
	// LSN is the fact that must be durable before the caller may tell anybody
	// that the request was accepted; 0 = none. See Core.JournalAdvanced.
	LSN LSN
}

// Submit admits, records, queues and, when a slot is free, dispatches a
// request. The error is one of the Rejection values: nothing was kept then.
func (c *Core) Submit(r *Request) (res Result, err error) {
	err = c.submit(r, &res) // which is handed down: a copy in each function's frame would make stacks twice as large
	return res, err
}

func (c *Core) submit(r *Request, res *Result) error {
	now := c.clock.Now()
	r.seen, r.decided = [2]uint64{}, false // of an earlier submission
	fn := c.registry.get(r.Function)
	if fn == nil {
		return c.reject(nil, r, now, ErrNotFound)
	}
	if c.draining.Load() {
		return c.reject(fn, r, now, ErrDraining)
	}
	if !r.charged && !c.withinRate(fn, r, now) {
		return c.reject(fn, r, now, ErrRateLimited)
	}
	again := r.charged
	r.charged = false
	if r.IdempotencyKey != "" {
		if !again {
			r.print = FingerprintOf(r.Input, r.Metadata)
		}
		return c.submitOnce(fn, r, now, res)
	}
	return c.admit(fn, r, now, claim{}, res)
}

// withinRate takes a place in the windows of the function and of all. The
// function's own comes first, so that one over its limit costs others nothing.
func (c *Core) withinRate(fn *Function, r *Request, now Instant) bool {
	own, ownLater, ok := fn.limiter.take(now.Wall)
	if !ok {
		r.seen = [2]uint64{uint64(own), uint64(fn.limiter.Limit())}
		return false
	}
	all, allLater, ok := c.limiter.take(now.Wall)
	if !ok {
		r.seen = [2]uint64{uint64(all), uint64(c.limiter.Limit())}
		return false
	}
	r.places = places{own, all, ownLater, allLater}
	return true
}

// submitOnce admits a request with an idempotency key unless the key already
// has a live execution.
func (c *Core) submitOnce(fn *Function, r *Request, now Instant, res *Result) error {
	for {
		state, token, id := c.keys.AcquireOrGet(fn.name, r.IdempotencyKey, r.print, now.Wall, r.OnSettled)
		if state == Existing {
			if c.join(fn, id, r, now, res) {
				return nil
			}
			// The execution is gone: take the key over, unless another caller
			// has.
			if state, token = c.keys.ClaimIfMatches(fn.name, r.IdempotencyKey, id); state != Claimed {
				continue
			}
		}
		switch state {
		case Pending:
			r.charged = true
			return ErrPending
		case KeysFull:
			return c.reject(fn, r, now, ErrIdempotencyFull)
		case Reused:
			return c.reject(fn, r, now, ErrKeyReused)
		}
		return c.admit(fn, r, now, claim{fn.name, r.IdempotencyKey, token, r.print}, res)
	}
}

// join makes res the key's earlier execution, and waits for it with the caller
// when that is sync and the execution has not ended; false when it is gone.
func (c *Core) join(fn *Function, id ID, r *Request, now Instant, res *Result) bool {
	ex := c.store.get(id)
	if ex == nil {
		return false
	}
	in := input{kind: StepJoin, now: now, ex: ex}
	if r.Sync {
		in.waiter = r.Waiter
	}
	var fx effects
	ex.fn.step(&in, &fx) // of an earlier function of the same name, maybe
	if fx.why != nil {
		return false
	}
	c.observe(&Event{Kind: EventIdempotentHit, Function: fn, ID: id, At: now, Sync: r.Sync, Tag: r.Tag})
	c.carryOut(&fx)
	if fx.ready {
		c.serve() // with the scheduler off nothing else drives its queue
	}
	*res = Result{ID: id, Existing: true, Snapshot: fx.told, Waiting: fx.did, LSN: fx.restsOn}
	return true
}

// join has in.waiter, if any, woken at the end of an execution that has not
// ended, and reads its state; the caller holds fn.mu.
func (fn *Function) join(in *input, fx *effects) {
	if fx.expired(in.ex) || in.ex.gaveKeyBack() {
		fx.why = ErrExecutionGone
		return
	}
	fx.told = fn.core.visible(in.ex, fx.now, fx.endHeld(in.ex))
	if in.ex.durable() {
		fx.restsOn = in.ex.more.facts.accepted()
	}
	if in.waiter != nil && !fx.told.Status.Terminal() {
		fn.addWaiter(in.ex, in.waiter)
		fx.did = true
	}
	fn.noteReady(fx)
}

// addWaiter has w woken at the end of ex; the caller holds fn.mu.
func (fn *Function) addWaiter(ex *execution, w Waiter) {
	if ex.inQueue() && !ex.sync && !ex.joined() {
		fn.joinQueued++
	}
	x := ex.extras()
	x.waiters = append(x.waiters, w)
	x.joins++
}

// removeWaiter makes sure that w is not woken for ex any more; the caller holds fn.mu.
// It returns where w was: 1 for the execution's own caller's, from 2 for those that
// have joined; 0 = nowhere.
func (fn *Function) removeWaiter(ex *execution, w Waiter) (place int) {
	if w == nil {
		return 0
	}
	if ex.waiter == w {
		ex.waiter, place = nil, 1
	}
	if !ex.joined() {
		return place
	}
	if i := slices.Index(ex.more.waiters, w); i >= 0 {
		place = i + 2
	}
	ex.more.waiters = slices.DeleteFunc(ex.more.waiters, func(other Waiter) bool { return other == w })
	if ex.inQueue() && !ex.sync && !ex.joined() {
		fn.joinQueued--
	}
	return place
}

// admit records and queues a request, or starts it, and settles the claim on its
// idempotency key, if it has one. res is zero before.
func (c *Core) admit(fn *Function, r *Request, now Instant, key claim, res *Result) error {
	ex, why := c.place(fn, r, now)
	if why != nil {
		return c.refuse(fn, r, now, key, why)
	}
	var fx effects
	fn.step(&input{kind: StepAccept, now: now, ex: ex, key: key, callerRuns: r.CallerRuns, tag: r.Tag, letter: r.letter, waiter: r.Waiter, places: r.places}, &fx)
	if fx.why != nil {
		c.store.release(ex.payloadBytes())
		r.decided = true
		return c.refuse(fn, r, now, key, fx.why)
	}
	id := ex.id
	completed := c.carryOut(&fx)
	switch {
	case fx.inHand:
		res.Run = fx.task
	case fx.dispatch == nil || completed:
		c.serve()
	}
	c.helpSweep(id, now)
	res.ID, res.Waiting, res.LSN = id, r.Sync, fx.restsOn
	return nil
}

// accept stores a new execution and starts or queues it, unless a bound forbids
// that; the caller holds fn.mu.
func (fn *Function) accept(in *input, fx *effects) {
	c, ex := fn.core, in.ex
	// An idle function with a free slot would become ready and be served
	// next: take that tick here, in the same step.
	direct := fn.queue.live == 0 && fn.slotFree() && (ex.sync || !c.cfg.SchedulerOff)
	switch {
	case fn.deleted: // between look-up and here
		fx.why = ErrNotFound
		return
	case !direct && fn.queue.live >= fn.QueueSize():
		fx.why = ErrQueueFull
		return
	}
	var letter *factLog
	if in.letter != (ID{}) {
		var there bool
		if letter, there = c.takeLetter(fn, in, fx.now); !there { // by another redrive
			in.letterGone = true
			fx.why = ErrNotFound
			return
		}
	}
	c.store.put(ex) // in the step: a sweep must not meet it half admitted
	if ex.durable() {
		fn.recordAccepted(fx, ex, in)
		fx.restsOn = fx.lsn
		letter.letterGone(ex.more.facts, c.cfg.Journal) // what it was is in the execution now
	}
	if direct {
		fn.start(fx, ex)
		if fx.inHand = in.callerRuns && ex.sync; fx.inHand {
			ex.handoff.Store(handoffWord(ex.attempt, handoffReturned))
		}
	} else {
		fn.enqueue(ex)
		fn.watch(ex, fx.now)
		fn.noteReady(fx)
	}
	if in.key.token != 0 {
		// It fails only when a Put took the key over, whose mapping then stands.
		fx.settled, _ = c.keys.publish(&in.key, ex.id, fx.now.Wall)
	}
	if a := fn.auto.Load(); a != nil {
		fx.wake = a.noticeWork()
	}
	fx.accepted = true
	fx.happen(EventAccepted, ex)
	fx.event.Attempt, fx.event.Tag = 1, in.tag
}

// refuse abandons the claim, if any, so that the key's next request may run.
func (c *Core) refuse(fn *Function, r *Request, now Instant, key claim, why *Rejection) *Rejection {
	if key.token != 0 {
		_ = c.keys.Abandon(key.function, key.key, key.token)
	}
	return c.reject(fn, r, now, why)
}

// place makes the record and reserves its room in the store, unless a bound
// forbids it. The queue's depth is read without the lock here, so that
// refusing under overload allocates nothing; the binding check is in the
// step.
func (c *Core) place(fn *Function, r *Request, now Instant) (*execution, *Rejection) {
	if r.Sync {
		if why := c.admission.check(fn, now, &r.seen); why != nil {
			return nil, why
		}
	}
	durable, why := c.durability(fn, r)
	if why != nil {
		return nil, why
	}
	if depth, size := fn.QueueDepth(), fn.QueueSize(); depth >= size {
		r.seen = [2]uint64{uint64(depth), uint64(size)}
		return nil, ErrQueueFull
	}
	if !c.reserve(r.payloadBytes(), now) {
		r.seen = [2]uint64{1, 0}
		return nil, ErrStoreFull
	}
	return c.newExecution(fn, r, now, durable), nil
}

// reserve claims room in the store for n payload bytes; false when there is
// none, and none can be made.
func (c *Core) reserve(n int64, now Instant) bool {
	for {
		switch c.store.reserve(n, c.keys.Bytes()) {
		case reserved:
			return true
		case noBytes:
			if c.relieve(n, now) {
				continue
			}
		}
		return false
	}
}

// payloadBytes is what the payload bound counts of a request that is kept.
func (r *Request) payloadBytes() int64 { return int64(len(r.Input)) + r.extraBytes() }

func (r *Request) extraBytes() int64 {
	return int64(len(r.Metadata) + len(r.TraceID) + len(r.IdempotencyKey) + len(r.Trace.Parent) + len(r.Trace.State))
}

const maxTimeout = MaxTimeoutMillis * int64(time.Millisecond)

func (c *Core) newExecution(fn *Function, r *Request, now Instant, durable bool) *execution {
	id := c.ids.NewID()
	memory := c.memory.of(id, r.Sync)
	ex := &memory.records.take(1)[0]
	*ex = newRecord(id, fn, now, r.Sync)
	ex.input, ex.timeout, ex.waiter = r.Input, int64(r.Timeout), r.Waiter
	if r.extraBytes() > 0 || r.Trace.Record != nil || durable {
		ex.more = &executionExtras{metadata: r.Metadata, traceID: r.TraceID, trace: r.Trace, idempotencyKey: r.IdempotencyKey}
	}
	if durable {
		ex.more.facts = memory.logs.take(1)[0].begin(Partition(fn.tag))
	}
	if r.Borrowed {
		if !r.InputGiven {
			ex.input = keep(&memory.inputs, r.Input)
		}
		ex.more.own()
	}
	if ex.timeout <= 0 {
		ex.timeout = fn.timeout()
	}
	ex.timeout = min(ex.timeout, maxTimeout)
	ex.lookAt = c.store.ttl.nextLook(now.Wall, now.Wall)
	if r.Sync {
		if cfg := c.admission.cfg.Load(); cfg.Enabled {
			ex.queueDeadline = now.Mono + int64(cfg.MaxQueueWait)
		}
	}
	return ex
}

func (c *Core) reject(fn *Function, r *Request, now Instant, why *Rejection) *Rejection {
	if c.recorder != nil && !r.decided {
		c.recordRefusal(fn, r, now, why)
	}
	c.observe(&Event{Kind: EventRejected, Function: fn, At: now, Sync: r.Sync, Code: why.Code, Tag: r.Tag})
	return why
}
