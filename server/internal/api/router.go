package api

import (
	"bytes"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"

	"simplane/server/internal/auth"
	"simplane/server/internal/http1"
	"simplane/server/internal/httpjson"
	"simplane/server/internal/telemetry"
)

// Route is one entry of the HTTP API. Path parameters are in braces; a custom
// method follows its resource after a colon.
type Route struct {
	Method, Path string
	Handle       Handler
	Scope        auth.Scope
	OwnToken     bool // the execution's own completion token opens it too
	// ChangesNothing says that a method other than GET only reads.
	ChangesNothing bool
	Metrics        bool // is the metrics page
	// PassesOn says that the handler reads the body itself, as it comes, and takes
	// methods that are in no route too.
	PassesOn bool
	// Refuses says from a request's head alone that Handle will refuse it. It is asked
	// where the caller waits to be told to send the body; nil = Handle needs the body.
	Refuses func(ctx *fasthttp.RequestCtx, arg string) bool
	At      Place
}

// Place says which node of a cluster answers a route.
type Place uint8

// Places.
const (
	AtAnyNode     Place = iota // whichever is asked, about itself
	AtFunction                 // the owner of the function that the path names
	AtNewFunction              // the owner of the function that the body names
	AtExecution                // the owner of the execution that the path names
	AtConfig                   // the owner of the runtime configuration
	AtAllNodes                 // all of them, and their answers are merged
)

type memberRequest struct{}

// ForMember notes that a request comes from another node.
func ForMember(ctx *fasthttp.RequestCtx) { ctx.SetUserValue(memberRequest{}, true) }

func forMember(ctx *fasthttp.RequestCtx) bool { return ctx.UserValue(memberRequest{}) != nil }

// Handler answers a request. Its argument is the path's parameter, valid
// during the request.
type Handler func(ctx *fasthttp.RequestCtx, arg string)

// NoArg is a handler of a path without a parameter.
func NoArg(h fasthttp.RequestHandler) Handler {
	return func(ctx *fasthttp.RequestCtx, _ string) { h(ctx) }
}

// resource is everything that answers below one router pattern: a plain
// resource's methods, and its custom methods (":invoke") by name.
type resource struct {
	plain  map[string]Route
	custom map[string]map[string]Route
	any    *Route // for methods without a route; nil for none
}

// Handler builds the request handler of one address.
func (a *API) Handler(routes []Route, mgmt bool) fasthttp.RequestHandler {
	resources := map[string]*resource{}
	for _, rt := range routes {
		if !mgmt && a.onMgmtOnly(&rt) {
			continue
		}
		pattern, action := rt.Path, ""
		if i := strings.LastIndex(pattern, "}:"); i >= 0 {
			pattern, action = pattern[:i+1], pattern[i+2:]
		}
		pattern = strings.NewReplacer("{name}", "{arg}", "{id}", "{arg}").Replace(pattern)
		res := resources[pattern]
		if res == nil {
			res = &resource{plain: map[string]Route{}, custom: map[string]map[string]Route{}}
			resources[pattern] = res
		}
		methods := res.plain
		if action != "" {
			if methods = res.custom[action]; methods == nil {
				methods = map[string]Route{}
				res.custom[action] = methods
			}
		}
		methods[rt.Method] = rt
		if rt.PassesOn {
			res.any = &rt
		}
	}
	r := router.New()
	r.RedirectTrailingSlash, r.RedirectFixedPath = false, false
	r.NotFound = noRoute
	r.SaveMatchedRoutePath = false
	for pattern, res := range resources {
		r.ANY(pattern, func(ctx *fasthttp.RequestCtx) {
			arg, _ := ctx.UserValue("arg").(string)
			a.serve(ctx, res, arg)
		})
	}
	if mgmt {
		r.GET("/debug/pprof/{profile:*}", a.forTokenHolders(a.Profiles))
		r.NotFound = a.Dashboard(noRoute)
	}
	return telemetry.AccessLog(a.AccessLogSample, a.Log, recovered(a.Log, a.Panicked, a.ownHostOnly(a.functionsFirst(resources[functionPrefix+"{arg}"], a.rawCalls(resources, r.Handler)))))
}

// onMgmtOnly reports whether the configuration removes a route from the public
// address.
func (a *API) onMgmtOnly(rt *Route) bool {
	return rt.Scope == auth.ScopeInternal && a.InternalOnMgmtOnly ||
		rt.Scope == auth.ScopeManage && a.ManageOnMgmtOnly ||
		rt.Metrics && a.MetricsOnMgmtOnly
}

const functionPrefix = "/v1/functions/"

// functionsFirst routes the requests that name one function, the hot path,
// without the router, which allocates three times per path parameter.
func (a *API) functionsFirst(res *resource, next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		// ctx.Path() parses the whole URI, which most requests do not need.
		uri := ctx.Request.Header.RequestURI()
		arg, ok := bytes.CutPrefix(uri, []byte(functionPrefix))
		switch {
		case ok && plainSegment(arg):
		case staysRaw(uri):
			next(ctx)
			return
		default:
			arg, ok = bytes.CutPrefix(ctx.Path(), []byte(functionPrefix))
		}
		if !ok || len(arg) == 0 || bytes.IndexByte(arg, '/') >= 0 {
			next(ctx)
			return
		}
		a.serve(ctx, res, httpjson.UnsafeString(arg))
	}
}

// plainSegment reports whether b is one literal path segment: without
// escapes, the end of the path or dots that name another directory.
func plainSegment(b []byte) bool {
	for _, c := range b {
		if c < '-' || c == '/' || c > ':' && (c|0x20 < 'a' || c|0x20 > 'z') && c != '_' {
			return false
		}
	}
	return len(b) > 0 && b[0] != '.'
}

// serve picks the custom method after the last colon (names contain none),
// then the HTTP method. The body is read once both exist and the request may
// use them. arg lives as long as the request.
func (a *API) serve(ctx *fasthttp.RequestCtx, res *resource, arg string) {
	methods := res.plain
	if i := strings.LastIndexByte(arg, ':'); i >= 0 {
		methods = res.custom[arg[i+1:]]
		arg = arg[:i]
	}
	if len(methods) == 0 {
		noRoute(ctx)
		return
	}
	rt, ok := methods[httpjson.UnsafeString(ctx.Method())]
	if !ok && ctx.IsHead() {
		rt, ok = methods[fasthttp.MethodGet] // fasthttp leaves the body out
	}
	if !ok && res.any != nil {
		rt, ok = *res.any, true
	}
	if !ok {
		writeMethodNotAllowed(ctx, methods)
		return
	}
	if a.Guard.FromForeignPage(ctx, rt.Scope) {
		a.Guard.RefuseForeignPage(ctx, rt.Scope)
		return
	}
	byOwnToken := false
	if !a.Guard.Allow(rt.Scope, ctx) {
		if byOwnToken = rt.OwnToken && a.Guard.OwnsExecution(ctx, arg); !byOwnToken {
			a.Guard.RefuseUnauthorized(ctx, rt.Scope)
			return
		}
	}
	early := rt.Refuses != nil && http1.WaitsToSend(ctx) && rt.Refuses(ctx, arg)
	if rt.Method != fasthttp.MethodGet && !rt.PassesOn && !early {
		if err := http1.ReadBody(ctx); err != nil {
			a.RefuseUnread(ctx, err)
			return
		}
	}
	rt.Handle(ctx, arg)
	if rt.audited(byOwnToken) {
		a.Audit.Change(ctx)
	}
}

// ownHostOnly refuses requests that were sent to another host's name.
func (a *API) ownHostOnly(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if a.Guard.ForeignHost(ctx) {
			a.Guard.RefuseForeignHost(ctx)
			return
		}
		next(ctx)
	}
}

// forTokenHolders requires an internal token for a handler outside the API's
// routes, also where that scope is open.
func (a *API) forTokenHolders(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		switch {
		case a.Guard.Open(auth.ScopeInternal):
			a.Guard.RefuseWithoutTokens(ctx, auth.ScopeInternal)
		case !a.Guard.Allow(auth.ScopeInternal, ctx):
			a.Guard.RefuseUnauthorized(ctx, auth.ScopeInternal)
		default:
			next(ctx)
		}
	}
}

func writeMethodNotAllowed(ctx *fasthttp.RequestCtx, methods map[string]Route) {
	var allow []string
	for _, m := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		if _, ok := methods[m]; ok {
			allow = append(allow, m)
		}
	}
	list := strings.Join(allow, ", ")
	ctx.Response.Header.Set("Allow", list)
	httpjson.WriteError(ctx, fasthttp.StatusMethodNotAllowed, httpjson.CodeMethodNotAllowed, fmt.Sprintf("%s is not allowed here; allowed: %s", httpjson.Clip(ctx.Method(), 20), list))
}

func noRoute(ctx *fasthttp.RequestCtx) {
	httpjson.WriteError(ctx, fasthttp.StatusNotFound, "NOT_FOUND", fmt.Sprintf("no such path: %s (the API is described at /openapi.json)", httpjson.Clip(ctx.Path(), 200)))
}

// recovered turns a panic into a logged 500 and keeps the server running.
func recovered(log *slog.Logger, panicked func(), next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		defer func() {
			if p := recover(); p != nil {
				log.Error("panic in handler", "path", string(ctx.Path()), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				panicked()
				ctx.Response.Reset()
				httpjson.WriteError(ctx, fasthttp.StatusInternalServerError, httpjson.CodeInternal, "internal error; the server's log has the details")
			}
		}()
		next(ctx)
	}
}

// audited says that the route's requests are changes to be logged. What a
// function reports about its own execution is no change of management, and
// comes as often as invocations do.
func (rt *Route) audited(byOwnToken bool) bool {
	return rt.Scope >= auth.ScopeManage && rt.Method != fasthttp.MethodGet && !rt.ChangesNothing && !byOwnToken
}
