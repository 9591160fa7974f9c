package dispatch

import (
	"simplane/core"
	"simplane/server/provider"
)

// providerDispatcher hands tasks to the provider.
type providerDispatcher struct {
	provider provider.Provider
	hooks    Hooks
}

func (d providerDispatcher) Dispatch(t core.Task) {
	inv := d.hooks.request(t, make([]byte, 0, textSize))
	d.provider.Go(t.Spec.Name, inv, func(r provider.Result) { d.hooks.Complete(t, outcome(r)) })
}

func outcome(r provider.Result) core.Outcome {
	o := core.Outcome{
		Status: core.Success, Output: r.Output, Code: r.ErrorCode, Message: r.ErrorMessage,
		ColdStart: r.ColdStart, Init: r.InitDuration,
	}
	switch {
	case r.TimedOut:
		o.Status = core.Timeout
	case !r.OK():
		o.Status = core.Error
	}
	return o
}
