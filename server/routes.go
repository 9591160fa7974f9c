package server

import (
	"github.com/valyala/fasthttp"

	"simplane/server/internal/admin"
	"simplane/server/internal/api"
	"simplane/server/internal/auth"
)

// routes is the whole API, on both addresses except what the configuration
// removes from the public one: the router, the OpenAPI test and the Allow
// header all read it.
func routes(a *api.API, admin *admin.Admin, scrape fasthttp.RequestHandler) []api.Route {
	all := []api.Route{
		{Scope: auth.ScopeManage, Method: "POST", Path: "/v1/functions", Handle: api.NoArg(a.Register), At: api.AtNewFunction},
		{Scope: auth.ScopeManage, Method: "GET", Path: "/v1/functions", Handle: api.NoArg(a.ListFunctions), At: api.AtAllNodes},
		{Scope: auth.ScopeManage, Method: "GET", Path: "/v1/functions/{name}", Handle: a.GetFunction, At: api.AtFunction},
		{Scope: auth.ScopeManage, Method: "PUT", Path: "/v1/functions/{name}", Handle: a.Put, At: api.AtFunction},
		{Scope: auth.ScopeManage, Method: "DELETE", Path: "/v1/functions/{name}", Handle: a.DeleteFunction, At: api.AtFunction},
		{Scope: auth.ScopeManage, Method: "POST", Path: "/v1/functions/{name}:check", Handle: a.Check, ChangesNothing: true, At: api.AtFunction},
		{Scope: auth.ScopeManage, Method: "GET", Path: "/v1/functions/{name}/revisions", Handle: a.Revisions, At: api.AtFunction},
		{Scope: auth.ScopeManage, Method: "POST", Path: "/v1/functions/{name}:rollback", Handle: a.Rollback, At: api.AtFunction},
		{Scope: auth.ScopeManage, Method: "PUT", Path: "/v1/functions/{name}/replicas", Handle: a.SetReplicas, At: api.AtFunction},
		{Scope: auth.ScopeInvoke, Method: "POST", Path: "/v1/functions/{name}:invoke", Handle: a.Invoke, Refuses: a.Refuses, At: api.AtFunction},
		{Scope: auth.ScopeInvoke, Method: "POST", Path: "/v1/functions/{name}:enqueue", Handle: a.Enqueue, Refuses: a.RefusesWork, At: api.AtFunction},
		{Scope: auth.ScopeManage, Method: "GET", Path: "/v1/functions/{name}/logs", Handle: a.Logs, At: api.AtFunction},
		{Scope: auth.ScopeManage, Method: "GET", Path: "/v1/functions/{name}/stats", Handle: admin.FunctionStats, At: api.AtFunction},
		{Scope: auth.ScopeManage, Method: "GET", Path: "/v1/functions/{name}/history", Handle: admin.FunctionHistory, At: api.AtFunction},
		{Scope: auth.ScopeManage, Method: "GET", Path: "/v1/functions/{name}/instances", Handle: admin.FunctionInstances, At: api.AtFunction},
		{Scope: auth.ScopeManage, Method: "GET", Path: "/v1/functions/{name}/dead-letters", Handle: a.DeadLetters, At: api.AtFunction},
		{Scope: auth.ScopeManage, Method: "DELETE", Path: "/v1/functions/{name}/dead-letters", Handle: a.PurgeDeadLetters, At: api.AtFunction},
		{Scope: auth.ScopeManage, Method: "POST", Path: "/v1/functions/{name}/dead-letters:redrive", Handle: a.Redrive, At: api.AtFunction},
		{Scope: auth.ScopeInvoke, Method: "GET", Path: "/v1/executions/{id}", Handle: a.Execution, At: api.AtExecution},
		{Scope: auth.ScopeInvoke, Method: "POST", Path: "/v1/executions/{id}:cancel", Handle: a.Cancel, At: api.AtExecution},
		{Scope: auth.ScopeInternal, Method: "POST", Path: "/v1/internal/executions/{id}:complete", Handle: a.Complete, OwnToken: true, At: api.AtExecution},
		{Scope: auth.ScopeInternal, Method: "POST", Path: "/v1/internal/functions/{name}:drain-once", Handle: a.DrainOnce, At: api.AtFunction},
		{Scope: auth.ScopeInternal, Method: "POST", Path: "/v1/internal/functions/{name}:report-metric", Handle: a.ReportMetric, At: api.AtFunction},
		{Scope: auth.ScopeInternal, Method: "GET", Path: "/v1/admin/runtime-config", Handle: api.NoArg(admin.GetRuntimeConfig), At: api.AtConfig},
		{Scope: auth.ScopeInternal, Method: "PATCH", Path: "/v1/admin/runtime-config", Handle: api.NoArg(admin.PatchRuntimeConfig), At: api.AtConfig},
		{Scope: auth.ScopeInternal, Method: "POST", Path: "/v1/admin/runtime-config/validate", Handle: api.NoArg(admin.ValidateRuntimeConfig), ChangesNothing: true, At: api.AtConfig},
		{Scope: auth.ScopeInternal, Method: "GET", Path: "/v1/admin/runtime-config/history", Handle: api.NoArg(admin.RuntimeHistory), At: api.AtConfig},
		{Scope: auth.ScopeInternal, Method: "GET", Path: "/v1/admin/executions", Handle: api.NoArg(a.Search), At: api.AtAllNodes},
		{Scope: auth.ScopeInternal, Method: "GET", Path: "/v1/admin/flight-recorder", Handle: api.NoArg(admin.FlightRecorder)},
		{Scope: auth.ScopeInternal, Method: "POST", Path: "/v1/admin/flight-recorder:dump", Handle: api.NoArg(admin.DumpFlightRecorder)},
		{Scope: auth.ScopeInternal, Method: "GET", Path: "/v1/admin/cluster", Handle: api.NoArg(admin.ClusterStatus)},
		{Scope: auth.ScopeInternal, Method: "GET", Path: "/v1/admin/stats", Handle: api.NoArg(admin.Stats), At: api.AtAllNodes},
		{Scope: auth.ScopeInternal, Method: "GET", Path: "/v1/admin/overview", Handle: api.NoArg(admin.Overview), At: api.AtAllNodes},
		{Scope: auth.ScopeInternal, Method: "GET", Path: "/v1/admin/system", Handle: api.NoArg(admin.System)},
		{Scope: auth.ScopeInternal, Method: "GET", Path: "/v1/admin/history", Handle: api.NoArg(admin.History)},
		{Scope: auth.ScopePublic, Method: "GET", Path: "/actuator/health", Handle: api.NoArg(a.Health)},
		{Scope: auth.ScopePublic, Method: "GET", Path: "/actuator/health/liveness", Handle: api.NoArg(a.Liveness)},
		{Scope: auth.ScopePublic, Method: "GET", Path: "/actuator/health/readiness", Handle: api.NoArg(a.Readiness)},
		{Scope: auth.ScopePublic, Method: "GET", Path: "/actuator/prometheus", Handle: api.NoArg(scrape), Metrics: true},
		{Scope: auth.ScopePublic, Method: "GET", Path: "/openapi.json", Handle: api.NoArg(serveOpenAPI)},
	}
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} { // HEAD as GET, others too
		for _, path := range []string{"/function/{name}", "/function/{name}/{path}"} {
			all = append(all, api.Route{Scope: auth.ScopeInvoke, Method: method, Path: path, Handle: a.Raw, PassesOn: true, At: api.AtFunction})
		}
	}
	return all
}
