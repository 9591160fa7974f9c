package provider

import (
	"container/list"
	"sync"
	"time"
)

// Instance is one running copy of a function.
type Instance interface {
	// Call delivers an invocation and returns without waiting for the answer.
	// done is called exactly once, no later than soon after inv.Deadline, or,
	// with CodeNotTaken, once the instance is out of balancing.
	Call(inv Invocation, done func(Result))
}

// Passer is an Instance that takes invocations with Raw.
type Passer interface{ PassesOn() }

// PoolOptions tunes a Pool; zero fields take the defaults named here.
type PoolOptions struct {
	MaxWaiting int           // invocations waiting for an instance, 1024
	EjectAfter int           // failures in a row before ejection, 3
	EjectBase  time.Duration // first ejection, 500 ms; doubles each time
	EjectMax   time.Duration // longest ejection, 30 s
	Now        func() time.Time
}

func (o PoolOptions) withDefaults() PoolOptions {
	if o.MaxWaiting <= 0 {
		o.MaxWaiting = 1024
	}
	if o.EjectAfter <= 0 {
		o.EjectAfter = 3
	}
	if o.EjectBase <= 0 {
		o.EjectBase = 500 * time.Millisecond
	}
	if o.EjectMax <= 0 {
		o.EjectMax = 30 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Pool balances invocations over the ready instances of one function: to the
// one with the fewest in flight, within each instance's limit, leaving out
// those that keep failing. Invocations that find no free instance wait in a
// bounded FIFO.
type Pool struct {
	opt PoolOptions

	mu       sync.Mutex
	members  []*member
	taken    int // invocations so far; also the start of the next search, so that ties are spread
	waiting  list.List
	inFlight int
	limit    int // see SetLimit
	closed   *Error
}

// waiter is an invocation without an instance.
type waiter struct {
	ready func(*lease, *Error)
	cold  bool // no instance was ready when it arrived
	timer *time.Timer
}

// lease is the right to run one invocation on a member.
type lease struct {
	pool *Pool
	m    *member
	cold bool
}

// NewPool makes an empty pool.
func NewPool(opt PoolOptions) *Pool {
	return &Pool{opt: opt.withDefaults()}
}

// Go runs inv on an instance, now or when one is free. inv.Deadline must be
// set. See Provider.Go for done. waits reports that none was free: another
// instance could help.
func (p *Pool) Go(inv Invocation, done func(Result)) (waits bool) {
	return p.acquire(inv.Deadline, nil, func(l *lease, err *Error) { p.run(l, err, inv, done) })
}

// run has a lease's member run an invocation; err is why there is no lease.
func (p *Pool) run(l *lease, err *Error, inv Invocation, done func(Result)) {
	if err != nil {
		done(Failure(err.Code, err.Message))
		return
	}
	if _, passes := l.m.instance.(Passer); inv.Raw != nil && !passes {
		l.release(false) // it was started before the function served HTTP
		done(Failure(CodeStartFailed, "the function's instance does not serve HTTP; a new one is being started"))
		return
	}
	l.m.instance.Call(inv, func(r Result) {
		if r.ErrorCode == CodeNotTaken {
			l.release(false)
			p.acquire(inv.Deadline, l, func(l *lease, err *Error) { p.run(l, err, inv, done) })
			return
		}
		if l.cold {
			r.ColdStart = true
			if r.InitDuration == 0 {
				r.InitDuration = l.m.init
			}
		}
		if !r.ColdStart {
			r.InitDuration = 0 // no invocation waited for it
		}
		// The slot is released before the result is reported, so that a
		// caller with one slot finds it free for its next invocation.
		l.release(r.faulty())
		done(r)
	})
}

// acquire calls ready once, outside the pool's lock: with a lease, or with the
// error that ended the wait. waits says that there is or was a wait. before is
// the lease of an instance that did not take the invocation, nil for a new one:
// it had its turn, so it waits in front of all others.
func (p *Pool) acquire(deadline time.Time, before *lease, ready func(*lease, *Error)) (waits bool) {
	p.mu.Lock()
	now := p.opt.Now()
	var err *Error
	switch {
	case p.closed != nil:
		err = p.closed
	case !deadline.After(now):
		err = &Error{CodeTimeout, "the deadline had passed before the invocation was sent"}
	case p.waiting.Len() == 0 || before != nil:
		if m := p.pick(now); m != nil {
			l := p.take(m, before != nil && before.cold)
			p.mu.Unlock()
			ready(l, nil)
			return false
		}
	}
	if err == nil && before == nil && p.waiting.Len() >= p.opt.MaxWaiting {
		err = &Error{CodeSaturated, "too many invocations are waiting for an instance"}
	}
	if err != nil {
		p.mu.Unlock()
		ready(nil, err)
		return false
	}
	w := &waiter{ready: ready, cold: len(p.members) == 0}
	var e *list.Element
	if before == nil {
		e = p.waiting.PushBack(w)
	} else {
		w.cold = w.cold || before.cold
		e = p.waiting.PushFront(w)
	}
	w.timer = time.AfterFunc(deadline.Sub(now), func() { p.expire(e, w) })
	p.mu.Unlock()
	return true
}

func (p *Pool) expire(e *list.Element, w *waiter) {
	p.mu.Lock()
	gone := e.Value == nil
	cold := len(p.members) == 0
	if !gone {
		p.waiting.Remove(e)
		e.Value = nil
	}
	p.mu.Unlock()
	if gone {
		return
	}
	message := "the deadline passed while all instances were busy"
	if cold {
		message = "the deadline passed while no instance was ready"
	}
	w.ready(nil, &Error{CodeTimeout, message})
}

// pick finds the member for the next invocation, nil if all are full. Ejected
// members are used only when every member is ejected: one that fails is
// better than none.
func (p *Pool) pick(now time.Time) *member {
	var best, bestEjected *member
	healthy := false
	n := len(p.members)
	for i := range n {
		m := p.members[(p.taken+i)%n]
		ejected := m.ejectedAt(now)
		healthy = healthy || !ejected
		if !m.free(now, p.limit) {
			continue
		}
		if ejected {
			bestEjected = less(bestEjected, m)
		} else {
			best = less(best, m)
		}
	}
	if best == nil && !healthy {
		best = bestEjected
	}
	return best
}

// less returns the member with fewer invocations in flight, a on a tie.
func less(a, b *member) *member {
	if a == nil || b.inFlight < a.inFlight {
		return b
	}
	return a
}

func (p *Pool) take(m *member, cold bool) *lease {
	m.inFlight++
	p.inFlight++
	p.taken++
	return &lease{pool: p, m: m, cold: cold}
}

func (l *lease) release(failed bool) {
	p := l.pool
	p.mu.Lock()
	l.m.inFlight--
	p.inFlight--
	l.m.record(failed, p.opt)
	if l.m.removed && l.m.inFlight == 0 {
		close(l.m.drained)
	}
	p.mu.Unlock()
	p.Serve()
}

// SetLimit sets how many invocations each instance runs at a time at most, in
// addition to its own limit; 0 for no other. Invocations that wait see a higher
// limit at the next Serve, which the caller may have to do without its locks.
func (p *Pool) SetLimit(n int) {
	p.mu.Lock()
	p.limit = n
	p.mu.Unlock()
}

// Serve gives free instances to waiting invocations.
func (p *Pool) Serve() {
	for {
		p.mu.Lock()
		e := p.waiting.Front()
		if e == nil {
			p.mu.Unlock()
			return
		}
		m := p.pick(p.opt.Now())
		if m == nil {
			p.mu.Unlock()
			return
		}
		w := p.unlink(e)
		l := p.take(m, w.cold)
		p.mu.Unlock()
		w.ready(l, nil)
	}
}

// unlink removes a waiter; its timer does nothing when it finds a nil Value.
func (p *Pool) unlink(e *list.Element) *waiter {
	w := p.waiting.Remove(e).(*waiter)
	e.Value = nil
	w.timer.Stop()
	return w
}

// FailWaiting ends every invocation that has no instance yet.
func (p *Pool) FailWaiting(err *Error) {
	p.mu.Lock()
	var all []*waiter
	for e := p.waiting.Front(); e != nil; e = p.waiting.Front() {
		all = append(all, p.unlink(e))
	}
	p.mu.Unlock()
	for _, w := range all {
		w.ready(nil, err)
	}
}

// Close ends the waiting invocations, and all later ones, with err. Running
// ones go on.
func (p *Pool) Close(err *Error) {
	p.mu.Lock()
	if p.closed == nil {
		p.closed = err
	}
	p.mu.Unlock()
	p.FailWaiting(err)
}

// Taken is how many invocations instances have been given so far.
func (p *Pool) Taken() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken
}

// Load reports how many invocations run and how many wait.
func (p *Pool) Load() (inFlight, waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inFlight, p.waiting.Len()
}
