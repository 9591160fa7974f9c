package dispatch

import (
	"sync"

	"simplane/core"
	"simplane/server/funcspec"
	"simplane/server/internal/fncall"
	"simplane/server/internal/sock"
	"simplane/server/provider"
)

// RawCall is who waits for the execution of a raw call, with the way of its attempts
// to the goroutine of its caller, which alone can make them. It is of one call, and not
// used again: an attempt that is dispatched late must not come to another one.
type RawCall struct {
	core.Leaver
	// Method is that of the request, for spans.
	Method string
	// InBody says that the input is the request's body, so that any transport can
	// make the attempt.
	InBody bool

	mu    sync.Mutex
	left  bool
	tasks chan core.Task // nil until it is needed: most calls have their attempt from core
}

// RawCallOf is the raw call that an attempt is of; nil for none.
func RawCallOf(t core.Task) *RawCall {
	c, _ := t.Waiter.(*RawCall)
	return c
}

// Tasks has the attempts that core dispatches, one at a time.
func (c *RawCall) Tasks() <-chan core.Task {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.channel()
}

// channel is tasks; c.mu is held.
func (c *RawCall) channel() chan core.Task {
	if c.tasks == nil {
		c.tasks = make(chan core.Task, 1)
	}
	return c.tasks
}

// take hands an attempt to the caller; false when it has left.
func (c *RawCall) take(t core.Task) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left {
		return false
	}
	c.channel() <- t // there is room: the attempt before it has been completed
	return true
}

// Leave ends the way: attempts that come, or have come unseen, are not made.
func (c *RawCall) Leave() {
	c.mu.Lock()
	c.left = true
	tasks := c.tasks
	c.mu.Unlock()
	select {
	case t := <-tasks: // never of nil
		t.Complete(callerLeft)
	default:
	}
}

var callerLeft = core.Outcome{Status: core.Error, Code: core.CodeCancelled, Message: "the caller left", Permanent: true}

// onceIfRaw is complete, which has no attempt of a raw call whose input is its body
// made again: the function may have had it.
func onceIfRaw(complete func(core.Task, core.Outcome)) func(core.Task, core.Outcome) {
	return func(t core.Task, o core.Outcome) {
		if c := RawCallOf(t); c != nil && c.InBody {
			o.Permanent = true
		}
		complete(t, o)
	}
}

// Streams reports whether a function's calls can be passed on: it serves HTTP.
func Streams(spec *core.Spec) bool {
	rt := funcspec.Of(spec)
	return rt.ExecutionMode != funcspec.ModeLocal && (!rt.Provided() || rt.RuntimeMode == funcspec.RuntimeHTTP)
}

// Pass makes an attempt of a raw call on the caller's goroutine, which has it from
// core or from RawCall.Tasks, and completes the task. It is not retried if the
// function may have got something of it. stop breaks it off.
func (d *Dispatcher) Pass(t core.Task, raw *fncall.Raw, stop *sock.Stop) core.Outcome {
	var o core.Outcome
	switch transport := d.transport(t.Spec).(type) {
	case *poolDispatcher:
		o = transport.pass(t, raw, stop)
	case providerDispatcher:
		o = transport.pass(t, raw, stop)
	case nil:
		o = noProvider
	default:
		o = core.Outcome{Status: core.Error, Code: provider.CodeError, Message: "the function does not serve HTTP any more", Permanent: true}
	}
	if o.Code == provider.CodeCanceled {
		o.Code = core.CodeCancelled
	}
	o.Permanent = o.Permanent || raw.Sent || raw.CallerError != nil
	d.complete(t, o)
	return o
}

func (d *poolDispatcher) pass(t core.Task, raw *fncall.Raw, stop *sock.Stop) core.Outcome {
	endpoint := funcspec.Of(t.Spec).EndpointURL
	target, err := d.targets.of(endpoint)
	if err != nil {
		return poolError(endpoint, ": "+err.Error())
	}
	text := texts.Get().(*[]byte)
	defer texts.Put(text)
	r := d.hooks.request(t, (*text)[:0])
	r.Stop, r.Raw = stop, raw
	a, err := target.Pass(&r)
	if d.hooks.Called != nil {
		d.hooks.Called(t, a.Status)
	}
	o := outcome(provider.ResultOf(a, err))
	if o.Code == provider.CodeError {
		o.Message = ShownURL(endpoint) + ": " + o.Message
	}
	return o
}

func (d providerDispatcher) pass(t core.Task, raw *fncall.Raw, stop *sock.Stop) core.Outcome {
	inv := d.hooks.request(t, make([]byte, 0, textSize))
	inv.Stop, inv.Raw = stop, raw
	result := make(chan provider.Result, 1)
	d.provider.Go(t.Spec.Name, inv, func(r provider.Result) { result <- r })
	return outcome(<-result)
}
