package api

import (
	"github.com/valyala/fasthttp"

	"simplane/server/internal/httpjson"
)

// Liveness answers 200 while the process runs.
func (a *API) Liveness(ctx *fasthttp.RequestCtx) {
	httpjson.WriteJSON(ctx, fasthttp.StatusOK, health{Status: "UP"})
}

// health is the state of the server, or of a part of it.
type health struct {
	Status     string            `json:"status"`
	Details    map[string]string `json:"details,omitempty"`
	Components map[string]health `json:"components,omitempty"`
}

// Health is Liveness with the state of each provider, and of the node's part of a
// cluster. One that is out of reach does
// not make the server unhealthy: restarting it would not help, and what runs goes on.
func (a *API) Health(ctx *fasthttp.RequestCtx) {
	h := health{Status: "UP", Components: map[string]health{}}
	for name, err := range a.ProviderHealth() {
		h.Components[name] = partOf(err)
	}
	if a.ClusterHealth != nil {
		h.Components["cluster"] = partOf(a.ClusterHealth())
	}
	httpjson.WriteJSON(ctx, fasthttp.StatusOK, h)
}

func partOf(err error) health {
	if err != nil {
		return health{Status: "DOWN", Details: map[string]string{"error": err.Error()}}
	}
	return health{Status: "UP"}
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
	a.Liveness(ctx)
}
