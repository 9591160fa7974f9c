package deploy

import (
	"fmt"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/funcspec"
	"simplane/server/internal/httpjson"
	"simplane/server/provider"
)

// Apply makes a function be as spec says: it is updated in place, or registered
// when there is none of its name, unless ifGeneration, the one that the caller
// has seen, is not 0. who is the author of the change. created says that it was
// registered.
func (r *Registrar) Apply(spec *core.Spec, ifGeneration uint64, who string) (now *core.Spec, created bool, fault *httpjson.Error) {
	if fault := r.checkImage(spec); fault != nil {
		return nil, false, fault
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	fn := r.core.Function(spec.Name)
	if fn == nil {
		if ifGeneration != 0 {
			return nil, false, conflict(core.CodeGeneration, fmt.Sprintf("there is no function %q, so it is not at generation %d; leave If-Match out to register it", spec.Name, ifGeneration))
		}
		fn, fault := r.register(spec, who)
		if fault != nil {
			return nil, false, fault
		}
		return fn.Spec(), true, nil
	}
	now, fault = r.update(fn, spec, ifGeneration, who, 0)
	return now, false, fault
}

// Rollback puts the spec of an earlier generation in force again, as a change
// of its own. The error has status 404 when that generation is not kept.
func (r *Registrar) Rollback(name string, generation, ifGeneration uint64, who string) (*core.Spec, *httpjson.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fn := r.core.Function(name)
	if fn == nil {
		return nil, notFound(core.ErrNotFound.Message)
	}
	for _, rev := range r.revisions.list(fn) {
		if rev.Spec.Generation == generation {
			restores := rev.Restores
			if restores == 0 {
				restores = generation
			}
			return r.update(fn, rev.Spec, ifGeneration, who, restores)
		}
	}
	return nil, notFound(fmt.Sprintf("generation %d of %q is not kept; GET /v1/functions/%s/revisions lists those that are", generation, name, name))
}

// Revisions lists the specs that a function has had, newest first: the present
// one and at most nine before it. The error is core.ErrNotFound.
func (r *Registrar) Revisions(name string) ([]Revision, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fn := r.core.Function(name)
	if fn == nil {
		return nil, core.ErrNotFound
	}
	list := r.revisions.list(fn)
	if len(list) > 0 {
		list[0].Failed = r.RolloutState(fn) == provider.RolloutFailed
	}
	return list, nil
}

func conflict(code, message string) *httpjson.Error {
	return &httpjson.Error{Status: fasthttp.StatusConflict, Code: code, Message: message}
}

func notFound(message string) *httpjson.Error {
	return &httpjson.Error{Status: fasthttp.StatusNotFound, Code: core.CodeNotFound, Message: message}
}

// update changes fn at the provider and in core; the caller holds mu, so that
// nobody else changes it meanwhile. restores is as in Revision.
func (r *Registrar) update(fn *core.Function, spec *core.Spec, ifGeneration uint64, who string, restores uint64) (*core.Spec, *httpjson.Error) {
	have := fn.Spec()
	was, is := funcspec.Of(have), funcspec.Of(spec)
	switch {
	case ifGeneration != 0 && ifGeneration != have.Generation:
		return nil, conflict(core.CodeGeneration, fmt.Sprintf("the function is at generation %d, not %d: read it again and change that", have.Generation, ifGeneration))
	case was.ExecutionMode != is.ExecutionMode:
		return nil, conflict("EXECUTION_MODE_FIXED", fmt.Sprintf("executionMode cannot change from %s to %s; delete the function and register it anew", was.ExecutionMode, is.ExecutionMode))
	}
	if fault := r.storable(spec); fault != nil {
		return nil, fault
	}
	if fault := r.revisions.fits(fn, spec); fault != nil {
		return nil, fault
	}
	failed := r.RolloutState(fn) == provider.RolloutFailed
	if fault := r.provision(spec); fault != nil {
		return nil, fault
	}
	if failed {
		r.revisions.failed(fn)
	}
	began := is.Provided() && !was.Provided() && r.Scaler != nil
	if began {
		r.Scaler.hold()
		defer r.Scaler.release()
	}
	now, err := r.core.Update(r.revisions.signed(fn, spec, who, restores), 0)
	if err != nil {
		r.unchanged(have, spec)
		return nil, refusal(err)
	}
	if began {
		r.Scaler.adopt(fn)
	}
	if was.Provided() && !is.Provided() {
		r.deprovision(have)
	}
	r.revisions.add(fn, now)
	return now, nil
}

// unchanged has the provider run what it ran before a change that core refused.
func (r *Registrar) unchanged(have, spec *core.Spec) {
	if !funcspec.Of(have).Provided() {
		r.deprovision(spec)
	} else if fault := r.provision(have); fault != nil {
		r.Log.Error("a refused change is in force at the provider", "function", have.Name, "error", fault.Message)
	}
}
