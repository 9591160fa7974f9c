// Package deploy keeps functions in core and their instances at a provider in
// step: registering, deleting and scaling.
package deploy

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/funcspec"
	"simplane/server/internal/httpjson"
	"simplane/server/provider"
)

// Registrar keeps core's registry and the provider's deployments in step: what
// one of them does not take, the other does not get either.
type Registrar struct {
	provider provider.Provider // nil without one
	process  bool              // it runs commands on this machine, no images
	log      *slog.Logger
	core     *core.Core     // set by Bind
	scaler   *replicaScaler // nil without a provider

	mu sync.Mutex // registering and deleting
}

// NewRegistrar makes a Registrar for p, which may be nil. process says that p
// runs commands as processes of this machine and cannot run images.
func NewRegistrar(p provider.Provider, process bool, log *slog.Logger) *Registrar {
	r := &Registrar{provider: p, process: process, log: log}
	if p != nil {
		r.scaler = newReplicaScaler(p, log)
	}
	return r
}

// Scaler is what core's autoscaler tells the replicas it wants; nil without a
// provider.
func (r *Registrar) Scaler() core.Scaler {
	if r.scaler == nil {
		return nil
	}
	return r.scaler
}

// Bind names the core whose functions these are. It comes before all but
// Scaler, which core is made with.
func (r *Registrar) Bind(c *core.Core) {
	r.core = c
	if r.scaler != nil {
		r.scaler.core = c
	}
}

// Run carries what the autoscaler wants to the provider until ctx ends.
func (r *Registrar) Run(ctx context.Context) {
	if r.scaler != nil {
		r.scaler.run(ctx)
	}
}

// Register makes the provider and core agree on a new function. One at a time:
// a name is the provider's key too.
func (r *Registrar) Register(spec *core.Spec) (*core.Function, *httpjson.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.core.Function(spec.Name) != nil {
		return nil, &httpjson.Error{Status: fasthttp.StatusConflict, Code: core.CodeExists, Message: fmt.Sprintf("function %q is already registered; delete it first", spec.Name)}
	}
	if fault := r.provision(spec); fault != nil {
		return nil, fault
	}
	taken := funcspec.Of(spec).Provided() && r.scaler != nil
	if taken {
		r.scaler.hold()
		defer r.scaler.release()
	}
	fn, err := r.core.Register(spec)
	if err != nil {
		r.deprovision(spec)
		return nil, &httpjson.Error{Status: fasthttp.StatusServiceUnavailable, Code: core.CodeFunctionLimit, Message: err.Error()}
	}
	if taken {
		r.scaler.adopt(fn)
	}
	return fn, nil
}

// Unregister deletes a function and lets its instances go.
func (r *Registrar) Unregister(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	fn, err := r.core.Delete(name)
	if err == nil {
		r.deprovision(fn.Spec())
	}
	return err
}

// Runs says that a provider runs the function's instances.
func (r *Registrar) Runs(fn *core.Function) bool {
	return r.provider != nil && funcspec.Of(fn.Spec()).Provided()
}

// Logs are the last lines that the instances of a function wrote.
func (r *Registrar) Logs(name string, tail int) ([]provider.LogLine, error) {
	return r.provider.Logs(name, tail)
}

// MetricsError says why a function's cpu or memory, which scale it, are not
// known; empty when they are, or are not needed.
func (r *Registrar) MetricsError(fn *core.Function) string {
	if r.provider == nil || !fn.Autoscaled() {
		return ""
	}
	status, _ := r.provider.Status(fn.Name())
	return status.MetricsError
}
