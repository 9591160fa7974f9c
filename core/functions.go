package core

import (
	"slices"
	"sync"
)

// Register adds a function. The spec must come from ResolveSpec. The error is
// ErrExists or ErrFunctionLimit.
func (c *Core) Register(spec *Spec) (*Function, error) {
	fn, err := c.registry.add(spec.Name, func() *Function { return newFunction(c, spec) })
	if err != nil {
		return nil, err
	}
	c.observe(Event{Kind: EventFunctionAdded, Function: fn, At: c.clock.Now()})
	c.startScaling(fn)
	return fn, nil
}

// Function finds a registered function; nil when there is none.
func (c *Core) Function(name string) *Function { return c.registry.get(name) }

// Functions lists the registered functions, sorted by name.
func (c *Core) Functions() []*Function { return c.registry.list() }

// Delete removes a function. Its queued executions end in ERROR with code
// FUNCTION_DELETED; running ones finish on their own. The error is
// ErrNotFound.
func (c *Core) Delete(name string) (*Function, error) {
	fn := c.registry.remove(name)
	if fn == nil {
		return nil, ErrNotFound
	}
	now := c.clock.Now()
	var ended []ending
	c.leaving.add(fn)
	fn.mu.Lock()
	fn.deleted = true
	for ex := fn.dequeue(); ex != nil; ex = fn.dequeue() {
		ex.markError(&ExecError{Code: CodeFunctionDeleted, Message: "the function was deleted before this execution started"}, now)
		ended = append(ended, ending{})
		c.end(&ended[len(ended)-1], fn, ex, now)
	}
	c.purge(fn)
	fn.mu.Unlock()
	for i := range ended {
		c.settle(&ended[i], now)
	}
	c.observe(Event{Kind: EventFunctionDeleted, Function: fn, At: now})
	return fn, nil
}

// Reconfigure changes a function's queue size and concurrency while it runs;
// nil leaves one as it is. Concurrency is that of mode FIXED; with a per-pod
// mode it is only recorded. Queued work stays, also above a smaller size:
// newcomers are refused until it has drained. The error is ErrNotFound or a
// *ValidationError.
func (c *Core) Reconfigure(name string, queueSize, concurrency *int) error {
	fn := c.registry.get(name)
	if fn == nil {
		return ErrNotFound
	}
	var v violations
	if queueSize != nil {
		v.count("", *queueSize, Limits.QueueSize)
	}
	if concurrency != nil {
		v.count("", *concurrency, Limits.Concurrency)
	}
	if err := v.err(); err != nil {
		return err
	}
	fn.mu.Lock()
	spec := *fn.spec.Load()
	if queueSize != nil {
		spec.QueueSize = *queueSize
		fn.queueSize.Store(int32(*queueSize))
	}
	if concurrency != nil {
		spec.Concurrency = *concurrency
	}
	fn.spec.Store(&spec)
	resized := fn.resize()
	fn.mu.Unlock()
	now := c.clock.Now()
	c.observe(Event{Kind: EventReconfigured, Function: fn, At: now})
	if resized {
		c.concurrencyChanged(fn, now)
	}
	return nil
}

// leaving are the deleted functions that may still have work in flight.
type leaving struct {
	mu        sync.Mutex
	functions []*Function
}

// add remembers fn and forgets those that have finished since.
func (l *leaving) add(fn *Function) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.functions = append(slices.DeleteFunc(l.functions, func(fn *Function) bool { return fn.InFlight() == 0 }), fn)
}

func (l *leaving) list() []*Function {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.functions)
}
