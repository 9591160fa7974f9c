package deploy

import (
	"errors"
	"sync"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/funcspec"
	"simplane/server/internal/httpjson"
)

// Hold delays calls of the provider for replicas until release is called, which is
// harmless more than once: core may ask for them before the provider knows a function
// that has come back.
func (r *Registrar) Hold() (release func()) {
	if r.Scaler == nil {
		return func() {}
	}
	r.Scaler.hold()
	return sync.OnceFunc(r.Scaler.release)
}

// Restored gives the provider the functions that core has got back from its
// journal, and takes over the instances they still have. A function that the
// provider refuses is kept: its calls fail until it is changed or the cause is
// gone, which the log says.
func (r *Registrar) Restored() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, fn := range r.core.Functions() {
		if err := r.revisions.restore(fn); err != nil {
			return err
		}
		spec := fn.Spec()
		if !funcspec.Of(spec).Provided() {
			continue
		}
		if fault := r.provision(spec); fault != nil {
			r.Log.Error("a function came back that cannot be run", "function", fn.Name(), "error", fault.Message, "details", fault.Details)
			continue
		}
		r.Scaler.adopt(fn)
	}
	return nil
}

// Leave forgets all functions: they are another control plane's, or another Registrar's
// of this process, which gives them to its provider itself.
func (r *Registrar) Leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, fn := range r.core.Functions() {
		if r.Runs(fn) {
			r.Holders.leave(fn.Name(), r, func() {
				if err := r.Provider.Leave(fn.Name()); err != nil {
					r.Log.Debug("a function that is left was not at the provider", "function", fn.Name(), "error", err)
				}
			})
		}
		r.revisions.forget(fn)
	}
}

// Died says whether the attempts of a function end with this process.
func (r *Registrar) Died(spec *core.Spec) bool {
	rt := funcspec.Of(spec)
	return rt.ExecutionMode == funcspec.ModeLocal || rt.Provided() && r.runsProcesses(rt)
}

// storable refuses a spec whose work is to outlive the process where nothing
// does.
func (r *Registrar) storable(spec *core.Spec) *httpjson.Error {
	if spec.Durability == core.DurabilityDisk && r.core.Config().Journal == nil {
		return refusal(core.ErrNoJournal)
	}
	return nil
}

// refusal is core's refusal of a registration or change.
func refusal(err error) *httpjson.Error {
	var why *core.Rejection
	if !errors.As(err, &why) {
		return &httpjson.Error{Status: fasthttp.StatusInternalServerError, Code: httpjson.CodeInternal, Message: err.Error()}
	}
	status := fasthttp.StatusServiceUnavailable
	switch why.Code {
	case core.CodeNotFound: // it has just been deleted
		status = fasthttp.StatusNotFound
	case core.CodeNoJournal:
		status = fasthttp.StatusUnprocessableEntity
	}
	return &httpjson.Error{Status: status, Code: why.Code, Message: why.Message}
}
