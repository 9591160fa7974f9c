package core

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// CheckSpec reports as a *ValidationError what a resolved spec asks for that
// this core's configuration cannot keep.
func (c *Core) CheckSpec(spec *Spec) error {
	var v violations
	if longest := c.cfg.StaleTTL; time.Duration(spec.TimeoutMillis)*time.Millisecond >= longest {
		v.add("timeoutMillis", fmt.Sprintf("must be below staleTtl, which is %v here: an attempt that takes longer would be ended as stale", longest))
	}
	return v.err()
}

// Register adds a function. The spec must come from ResolveSpec. The error is
// ErrExists or ErrFunctionLimit.
func (c *Core) Register(spec *Spec) (*Function, error) {
	first := *spec
	first.Generation = 1
	fn, err := c.registry.add(spec.Name, func() *Function { return newFunction(c, &first) })
	if err != nil {
		return nil, err
	}
	now := c.clock.Now()
	c.observe(&Event{Kind: EventFunctionAdded, Function: fn, At: now})
	if fn.Autoscaled() && spec.ScalingConfig.MinReplicas > 0 {
		c.take(fn, &input{kind: stepLook, now: now}) // for the instances it begins with
	}
	return fn, nil
}

// Function finds a registered function; nil when there is none.
func (c *Core) Function(name string) *Function { return c.registry.get(name) }

// Functions lists the registered functions, sorted by name. The list is shared
// and must not be changed.
func (c *Core) Functions() []*Function { return c.registry.list() }

// FunctionsAfter lists those whose names come after name, as Functions does.
func (c *Core) FunctionsAfter(name string) []*Function {
	all := c.registry.list()
	i, found := slices.BinarySearchFunc(all, name, func(fn *Function, name string) int { return strings.Compare(fn.name, name) })
	if found {
		i++
	}
	return all[i:]
}

// Delete removes a function. Its queued executions end in ERROR with code
// FUNCTION_DELETED; running ones finish on their own. The error is
// ErrNotFound.
func (c *Core) Delete(name string) (*Function, error) {
	fn := c.registry.remove(name)
	if fn == nil {
		return nil, ErrNotFound
	}
	now := c.clock.Now()
	c.leaving.add(fn)
	c.take(fn, &input{kind: stepClose, now: now})
	for more := true; more; { // other steps may come in between
		var fx effects
		fn.step(&input{kind: stepEmpty, now: now}, &fx)
		c.carryOut(&fx)
		more = fx.more
	}
	c.observe(&Event{Kind: EventFunctionDeleted, Function: fn, At: now})
	return fn, nil
}

// close makes a deleted function take no more work and start none. What pauses
// joins the queue, to end with it. The caller holds fn.mu.
func (fn *Function) close(now Instant) {
	fn.deleted = true
	var pausing []*execution
	for _, d := range fn.deadlines.items {
		if d.ex.pausing {
			pausing = append(pausing, d.ex)
		}
	}
	for _, ex := range pausing {
		fn.unpause(ex)
		fn.enqueue(ex)
		fn.watch(ex, now)
	}
}

var errFunctionDeleted = sharedError(CodeFunctionDeleted, "the function was deleted before this execution started")

// endQueued ends the head of a deleted function's queue and sets fx.more if
// there was one; the caller holds fn.mu.
func (fn *Function) endQueued(fx *effects) {
	if ex := fn.queue.first(); ex != nil {
		fn.end(fx, ex, ending{status: Error, err: errFunctionDeleted, unwanted: true})
		fx.more = true
	}
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
	l.functions = append(slices.DeleteFunc(l.functions, func(fn *Function) bool { return fn.InFlight() == 0 && fn.QueueDepth() == 0 }), fn)
}

func (l *leaving) list() []*Function {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.functions)
}
