// Package dispatch runs the tasks that core hands out: LOCAL handlers in this
// process, POOL functions at their endpoints, and DEPLOYMENT functions through
// a provider.
package dispatch

import (
	"log/slog"

	"simplane/core"
	"simplane/server/funcspec"
	"simplane/server/internal/sock"
	"simplane/server/provider"
)

// Options is what a Dispatcher needs. Hooks that are nil are left out.
type Options struct {
	Log    *slog.Logger
	Egress *Egress // the addresses that POOL functions may use

	MaxConnections   int // to one POOL host
	MaxResponseBytes int // of a POOL function's answer, unpacked

	// Provider runs DEPLOYMENT functions without an endpoint; nil for none.
	Provider provider.Provider

	Hooks
}

// Hooks are callbacks into the server for each call.
type Hooks struct {
	// Complete reports an attempt's outcome to core; nil is Task.Complete.
	Complete func(core.Task, core.Outcome)
	// AppendTraceParent appends the function's traceparent, if any, and
	// returns the tracestate that goes with it.
	AppendTraceParent func(b []byte, t core.Task) (parent []byte, state string)
	// Called is called after each POOL call with its HTTP status, 0 when
	// there was no answer.
	Called func(t core.Task, status int)
	// FencingToken goes with each call over HTTP; 0 = none does.
	FencingToken uint64
	// CompletionToken makes the token that lets a function complete the
	// execution itself.
	CompletionToken func(core.ID) string
}

// Dispatcher is a core.Dispatcher that sends each task to the transport of its
// function's execution mode.
type Dispatcher struct {
	local    *localDispatcher
	pool     *poolDispatcher
	provider core.Dispatcher // nil for none
	complete func(core.Task, core.Outcome)
	running  *running
}

// New makes a dispatcher.
func New(o Options) *Dispatcher {
	if o.Complete == nil {
		o.Complete = core.Task.Complete
	}
	o.Complete = onceIfRaw(o.Complete)
	calls := newRunning()
	d := &Dispatcher{
		local:    &localDispatcher{&localHandlers{log: o.Log, handlers: map[string]LocalHandler{}}, o.Complete},
		pool:     newPoolDispatcher(o, calls),
		complete: o.Complete,
		running:  calls,
	}
	if o.Provider != nil {
		d.provider = providerDispatcher{o.Provider, o.Hooks, calls}
	}
	return d
}

// With is a Dispatcher with its own fencing token and its own way to report
// outcomes, and with d's connections, handlers and provider.
func (d *Dispatcher) With(fencingToken uint64, complete func(core.Task, core.Outcome)) *Dispatcher {
	pool := *d.pool
	pool.hooks.FencingToken, pool.hooks.Complete = fencingToken, complete
	with := &Dispatcher{local: &localDispatcher{d.local.localHandlers, complete}, pool: &pool, complete: complete, running: d.running}
	if p, ok := d.provider.(providerDispatcher); ok {
		p.hooks = pool.hooks
		with.provider = p
	}
	return with
}

// Cancel implements core.Canceller: a call over HTTP is broken off, a process of
// one invocation is killed, another call goes on to its end.
func (d *Dispatcher) Cancel(id core.ID, attempt int) { d.running.stop(id, attempt) }

// HandleLocal sets the handler of LOCAL functions with this name; without one
// they answer with their input.
func (d *Dispatcher) HandleLocal(name string, h LocalHandler) { d.local.handle(name, h) }

// Dispatch implements core.Dispatcher.
func (d *Dispatcher) Dispatch(t core.Task) {
	if c := RawCallOf(t); c != nil && !c.InBody {
		if !c.take(t) {
			d.complete(t, callerLeft)
		}
		return
	}
	transport := d.transport(t.Spec)
	if transport == nil {
		d.complete(t, noProvider)
		return
	}
	transport.Dispatch(t)
}

var noProvider = core.Outcome{Status: core.Error, Code: provider.CodeNoProvider, Message: "no provider runs DEPLOYMENT functions here; set endpointUrl or configure one"}

// Run is Dispatch for a caller that would only wait for t: a POOL call is
// made on the caller's goroutine, which saves a goroutine and two switches.
// stop breaks that call off.
func (d *Dispatcher) Run(t core.Task, stop *sock.Stop) {
	if pool, ok := d.transport(t.Spec).(*poolDispatcher); ok {
		d.complete(t, pool.call(t, stop))
	} else {
		d.Dispatch(t)
	}
}

// transport selects the dispatcher for a spec; nil for none.
func (d *Dispatcher) transport(spec *core.Spec) core.Dispatcher {
	rt := funcspec.Of(spec)
	switch {
	case rt.ExecutionMode == funcspec.ModeLocal:
		return d.local
	case rt.ExecutionMode == funcspec.ModePool || rt.EndpointURL != "":
		return d.pool
	}
	return d.provider
}
