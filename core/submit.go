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
	// Borrowed says that Input and Metadata are only lent, and the strings
	// too: core copies what it keeps, once the request is admitted.
	Borrowed       bool
	TraceID        string
	Trace          TraceContext
	IdempotencyKey string
	// Timeout overrides the function's; 0 = the function's. >= 0, held down to
	// MaxTimeoutMillis.
	Timeout time.Duration
	Waiter  Waiter
	// WaiterToken is handed on as Task.CallerToken: it tells a Waiter that is
	// used again from what it was before.
	WaiterToken uint32
	// Tag is the caller's own mark. Core does not read it: it is handed on with
	// the events that this call causes (Event.Tag).
	Tag uint64
	// OnSettled is called once after Submit returned ErrPending, when the
	// concurrent claim on the idempotency key has ended: then submit
	// the same Request again; it counts once against the rate limits.
	OnSettled func()

	charged bool // has taken its place in the rate windows, then met ErrPending
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
}

// Submit admits, records, queues and, when a slot is free, dispatches a
// request. The error is one of the Rejection values: nothing was kept then.
func (c *Core) Submit(r *Request) (Result, error) {
	now := c.clock.Now()
	fn := c.registry.get(r.Function)
	if fn == nil {
		return Result{}, c.reject(nil, r, now, ErrNotFound)
	}
	if c.draining.Load() {
		return Result{}, c.reject(fn, r, now, ErrDraining)
	}
	if !r.charged && !c.withinRate(fn, now) {
		return Result{}, c.reject(fn, r, now, ErrRateLimited)
	}
	r.charged = false
	if r.IdempotencyKey != "" {
		return c.submitOnce(fn, r, now)
	}
	id, err := c.admit(fn, r, now, 0)
	if err != nil {
		return Result{}, err
	}
	return Result{ID: id, Waiting: r.Sync}, nil
}

// withinRate takes a place in the windows of the function and of all. The
// function's own comes first, so that one over its limit costs others nothing.
func (c *Core) withinRate(fn *Function, now Instant) bool {
	return (fn.limiter == nil || fn.limiter.Acquire(now.Wall)) && c.limiter.Acquire(now.Wall)
}

// submitOnce admits a request with an idempotency key unless the key already
// has a live execution.
func (c *Core) submitOnce(fn *Function, r *Request, now Instant) (Result, error) {
	for {
		state, token, id := c.keys.AcquireOrGet(fn.name, r.IdempotencyKey, now.Wall, r.OnSettled)
		if state == Existing {
			if res, ok := c.join(fn, id, r, now); ok {
				return res, nil
			}
			// The execution is gone: take the key over, unless somebody did.
			if state, token = c.keys.ClaimIfMatches(fn.name, r.IdempotencyKey, id); state != Claimed {
				continue
			}
		}
		switch state {
		case Pending:
			r.charged = true
			return Result{}, ErrPending
		case KeysFull:
			return Result{}, c.reject(fn, r, now, ErrIdempotencyFull)
		}
		id, err := c.admit(fn, r, now, token)
		if err != nil {
			return Result{}, err
		}
		return Result{ID: id, Waiting: r.Sync}, nil
	}
}

// join returns the key's earlier execution, and waits for it with the caller
// when that is sync and the execution has not ended; false when it is gone.
func (c *Core) join(fn *Function, id ID, r *Request, now Instant) (Result, bool) {
	ex := c.store.get(id)
	if ex == nil {
		return Result{}, false
	}
	owner := ex.fn // may be an earlier function of the same name
	owner.mu.Lock()
	if c.expired(ex, now) {
		owner.mu.Unlock()
		return Result{}, false
	}
	res := Result{ID: id, Existing: true, Snapshot: c.visible(ex, now)}
	if r.Sync && r.Waiter != nil && !ex.status.Terminal() {
		owner.addWaiter(ex, r.Waiter)
		res.Waiting = true
	}
	owner.mu.Unlock()
	c.observe(Event{Kind: EventIdempotentHit, Function: fn, ID: id, At: now, Sync: r.Sync, Tag: r.Tag})
	if res.Waiting && c.cfg.SchedulerOff {
		c.kick(owner) // nobody else drives its queue
	}
	return res, true
}

// addWaiter has w woken at the end of ex; the caller holds fn.mu.
func (fn *Function) addWaiter(ex *execution, w Waiter) {
	if ex.status == Queued && !ex.sync && !ex.joined() {
		fn.joinQueued++
	}
	ex.extras().waiters = append(ex.extras().waiters, w)
}

// removeWaiter undoes addWaiter; the caller holds fn.mu.
func (fn *Function) removeWaiter(ex *execution, w Waiter) {
	if !ex.joined() {
		return
	}
	ex.more.waiters = slices.DeleteFunc(ex.more.waiters, func(other Waiter) bool { return other == w })
	if ex.status == Queued && !ex.sync && !ex.joined() {
		fn.joinQueued--
	}
}

// admit records and queues a request, holding the claim token (0 = none) of
// its idempotency key.
func (c *Core) admit(fn *Function, r *Request, now Instant, token uint64) (ID, error) {
	ex, why := c.place(fn, r, now)
	if why != nil {
		return ID{}, c.refuse(fn, r, now, token, why)
	}
	var task Task
	woken := false
	fn.mu.Lock()
	// An idle function with a free slot would be signalled and served next:
	// take that tick here, under the same lock.
	direct := fn.queue.live == 0 && fn.slotFree() && (r.Sync || !c.cfg.SchedulerOff)
	switch {
	case fn.deleted: // between look-up and here
		why = ErrNotFound
	case !direct && fn.queue.live >= fn.QueueSize():
		why = ErrQueueFull
	default:
		c.store.put(ex) // under the lock: a sweep must not meet it half admitted
		fn.recent.add(ex.id)
		if direct {
			task = c.start(fn, ex, now)
		} else {
			fn.enqueue(ex)
			fn.watch(ex, now)
		}
		woken = fn.auto != nil && fn.auto.noticeWork()
	}
	fn.mu.Unlock()
	if why != nil {
		c.store.release(ex.payloadBytes())
		return ID{}, c.refuse(fn, r, now, token, why)
	}

	id := ex.id
	if token != 0 {
		// It fails only when a Put took the key over, whose mapping then stands.
		_ = c.keys.Publish(fn.name, r.IdempotencyKey, token, id, now.Wall)
	}
	c.armSweep(now)
	c.observe(Event{Kind: EventAccepted, Function: fn, ID: id, At: now, Sync: r.Sync, Attempt: 1, Tag: r.Tag})
	if woken {
		c.wakeAutoscale(fn, now)
	}
	if !direct || c.dispatch(fn, ex, task, now) {
		c.kick(fn)
	}
	c.helpSweep(id, now)
	return id, nil
}

// refuse abandons the claim, if any, so that the key's next request may run.
func (c *Core) refuse(fn *Function, r *Request, now Instant, token uint64, why *Rejection) *Rejection {
	if token != 0 {
		_ = c.keys.Abandon(fn.name, r.IdempotencyKey, token)
	}
	return c.reject(fn, r, now, why)
}

// place makes the record and reserves its room in the store, unless a bound
// forbids it. The queue is only glanced at here, so that refusing under
// overload allocates nothing; the binding check is under the function's lock.
func (c *Core) place(fn *Function, r *Request, now Instant) (*execution, *Rejection) {
	if r.Sync {
		if why := c.admission.check(fn, now); why != nil {
			return nil, why
		}
	}
	if fn.QueueDepth() >= fn.QueueSize() {
		return nil, ErrQueueFull
	}
	size := int64(len(r.Input) + len(r.Metadata))
	if !c.store.reserve(size) {
		return nil, ErrStoreFull
	}
	return c.newExecution(fn, r, now), nil
}

const maxTimeout = MaxTimeoutMillis * int64(time.Millisecond)

func (c *Core) newExecution(fn *Function, r *Request, now Instant) *execution {
	ex := &fn.records.take(1)[0]
	*ex = execution{
		id: c.ids.NewID(), fn: fn, created: now.Wall, createdMono: now.Mono, queuedMono: now.Mono,
		input: r.Input, timeout: int64(r.Timeout), attempt: 1, heapIndex: -1, initMs: -1, startedMono: -1,
		sync: r.Sync, waiter: r.Waiter, waiterToken: r.WaiterToken,
	}
	if len(r.Metadata) > 0 || r.TraceID != "" || r.Trace.orNil() != nil || r.IdempotencyKey != "" {
		ex.more = &executionExtras{metadata: r.Metadata, traceID: r.TraceID, trace: r.Trace, idempotencyKey: r.IdempotencyKey}
	}
	if r.Borrowed {
		ex.input = keep(&fn.inputs, r.Input)
		ex.more.own()
	}
	if ex.timeout <= 0 {
		ex.timeout = int64(fn.spec.Load().TimeoutMillis) * int64(time.Millisecond)
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
	c.observe(Event{Kind: EventRejected, Function: fn, At: now, Sync: r.Sync, Code: why.Code, Tag: r.Tag})
	return why
}
