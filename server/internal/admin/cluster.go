package admin

import (
	"github.com/valyala/fasthttp"

	"simplane/server/internal/httpjson"
)

// ClusterStatus shows what this node knows of its cluster.
func (a *Admin) ClusterStatus(ctx *fasthttp.RequestCtx) {
	if a.Cluster == nil {
		httpjson.WriteError(ctx, fasthttp.StatusNotFound, "NO_CLUSTER", "this server is by itself; --cluster or --cluster-embedded make it one of several")
		return
	}
	httpjson.WriteJSON(ctx, fasthttp.StatusOK, a.Cluster())
}
