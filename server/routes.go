package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/pprofhandler"
)

// route is one entry of the HTTP API. Path parameters are in braces; a custom
// method follows its resource after a colon.
type route struct {
	method, path string
	handle       func(*Server, *fasthttp.RequestCtx, string) // gets the path's parameter
	internal     bool                                        // token, and the management address only if so configured
}

func bare(h func(*Server, *fasthttp.RequestCtx)) func(*Server, *fasthttp.RequestCtx, string) {
	return func(s *Server, ctx *fasthttp.RequestCtx, _ string) { h(s, ctx) }
}

// routes is the whole API, on both addresses but for what the configuration
// takes off the public one: the router, the OpenAPI test and the Allow header
// all read it.
var routes = []route{
	{method: "POST", path: "/v1/functions", handle: bare((*Server).handleRegister)},
	{method: "GET", path: "/v1/functions", handle: bare((*Server).handleListFunctions)},
	{method: "GET", path: "/v1/functions/{name}", handle: (*Server).handleGetFunction},
	{method: "DELETE", path: "/v1/functions/{name}", handle: (*Server).handleDeleteFunction},
	{method: "PUT", path: "/v1/functions/{name}/replicas", handle: (*Server).handleReplicas},
	{method: "POST", path: "/v1/functions/{name}:invoke", handle: (*Server).handleInvoke},
	{method: "POST", path: "/v1/functions/{name}:enqueue", handle: (*Server).handleEnqueue},
	{method: "GET", path: "/v1/functions/{name}/logs", handle: (*Server).handleLogs},
	{method: "GET", path: "/v1/functions/{name}/stats", handle: (*Server).handleFunctionStats},
	{method: "GET", path: "/v1/functions/{name}/dead-letters", handle: (*Server).handleDeadLetters},
	{method: "DELETE", path: "/v1/functions/{name}/dead-letters", handle: (*Server).handlePurgeDeadLetters},
	{method: "POST", path: "/v1/functions/{name}/dead-letters:redrive", handle: (*Server).handleRedrive},
	{method: "GET", path: "/v1/executions/{id}", handle: (*Server).handleExecution},
	{method: "POST", path: "/v1/internal/executions/{id}:complete", handle: (*Server).handleComplete, internal: true},
	{method: "POST", path: "/v1/internal/functions/{name}:drain-once", handle: (*Server).handleDrainOnce, internal: true},
	{method: "GET", path: "/v1/admin/runtime-config", handle: bare((*Server).handleGetRuntimeConfig), internal: true},
	{method: "PATCH", path: "/v1/admin/runtime-config", handle: bare((*Server).handlePatchRuntimeConfig), internal: true},
	{method: "POST", path: "/v1/admin/runtime-config/validate", handle: bare((*Server).handleValidateRuntimeConfig), internal: true},
	{method: "GET", path: "/v1/admin/executions", handle: bare((*Server).handleSearch), internal: true},
	{method: "GET", path: "/v1/admin/stats", handle: bare((*Server).handleStats), internal: true},
	{method: "GET", path: "/actuator/health", handle: bare((*Server).handleHealth)},
	{method: "GET", path: "/actuator/health/liveness", handle: bare((*Server).handleHealth)},
	{method: "GET", path: "/actuator/health/readiness", handle: bare((*Server).handleReadiness)},
	{method: "GET", path: "/actuator/prometheus", handle: bare((*Server).handlePrometheus)},
	{method: "GET", path: "/openapi.json", handle: bare((*Server).handleOpenAPI)},
}

// resource is everything that answers below one router pattern: a plain
// resource's methods, and its custom methods (":invoke") by name.
type resource struct {
	plain  map[string]route
	custom map[string]map[string]route
}

// handler builds the request handler of one address.
func (s *Server) handler(mgmt bool) fasthttp.RequestHandler {
	resources := map[string]*resource{}
	for _, rt := range routes {
		if !mgmt && rt.internal && s.cfg.InternalOnMgmtOnly {
			continue
		}
		pattern, action := rt.path, ""
		if i := strings.LastIndex(pattern, "}:"); i >= 0 {
			pattern, action = pattern[:i+1], pattern[i+2:]
		}
		pattern = strings.NewReplacer("{name}", "{arg}", "{id}", "{arg}").Replace(pattern)
		res := resources[pattern]
		if res == nil {
			res = &resource{plain: map[string]route{}, custom: map[string]map[string]route{}}
			resources[pattern] = res
		}
		methods := res.plain
		if action != "" {
			if methods = res.custom[action]; methods == nil {
				methods = map[string]route{}
				res.custom[action] = methods
			}
		}
		methods[rt.method] = rt
	}
	r := router.New()
	r.RedirectTrailingSlash, r.RedirectFixedPath = false, false
	r.NotFound = noRoute
	r.SaveMatchedRoutePath = false
	for pattern, res := range resources {
		r.ANY(pattern, s.serveResource(res))
	}
	if mgmt {
		r.GET("/debug/pprof/{profile:*}", s.guarded(pprofhandler.PprofHandler))
	}
	return s.recovered(r.Handler)
}

// serveResource picks the custom method after the last colon (names contain
// none), then the HTTP method.
func (s *Server) serveResource(res *resource) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		arg, _ := ctx.UserValue("arg").(string)
		methods := res.plain
		if i := strings.LastIndexByte(arg, ':'); i >= 0 {
			methods = res.custom[arg[i+1:]]
			arg = arg[:i]
		}
		if len(methods) == 0 {
			noRoute(ctx)
			return
		}
		rt, ok := methods[unsafeString(ctx.Method())]
		if !ok {
			writeMethodNotAllowed(ctx, methods)
			return
		}
		if rt.internal && !s.authorized(ctx) {
			refuseUnauthorized(ctx)
			return
		}
		rt.handle(s, ctx, arg)
	}
}

// guarded requires the internal token for a handler that is no API route.
func (s *Server) guarded(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if !s.authorized(ctx) {
			refuseUnauthorized(ctx)
			return
		}
		next(ctx)
	}
}

func refuseUnauthorized(ctx *fasthttp.RequestCtx) {
	ctx.Response.Header.Set("WWW-Authenticate", "Bearer")
	writeError(ctx, fasthttp.StatusUnauthorized, codeUnauthorized, "a valid bearer token is required here")
}

func writeMethodNotAllowed(ctx *fasthttp.RequestCtx, methods map[string]route) {
	var allow []string
	for _, m := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		if _, ok := methods[m]; ok {
			allow = append(allow, m)
		}
	}
	list := strings.Join(allow, ", ")
	ctx.Response.Header.Set("Allow", list)
	writeError(ctx, fasthttp.StatusMethodNotAllowed, codeMethodNotAllowed, fmt.Sprintf("%s is not allowed here; allowed: %s", clip(ctx.Method(), 20), list))
}

func noRoute(ctx *fasthttp.RequestCtx) {
	writeError(ctx, fasthttp.StatusNotFound, "NOT_FOUND", fmt.Sprintf("no such path: %s (the API is described at /openapi.json)", clip(ctx.Path(), 200)))
}

// authorized compares bearer tokens by their hashes in constant time.
func (s *Server) authorized(ctx *fasthttp.RequestCtx) bool {
	if s.cfg.InternalToken == "" {
		return true
	}
	given, ok := strings.CutPrefix(string(ctx.Request.Header.Peek("Authorization")), "Bearer ")
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(s.cfg.InternalToken))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1 && ok
}

// recovered turns a panic into a logged 500; the server lives.
func (s *Server) recovered(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		defer func() {
			if p := recover(); p != nil {
				s.log.Error("panic in handler", "path", string(ctx.Path()), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				ctx.Response.Reset()
				writeError(ctx, fasthttp.StatusInternalServerError, codeInternal, "internal error; the server's log has the details")
			}
		}()
		next(ctx)
	}
}
