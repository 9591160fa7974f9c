package core

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// shortStaleTTL is the StaleTTL up to which no function's timeout is judged by
// it: nobody runs work in earnest where all is over in a minute, and the
// default timeout would be refused.
const shortStaleTTL = time.Minute

// CheckSpec reports as a *ValidationError what a resolved spec asks for that
// this core's configuration cannot keep.
func (c *Core) CheckSpec(spec *Spec) error {
	var v violations
	if longest := c.cfg.StaleTTL; longest >= shortStaleTTL && time.Duration(spec.TimeoutMillis)*time.Millisecond >= longest {
		v.add("timeoutMillis", fmt.Sprintf("must be below staleTtl, which is %v here: an attempt that takes longer would be ended as stale", longest))
	}
	return v.err()
}

// Register adds a function. The spec must come from ResolveSpec. The error is
// ErrExists, ErrFunctionLimit, ErrNoJournal, ErrJournalFull, or one of
// Config.Specs. Nobody may be told of the success before the fact at the LSN of
// the function's spec is durable.
func (c *Core) Register(spec *Spec) (*Function, error) {
	r, err := c.Prepare(spec)
	if err != nil {
		return nil, err
	}
	return r.Publish(), nil
}

// Registration is a function whose name is taken and whose spec is in the journal,
// if there is one. Nobody can see or call it before Publish. One of Publish and
// Discard must follow.
type Registration struct {
	fn  *Function
	now Instant
}

// Prepare is the first half of Register, with its errors, for those who have to
// make something else ready before the function is called: once its fact is
// durable, a restart finds the function whatever became of that.
func (c *Core) Prepare(spec *Spec) (*Registration, error) {
	first := *spec
	first.Generation = 1
	stored, err := c.encodeSpec(&first)
	if err != nil {
		return nil, err
	}
	now := c.clock.Now()
	fn, err := c.registry.reserve(spec.Name, func() (*Function, error) { return c.newRegistration(&first, stored, now) })
	if err != nil {
		return nil, err
	}
	return &Registration{fn, now}, nil
}

// LSN is the fact that must be durable before anybody is told of the function; 0 =
// none.
func (r *Registration) LSN() LSN { return r.fn.Spec().LSN }

// Publish registers the function.
func (r *Registration) Publish() *Function {
	fn, c := r.fn, r.fn.core
	c.registry.publish(fn)
	c.observe(&Event{Kind: EventFunctionAdded, Function: fn, At: r.now})
	if fn.Autoscaled() && fn.Spec().ScalingConfig.MinReplicas > 0 {
		c.take(fn, &input{kind: StepLook, now: c.clock.Now()}) // for the instances it begins with
	}
	return fn
}

// Discard gives the name back. Nobody may be told of that before the fact at the
// place it returns is durable; 0 = none.
func (r *Registration) Discard() LSN {
	var fx effects
	r.fn.step(&input{kind: StepClose, now: r.fn.core.clock.Now()}, &fx)
	r.fn.core.registry.discard(r.fn)
	return fx.lsn
}

// newRegistration is a new function whose spec is in the journal, if there is
// one. The error is ErrJournalFull.
func (c *Core) newRegistration(spec *Spec, stored []byte, now Instant) (*Function, error) {
	if c.cfg.Journal != nil && !c.cfg.Journal.Room() {
		return nil, ErrJournalFull
	}
	fn := newFunction(c, spec)
	fn.mu.Lock()
	defer fn.mu.Unlock()
	if c.cfg.Journal != nil {
		fn.registration = c.registrations.Add(1)
		fn.recordSpec(&effects{now: now}, spec, stored)
	}
	fn.recordFirst(now)
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

// leaving are the deleted functions that may still have work in flight or
// payloads of answered calls.
type leaving struct {
	mu        mutex
	functions []*Function
	forgetAt  int // their number at which those that have finished are looked for
}

// add remembers fn and now and then forgets those that have finished.
func (l *leaving) add(fn *Function) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.functions) >= l.forgetAt {
		l.functions = slices.DeleteFunc(l.functions, (*Function).finished)
		l.forgetAt = 2*len(l.functions) + 16
	}
	l.functions = append(l.functions, fn)
}

// finished says that nothing of a deleted function runs or waits any more, and
// that none of its answered executions has a payload.
func (fn *Function) finished() bool {
	if fn.InFlight()+fn.QueueDepth()+fn.Pausing() > 0 {
		return false
	}
	fn.mu.Lock()
	defer fn.mu.Unlock()
	return fn.answered.oldest == nil
}

func (l *leaving) list() []*Function {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.functions)
}
