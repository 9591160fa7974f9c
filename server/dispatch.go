package server

import "simplane/core"

// router sends each task to the transport of its function's execution mode.
type dispatchRouter struct {
	local, pool core.Dispatcher
	// provider runs DEPLOYMENT functions without an endpoint; nil without one.
	provider core.Dispatcher
}

func (r *dispatchRouter) Dispatch(t core.Task) {
	switch {
	case t.Spec.ExecutionMode == core.ModeLocal:
		r.local.Dispatch(t)
	case t.Spec.ExecutionMode == core.ModePool || t.Spec.EndpointURL != "":
		r.pool.Dispatch(t)
	case r.provider != nil:
		r.provider.Dispatch(t)
	default:
		complete(t, core.Outcome{Status: core.Error, Code: core.CodeNoProvider, Message: "no provider runs DEPLOYMENT functions here; set endpointUrl or configure one"})
	}
}
