// Package deploy keeps functions in core and their instances at a provider in
// step: registering, deleting and scaling.
package deploy

import (
	"context"
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
	provider provider.Provider // nil without one
	process  bool              // it runs commands on this machine, no images
	log      *slog.Logger
	core     *core.Core // set by Bind, as stored
	stored   func(core.LSN) error
	scaler   *replicaScaler // nil without a provider

	mu        sync.Mutex // registering, changing and deleting, but for what waits at deleted functions
	revisions revisions
	queues    queueEnds
}

// NewRegistrar makes a Registrar for p, which may be nil. process says that p
// runs commands as processes of this machine and cannot run images. maxSpecBytes
// bounds what the specs of all functions take.
func NewRegistrar(p provider.Provider, process bool, maxSpecBytes int64, log *slog.Logger) *Registrar {
	r := &Registrar{provider: p, process: process, log: log, revisions: revisions{of: map[*core.Function][]Revision{}, most: maxSpecBytes}}
	if p != nil {
		r.scaler = newReplicaScaler(p, log)
	}
	return r
}

// Scaler is the core.Scaler that passes replica counts to the provider; nil
// without a provider.
func (r *Registrar) Scaler() core.Scaler {
	if r.scaler == nil {
		return nil
	}
	return r.scaler
}

// Bind sets the core whose functions these are. stored waits until a fact of its
// journal is durable; nil without one. Bind must be called before any other method
// but Scaler, which core.New needs.
func (r *Registrar) Bind(c *core.Core, stored func(core.LSN) error) {
	r.core, r.stored = c, stored
	if r.scaler != nil {
		r.scaler.core = c
	}
}

// Run passes the autoscaler's replica counts to the provider until ctx ends.
func (r *Registrar) Run(ctx context.Context) {
	if r.scaler != nil {
		r.scaler.run(ctx)
	}
}

// Register adds a function to the provider and to core; who is the author of
// the change. Calls are serialised: the name is the provider's key too.
func (r *Registrar) Register(spec *core.Spec, who string) (*core.Function, *httpjson.Error) {
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
	if fault := r.revisions.room(nil, spec); fault != nil {
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
	taken := funcspec.Of(spec).Provided() && r.scaler != nil
	if taken {
		r.scaler.hold()
		defer r.scaler.release()
	}
	fn := prepared.Publish()
	if taken {
		r.scaler.adopt(fn)
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
	return r.provider != nil && funcspec.Of(fn.Spec()).Provided()
}

// Logs are the last lines that the instances of a function wrote, and of those the
// ones from a time in ms since the epoch on.
func (r *Registrar) Logs(name string, tail int, since int64) ([]provider.LogLine, error) {
	lines, err := r.provider.Logs(name, tail)
	return slices.DeleteFunc(lines, func(l provider.LogLine) bool { return l.Time.UnixMilli() < since }), err
}

// Rollout says how the last change of a function's instances goes; nil when
// there is nothing to say.
func (r *Registrar) Rollout(spec *core.Spec) *funcspec.Rollout {
	if r.provider == nil || !funcspec.Of(spec).Provided() {
		return nil
	}
	status, _ := r.provider.Status(spec.Name)
	if status.Rollout == (provider.Rollout{}) {
		return nil
	}
	return &funcspec.Rollout{State: status.Rollout.State, Message: status.Rollout.Message}
}

// RolloutState is the state of Rollout; empty when there is nothing to say.
func (r *Registrar) RolloutState(fn *core.Function) string {
	if rollout := r.Rollout(fn.Spec()); rollout != nil {
		return rollout.State
	}
	return ""
}

// LimitsError says which limits do not hold for a function's instances; empty
// when all do, and when it has none.
func (r *Registrar) LimitsError(fn *core.Function) string {
	if !r.Runs(fn) {
		return ""
	}
	status, _ := r.provider.Status(fn.Name())
	return status.LimitsError
}

// MetricsError is why a function's cpu or memory, which scale it, cannot be
// measured; empty when they can, or are not needed.
func (r *Registrar) MetricsError(fn *core.Function) string {
	if r.provider == nil || !fn.Autoscaled() {
		return ""
	}
	status, _ := r.provider.Status(fn.Name())
	return status.MetricsError
}
