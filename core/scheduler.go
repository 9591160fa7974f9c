package core

// readyList holds the functions that have work and a free slot, in the order
// in which they became ready. A function is in it at most once
// (Function.ready), so a busy one waits behind all others between two of its
// ticks, and one that is blocked is not in it at all.
type readyList struct {
	mu    mutex
	items []*Function // ring
	head  int
	len   int
	count atomicInt64
}

func (l *readyList) push(fn *Function) {
	l.mu.Lock()
	if l.len == len(l.items) {
		grown := make([]*Function, max(16, 2*l.len))
		for i := range l.len {
			grown[i] = l.items[(l.head+i)%len(l.items)]
		}
		l.items, l.head = grown, 0
	}
	l.items[(l.head+l.len)%len(l.items)] = fn
	l.len++
	l.count.Store(int64(l.len))
	l.mu.Unlock()
}

func (l *readyList) pop() *Function {
	if l.count.Load() == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.len == 0 {
		return nil
	}
	fn := l.items[l.head]
	l.items[l.head] = nil
	l.head = (l.head + 1) % len(l.items)
	l.len--
	l.count.Store(int64(l.len))
	return fn
}

// pumpBudget is how many ticks one call spends on the ready list before it
// leaves the rest to Config.OnBacklog, so that no request spends long on
// others.
const pumpBudget = 64

// Pump serves ready functions round robin, one tick each, until none is ready
// or budget ticks are spent; it reports whether work is left. Work that
// arrives is served by the call that brought it; Pump is for the goroutine
// that Config.OnBacklog wakes.
func (c *Core) Pump(budget int) (more bool) {
	for ; budget > 0; budget-- {
		fn := c.ready.pop()
		if fn == nil {
			return false
		}
		var fx effects
		c.turn(fn, &input{kind: StepTick}, &fx)
	}
	return c.ready.count.Load() > 0
}

// tick dispatches the head of the queue, or the execution that passes it
// (late.go), if there is one and a slot is free, and has fn put at the end of
// the ready list if more can run. While it is asked whether anybody waits for
// the head, the turn goes on: fn stays ready, so that nobody else takes it. If
// nobody does, the head ends, and that was the turn. While core drains, durable
// work that no caller waits for is set aside. The caller holds fn.mu.
func (fn *Function) tick(in *input, fx *effects) {
	fn.ready = false
	if !fn.runnable() {
		return
	}
	switch ex := fn.first(fx.now); {
	case fx.left(ex) || in.draining && ex.durable() && !ex.joined():
		fn.setAside(fn.dequeue(), fx)
	case !in.answered(ex) && fn.ask(fx, ex):
		fn.ready = true
		return
	case in.answered(ex) && in.left(ex):
		fn.leave(fx, ex)
	default:
		fn.start(fx, fn.dequeue())
	}
	fn.noteReady(fx)
}

// setAside has an execution wait for the next process, as if it paused for ever:
// it stays queued, the journal has its place, and nothing more is started of what
// need not be waited for. The caller holds fn.mu.
func (fn *Function) setAside(ex *execution, fx *effects) {
	ex.pausing = true
	ex.more.retryAt = Instant{Mono: notDispatched}
	fn.pauses.Store(fn.pauses.Load() + 1)
	fn.watch(ex, fx.now)
}

// serve pumps until the ready list is empty; with Config.OnBacklog, at most
// pumpBudget ticks.
func (c *Core) serve() {
	if c.ready.count.Load() == 0 {
		return
	}
	if c.cfg.OnBacklog == nil {
		for c.Pump(pumpBudget) {
		}
	} else if c.Pump(pumpBudget) {
		c.cfg.OnBacklog()
	}
}

// DrainOnce dispatches the head of a function's queue, whether the scheduler
// is on or off, and reports whether there was one and a free slot. done is
// called once that dispatch has finished, maybe before DrainOnce returns; it
// is not called when nothing was dispatched. The error is ErrNotFound, or
// ErrDraining when the head is the next owner's by now.
func (c *Core) DrainOnce(name string, done func()) (bool, error) {
	fn := c.registry.get(name)
	if fn == nil {
		return false, ErrNotFound
	}
	for {
		var fx effects
		if c.turn(fn, &input{kind: StepDrain, done: done}, &fx) {
			c.serve()
		}
		if fx.why != nil {
			return false, fx.why
		}
		if !fx.more {
			return fx.dispatch != nil, nil
		}
	}
}

// drainOne starts the head of the queue if there is one and a slot is free. A
// head that nobody waits for any more ends instead, and fx.more says so. The
// caller holds fn.mu.
func (fn *Function) drainOne(in *input, fx *effects) {
	if fn.queue.live == 0 || !fn.slotFree() || fn.deleted {
		return
	}
	switch ex := fn.queue.first(); {
	case fx.left(ex):
		fx.why = ErrDraining
	case !in.answered(ex) && fn.ask(fx, ex):
	case in.answered(ex) && in.left(ex):
		fn.leave(fx, ex)
		fx.more = true
	default:
		fn.dequeue()
		ex.extras().attemptEnded = in.done
		fn.start(fx, ex)
	}
}
