package core

import (
	"sync"
	"sync/atomic"
)

// readyList holds the functions that have work and a free slot, in the order
// they were signalled. A function is in it at most once (Function.ready), so
// a busy one waits behind all others between two of its ticks, and one that
// is blocked is not in it at all.
type readyList struct {
	mu    sync.Mutex
	items []*Function // ring
	head  int
	len   int
	count atomic.Int64
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

// pumpBudget is how many ticks a caller gives to the backlog before it leaves
// the rest to Config.OnBacklog, so that no request serves others for long.
const pumpBudget = 64

// Pump serves ready functions round robin, one tick each, until none is ready
// or budget ticks are spent; it reports whether work is left. Work that
// arrives is pumped by the call that brought it; Pump is for whoever answers
// Config.OnBacklog.
func (c *Core) Pump(budget int) (more bool) {
	for ; budget > 0; budget-- {
		fn := c.ready.pop()
		if fn == nil {
			return false
		}
		c.tick(fn)
	}
	return c.ready.count.Load() > 0
}

// tick dispatches the head of fn's queue, or who goes before it (late.go), if
// there is one and a slot is free,
// and puts fn back at the end of the ready list if more can run.
func (c *Core) tick(fn *Function) {
	now := c.clock.Now()
	fn.mu.Lock()
	fn.ready = false
	if !fn.runnable() {
		fn.mu.Unlock()
		return
	}
	ex := c.dequeueNext(fn, now)
	task := c.start(fn, ex, now)
	fn.ready = fn.runnable()
	again := fn.ready
	fn.mu.Unlock()
	if again {
		c.ready.push(fn)
	}
	if c.dispatch(fn, ex, task, now) {
		c.signal(fn)
	}
}

// signal puts fn into the ready list if a tick would dispatch something.
func (c *Core) signal(fn *Function) {
	if fn.depth.Load() == 0 {
		return
	}
	fn.mu.Lock()
	add := !fn.ready && fn.runnable()
	if add {
		fn.ready = true
	}
	fn.mu.Unlock()
	if add {
		c.ready.push(fn)
	}
}

// kick signals fn and serves the ready list.
func (c *Core) kick(fn *Function) {
	c.signal(fn)
	c.serve()
}

// serve works the ready list off, or as much of it as one call should.
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
// is not called when nothing was dispatched.
func (c *Core) DrainOnce(name string, done func()) (bool, error) {
	fn := c.registry.get(name)
	if fn == nil {
		return false, ErrNotFound
	}
	now := c.clock.Now()
	fn.mu.Lock()
	if fn.queue.live == 0 || !fn.slotFree() {
		fn.mu.Unlock()
		return false, nil
	}
	ex := fn.dequeue()
	ex.extras().attemptEnded = done
	task := c.start(fn, ex, now)
	fn.mu.Unlock()
	if c.dispatch(fn, ex, task, now) {
		c.kick(fn)
	}
	return true, nil
}
