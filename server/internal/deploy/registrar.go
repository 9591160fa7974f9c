// Package deploy keeps functions in core and their instances at a provider in
// step: registering, deleting and scaling.
package deploy

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/funcspec"
	"simplane/server/internal/httpjson"
	"simplane/server/provider"
)

// Registrar keeps core's registry and the provider's deployments in step: a
// function that one of them refuses is in neither.
type Registrar struct {
	Options
	core   *core.Core
	stored func(core.LSN) error // nil without a journal

	mu        sync.Mutex // registering, changing and deleting, but for what waits at deleted functions
	revisions revisions
	queues    queueEnds
}

// Options are what the Registrars of all cores of a process share.
type Options struct {
	Provider provider.Provider // nil without one
	// Providers are those that Provider consists of; the first is for functions that
	// name none.
	Providers []provider.Named
	Scaler    *Scaler // nil without a provider
	Room      *SpecRoom
	Holders   *Holders
	Log       *slog.Logger
}

// NewRegistrar makes the Registrar of a core. stored waits until a fact of its
// journal is durable; nil without one.
func NewRegistrar(o Options, c *core.Core, stored func(core.LSN) error) *Registrar {
	return &Registrar{Options: o, core: c, stored: stored, revisions: revisions{of: map[*core.Function][]Revision{}, room: o.Room}}
}

// Register adds a function to the provider and to core; who is the author of
// the change. Calls are serialised: the name is the provider's key too.
func (r *Registrar) Register(spec *core.Spec, who string) (*core.Function, *httpjson.Error) {
	if fault := r.checkImage(spec); fault != nil {
		return nil, fault
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.register(spec, who)
}

// register is Register for a caller that holds mu.
func (r *Registrar) register(spec *core.Spec, who string) (*core.Function, *httpjson.Error) {
	if r.core.Function(spec.Name) != nil {
		return nil, &httpjson.Error{Status: fasthttp.StatusConflict, Code: core.CodeExists, Message: fmt.Sprintf("function %q is already registered; PUT changes it", spec.Name)}
	}
	if fault := r.storable(spec); fault != nil {
		return nil, fault
	}
	if fault := r.revisions.fits(nil, spec); fault != nil {
		return nil, fault
	}
	if fault := r.acceptable(spec); fault != nil {
		return nil, fault
	}
	prepared, err := r.core.Prepare(r.revisions.signed(nil, spec, who, 0))
	if err != nil {
		return nil, refusal(err)
	}
	// The fact first: instances of a function that nobody remembers after a crash
	// would run for ever.
	if fault := r.provisionStored(spec, prepared.LSN()); fault != nil {
		return nil, r.discarded(prepared, fault)
	}
	taken := funcspec.Of(spec).Provided() && r.Scaler != nil
	if taken {
		r.Scaler.hold()
		defer r.Scaler.release()
	}
	fn := prepared.Publish()
	if taken {
		r.Scaler.adopt(fn)
	}
	r.revisions.add(fn, fn.Spec())
	return fn, nil
}

// provisionStored is provision once the function's fact is durable.
func (r *Registrar) provisionStored(spec *core.Spec, at core.LSN) *httpjson.Error {
	if !funcspec.Of(spec).Provided() {
		return nil // the caller waits, without the lock
	}
	if r.stored != nil {
		if err := r.stored(at); err != nil {
			return refusal(err)
		}
	}
	return r.provision(spec)
}

// discarded gives a registration up and returns the error to be told, which is
// another one if it is not known whether that is stored.
func (r *Registrar) discarded(prepared *core.Registration, fault *httpjson.Error) *httpjson.Error {
	if at := prepared.Discard(); r.stored != nil {
		if err := r.stored(at); err != nil {
			return refusal(err)
		}
	}
	return fault
}

// Runs reports whether a provider runs the function's instances.
func (r *Registrar) Runs(fn *core.Function) bool {
	return r.Provider != nil && funcspec.Of(fn.Spec()).Provided()
}

// Logs are the last lines that the instances of a function wrote, and of those the
// ones from a time in ms since the epoch on.
func (r *Registrar) Logs(name string, tail int, since int64) ([]provider.LogLine, error) {
	lines, err := r.Provider.Logs(name, tail)
	return slices.DeleteFunc(lines, func(l provider.LogLine) bool { return l.Time.UnixMilli() < since }), err
}

// Rollout says how the last change of a function's instances goes; nil when
// there is nothing to say.
func (o *Options) Rollout(spec *core.Spec) *funcspec.Rollout {
	if o.Provider == nil || !funcspec.Of(spec).Provided() {
		return nil
	}
	status, _ := o.Provider.Status(spec.Name)
	if status.Rollout == (provider.Rollout{}) {
		return nil
	}
	return &funcspec.Rollout{State: status.Rollout.State, Message: status.Rollout.Message}
}

// RolloutState is the state of the last change of a function's instances; empty when
// there is nothing to say.
func (o *Options) RolloutState(fn *core.Function) string {
	if o.Provider == nil || !funcspec.Of(fn.Spec()).Provided() {
		return ""
	}
	status, _ := o.Provider.Status(fn.Name())
	return status.Rollout.State
}

// LimitsError says which limits do not hold for a function's instances; empty
// when all do, and when it has none.
func (r *Registrar) LimitsError(fn *core.Function) string {
	if !r.Runs(fn) {
		return ""
	}
	status, _ := r.Provider.Status(fn.Name())
	return status.LimitsError
}

// MetricsError is why a function's cpu or memory, which scale it, cannot be
// measured; empty when they can, or are not needed.
func (o *Options) MetricsError(fn *core.Function) string {
	if o.Provider == nil || !fn.Autoscaled() {
		return ""
	}
	status, _ := o.Provider.Status(fn.Name())
	return status.MetricsError
}
