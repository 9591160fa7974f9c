package dispatch

import (
	"simplane/core"
	"simplane/server/provider"
)

// providerDispatcher hands tasks to the provider.
type providerDispatcher struct {
	provider provider.Provider
	hooks    Hooks
	running  *running
}

func (d providerDispatcher) Dispatch(t core.Task) {
	inv := d.hooks.request(t, make([]byte, 0, textSize))
	inv.Stop = d.running.begin(t)
	d.provider.Go(t.Spec.Name, inv, func(r provider.Result) {
		d.running.end(t)
		d.hooks.Complete(t, outcome(r))
	})
}

func outcome(r provider.Result) core.Outcome {
	o := core.Outcome{
		Status: core.Success, Output: r.Output, Code: r.ErrorCode, Message: r.ErrorMessage,
		ColdStart: r.ColdStart, Init: r.InitDuration, Permanent: r.Permanent, RetryAfter: r.RetryAfter,
	}
	switch {
	case r.TimedOut:
		o.Status = core.Timeout
	case !r.OK():
		o.Status = core.Error
	}
	return o
}
