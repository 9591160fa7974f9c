package server

import (
	"bytes"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/pprofhandler"

	"simplane/core"
)

// route is one entry of the HTTP API. Path parameters are in braces; a custom
// method follows its resource after a colon.
type route struct {
	method, path string
	handle       func(*Server, *fasthttp.RequestCtx, string) // gets the path's parameter
	scope        scope
	ownToken     bool // the execution's own completion token opens it too
	// changesNothing says that a method other than GET only reads.
	changesNothing bool
}

func bare(h func(*Server, *fasthttp.RequestCtx)) func(*Server, *fasthttp.RequestCtx, string) {
	return func(s *Server, ctx *fasthttp.RequestCtx, _ string) { h(s, ctx) }
}

// routes is the whole API, on both addresses but for what the configuration
// takes off the public one: the router, the OpenAPI test and the Allow header
// all read it.
var routes = []route{
	{scope: scopeManage, method: "POST", path: "/v1/functions", handle: bare((*Server).handleRegister)},
	{scope: scopeManage, method: "GET", path: "/v1/functions", handle: bare((*Server).handleListFunctions)},
	{scope: scopeManage, method: "GET", path: "/v1/functions/{name}", handle: (*Server).handleGetFunction},
	{scope: scopeManage, method: "DELETE", path: "/v1/functions/{name}", handle: (*Server).handleDeleteFunction},
	{scope: scopeManage, method: "PUT", path: "/v1/functions/{name}/replicas", handle: (*Server).handleReplicas},
	{scope: scopeInvoke, method: "POST", path: "/v1/functions/{name}:invoke", handle: (*Server).handleInvoke},
	{scope: scopeInvoke, method: "POST", path: "/v1/functions/{name}:enqueue", handle: (*Server).handleEnqueue},
	{scope: scopeManage, method: "GET", path: "/v1/functions/{name}/logs", handle: (*Server).handleLogs},
	{scope: scopeManage, method: "GET", path: "/v1/functions/{name}/stats", handle: (*Server).handleFunctionStats},
	{scope: scopeManage, method: "GET", path: "/v1/functions/{name}/dead-letters", handle: (*Server).handleDeadLetters},
	{scope: scopeManage, method: "DELETE", path: "/v1/functions/{name}/dead-letters", handle: (*Server).handlePurgeDeadLetters},
	{scope: scopeManage, method: "POST", path: "/v1/functions/{name}/dead-letters:redrive", handle: (*Server).handleRedrive},
	{scope: scopeInvoke, method: "GET", path: "/v1/executions/{id}", handle: (*Server).handleExecution},
	{scope: scopeInternal, method: "POST", path: "/v1/internal/executions/{id}:complete", handle: (*Server).handleComplete, ownToken: true},
	{scope: scopeInternal, method: "POST", path: "/v1/internal/functions/{name}:drain-once", handle: (*Server).handleDrainOnce},
	{scope: scopeInternal, method: "POST", path: "/v1/internal/functions/{name}:report-metric", handle: (*Server).handleReportMetric},
	{scope: scopeInternal, method: "GET", path: "/v1/admin/runtime-config", handle: bare((*Server).handleGetRuntimeConfig)},
	{scope: scopeInternal, method: "PATCH", path: "/v1/admin/runtime-config", handle: bare((*Server).handlePatchRuntimeConfig)},
	{scope: scopeInternal, method: "POST", path: "/v1/admin/runtime-config/validate", handle: bare((*Server).handleValidateRuntimeConfig), changesNothing: true},
	{scope: scopeInternal, method: "GET", path: "/v1/admin/runtime-config/history", handle: bare((*Server).handleRuntimeHistory)},
	{scope: scopeInternal, method: "GET", path: "/v1/admin/executions", handle: bare((*Server).handleSearch)},
	{scope: scopeInternal, method: "GET", path: "/v1/admin/stats", handle: bare((*Server).handleStats)},
	{scope: scopePublic, method: "GET", path: "/actuator/health", handle: bare((*Server).handleHealth)},
	{scope: scopePublic, method: "GET", path: "/actuator/health/liveness", handle: bare((*Server).handleHealth)},
	{scope: scopePublic, method: "GET", path: "/actuator/health/readiness", handle: bare((*Server).handleReadiness)},
	{scope: scopePublic, method: "GET", path: "/actuator/prometheus", handle: bare((*Server).handlePrometheus)},
	{scope: scopePublic, method: "GET", path: "/openapi.json", handle: bare((*Server).handleOpenAPI)},
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
		if !mgmt && rt.scope == scopeInternal && s.cfg.InternalOnMgmtOnly || !mgmt && rt.scope == scopeManage && s.cfg.ManageOnMgmtOnly {
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
		r.ANY(pattern, func(ctx *fasthttp.RequestCtx) {
			arg, _ := ctx.UserValue("arg").(string)
			s.serve(ctx, res, arg)
		})
	}
	if mgmt {
		r.GET("/debug/pprof/{profile:*}", s.guarded(pprofhandler.PprofHandler))
		r.NotFound = dashboardOr(noRoute)
	}
	return s.accessLogged(s.recovered(clearlyFramed(s.functionsFirst(resources[functionPrefix+"{arg}"], r.Handler))))
}

const functionPrefix = "/v1/functions/"

// functionsFirst takes the requests that name one function, the hot ones,
// past the router: it costs three allocations for each path parameter.
func (s *Server) functionsFirst(res *resource, next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		// ctx.Path() takes the whole URI apart, which most need not.
		arg, ok := bytes.CutPrefix(ctx.Request.Header.RequestURI(), []byte(functionPrefix))
		if !ok || !plainSegment(arg) {
			arg, ok = bytes.CutPrefix(ctx.Path(), []byte(functionPrefix))
		}
		if !ok || len(arg) == 0 || bytes.IndexByte(arg, '/') >= 0 {
			next(ctx)
			return
		}
		s.serve(ctx, res, unsafeString(arg))
	}
}

// plainSegment says that b is one path segment as it stands: nothing in it is
// escaped, ends the path or names another directory.
func plainSegment(b []byte) bool {
	for _, c := range b {
		if c < '-' || c == '/' || c > ':' && (c|0x20 < 'a' || c|0x20 > 'z') && c != '_' {
			return false
		}
	}
	return len(b) > 0 && b[0] != '.'
}

// serve picks the custom method after the last colon (names contain none),
// then the HTTP method. arg lives as long as the request.
func (s *Server) serve(ctx *fasthttp.RequestCtx, res *resource, arg string) {
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
	if !ok && ctx.IsHead() {
		rt, ok = methods[fasthttp.MethodGet] // fasthttp leaves the body out
	}
	if !ok {
		writeMethodNotAllowed(ctx, methods)
		return
	}
	if s.fromForeignPage(ctx, rt.scope) {
		s.refuseForeignPage(ctx, rt.scope)
		return
	}
	byOwnToken := false
	if !s.tokens.allow(rt.scope, ctx) {
		if byOwnToken = rt.ownToken && s.ownsExecution(ctx, arg); !byOwnToken {
			s.refuseUnauthorized(ctx, rt.scope)
			return
		}
	}
	rt.handle(s, ctx, arg)
	if rt.audited(byOwnToken) {
		s.audit(ctx)
	}
}

// guarded requires the internal token for a handler that is no API route.
func (s *Server) guarded(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if !s.tokens.allow(scopeInternal, ctx) {
			s.refuseUnauthorized(ctx, scopeInternal)
			return
		}
		next(ctx)
	}
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

// ownsExecution says that the caller has the completion token of execution id.
func (s *Server) ownsExecution(ctx *fasthttp.RequestCtx, id string) bool {
	parsed, err := core.ParseID(id)
	return err == nil && s.completions.valid(parsed, ctx.Request.Header.Peek(headerCompletionToken))
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
