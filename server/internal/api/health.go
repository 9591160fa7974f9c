package api

import (
	"github.com/valyala/fasthttp"

	"simplane/server/internal/httpjson"
)

// Health answers 200 while the process runs.
func (a *API) Health(ctx *fasthttp.RequestCtx) {
	httpjson.WriteJSON(ctx, fasthttp.StatusOK, map[string]string{"status": "UP"})
}

// Readiness answers 503 while draining, so that load balancers stop sending, and
// while a node of a cluster has nothing to serve.
func (a *API) Readiness(ctx *fasthttp.RequestCtx) {
	why := ""
	if a.Unready != nil {
		why = a.Unready()
	}
	if why != "" {
		httpjson.WriteJSON(ctx, fasthttp.StatusServiceUnavailable, map[string]string{"status": "OUT_OF_SERVICE", "reason": why})
		return
	}
	if a.Draining() {
		httpjson.WriteJSON(ctx, fasthttp.StatusServiceUnavailable, map[string]string{"status": "OUT_OF_SERVICE"})
		return
	}
	a.Health(ctx)
}
