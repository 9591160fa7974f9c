package dispatch

import (
	"net/url"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/funcspec"
	"simplane/server/internal/fncall"
	"simplane/server/internal/sock"
	"simplane/server/provider"
)

// poolDispatcher posts tasks to the HTTP endpoint of a function that runs
// elsewhere, over kept-alive connections.
type poolDispatcher struct {
	targets *poolTargets
	hooks   Hooks
	running *running
}

func newPoolDispatcher(o Options, calls *running) *poolDispatcher {
	d := &poolDispatcher{hooks: o.Hooks, running: calls, targets: newPoolTargets(func() *fasthttp.HostClient {
		return &fasthttp.HostClient{
			DialTimeout:            sock.Dialer(o.Egress.dial),
			Name:                   "simplane",
			MaxConns:               o.MaxConnections,
			MaxResponseBodySize:    o.MaxResponseBytes,
			MaxIdleConnDuration:    10 * time.Second,
			DisablePathNormalizing: true,
		}
	})}
	return d
}

func (d *poolDispatcher) Dispatch(t core.Task) {
	go func() {
		o := d.call(t, d.running.begin(t))
		d.running.end(t)
		d.hooks.Complete(t, o)
	}()
}

// call makes one attempt and always returns within the task's timeout, or when
// stop breaks it off.
func (d *poolDispatcher) call(t core.Task, stop *sock.Stop) core.Outcome {
	endpoint := funcspec.Of(t.Spec).EndpointURL
	if endpoint == "" {
		return core.Outcome{Status: core.Error, Code: provider.CodeNoEndpoint, Message: "the function has no endpointUrl"}
	}
	target, err := d.targets.of(endpoint)
	if err != nil {
		return poolError(endpoint, ": "+err.Error())
	}
	text := texts.Get().(*[]byte)
	defer texts.Put(text)
	r := d.hooks.request(t, (*text)[:0])
	r.Stop = stop
	a, err := target.Call(&r)
	if d.hooks.Called != nil {
		d.hooks.Called(t, a.Status)
	}
	if err == nil {
		return core.Outcome{Status: core.Success, Output: a.Output, ColdStart: a.ColdStart, Init: a.Init}
	}
	switch e := err.(*fncall.Error); e.Kind {
	case fncall.TimedOut:
		return core.Outcome{Status: core.Timeout, Code: provider.CodeTimeout}
	case fncall.Refused: // "answered with ..."
		o := poolError(endpoint, " "+e.Message)
		o.Permanent, o.RetryAfter = e.Permanent, e.RetryAfter
		return o
	default:
		return poolError(endpoint, ": "+e.Message)
	}
}

// ShownURL is an endpoint as callers may see it: without user, password,
// query and fragment, which may hold secrets.
func ShownURL(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "the endpoint"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

func poolError(endpoint, what string) core.Outcome {
	return core.Outcome{Status: core.Error, Code: provider.CodeError, Message: ShownURL(endpoint) + what}
}
