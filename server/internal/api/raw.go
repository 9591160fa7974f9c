package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/funcspec"
	"simplane/server/internal/dispatch"
	"simplane/server/internal/fncall"
	"simplane/server/internal/http1"
	"simplane/server/internal/httpjson"
	"simplane/server/internal/sock"
	"simplane/server/internal/telemetry"
	"simplane/server/provider"
)

// Raw passes a request of any kind on to a function and its answer back, as an
// execution like any other: admitted, queued, bounded in time and counted as an
// :invoke. A function that serves HTTP gets the request as it came. Any other gets its
// body as input, and answers with its output.
func (a *API) Raw(ctx *fasthttp.RequestCtx, name string) {
	target, ok := rawTargetOf(ctx)
	if !ok {
		noRoute(ctx)
		return
	}
	trace := telemetry.TraceContext(&ctx.Request.Header)
	span := a.Tracing.Begin(telemetry.VerbRaw, name, &trace)
	if span != nil {
		defer span.End(ctx)
	}
	req := core.Request{Function: name, Borrowed: true, Sync: true, CallerRuns: true}
	fault := options(ctx, &req)
	if fault == nil {
		fault = rawFault(ctx)
	}
	if fault != nil {
		span.Refused(a.refuseEarly(ctx, name, fault))
		return
	}
	// The function is to see the key, and simplane cannot tell one body from another.
	req.IdempotencyKey, req.Durability = "", ""
	fn := a.Core.Function(name)
	if fn == nil {
		span.Refused(a.refused(ctx, core.ErrNotFound))
		return
	}
	if climbs(target.path) && basePath(fn.Spec()) != "" {
		fault = httpjson.ValidationFailed("path: must have no segment \"..\", plain or encoded, for a function whose endpointUrl has a path of its own")
		fault.Write(ctx)
		span.Refused(fault.Code)
		return
	}
	call := rawCallPool.Get().(*rawCall)
	call.api, call.ctx, call.span, call.req, call.target = a, ctx, span, req, target
	call.req.Trace = trace
	if dispatch.Streams(fn.Spec()) {
		call.passOn(time.Duration(fn.Spec().TimeoutMillis) * time.Millisecond)
	} else {
		call.asInput()
	}
	call.recycle() // not after a panic: its attempt may go on
}

// basePath is the path that a function's endpoint has of its own; empty for none.
func basePath(spec *core.Spec) string {
	u, err := url.Parse(funcspec.Of(spec).EndpointURL)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(u.Path, "/")
}

// plainDots undoes what servers undo before they look for "..".
var plainDots = strings.NewReplacer("%2e", ".", "%2E", ".", "%2f", "/", "%2F", "/", "%5c", "/", "%5C", "/", `\`, "/")

// climbs reports whether a path may lead to another place than one below its
// beginning.
func climbs(path string) bool {
	if strings.IndexByte(path, '.') < 0 && strings.IndexByte(path, '%') < 0 {
		return false
	}
	for segment := range strings.SplitSeq(plainDots.Replace(path), "/") {
		if name, _, _ := strings.Cut(segment, ";"); name == ".." {
			return true
		}
	}
	return false
}

// staysRaw reports whether a request target is that of a raw call, and stays one when
// its path is resolved.
func staysRaw(uri []byte) bool {
	path, _, _ := bytes.Cut(uri, []byte("?"))
	return bytes.HasPrefix(path, []byte(rawPrefix)) && !climbs(httpjson.UnsafeString(path))
}

// rawCall is one raw call. They are pooled.
type rawCall struct {
	api    *API
	ctx    *fasthttp.RequestCtx
	span   *telemetry.RequestSpan
	req    core.Request
	target rawTarget

	// Of one that is passed on.
	raw    fncall.Raw
	header []byte // of raw
	caller rawCaller
}

var rawCallPool = sync.Pool{New: func() any { return &rawCall{} }}

func (c *rawCall) recycle() {
	*c = rawCall{header: c.header[:0]} // MaxHeaderBytes bounds it
	rawCallPool.Put(c)
}

// passOn streams the request to the function and the answer to the caller. The
// attempts are made here, whoever dispatches them: only this goroutine has the
// connection.
func (c *rawCall) passOn(timeout time.Duration) {
	if c.req.Timeout > 0 {
		timeout = c.req.Timeout
	}
	// Core ends the execution in time, which breaks the call off.
	stream := http1.StreamOf(c.ctx, time.Now().Add(timeout+time.Second))
	if stream == nil {
		httpjson.WriteError(c.ctx, fasthttp.StatusInternalServerError, httpjson.CodeInternal, "the request did not come on a connection")
		return
	}
	w := newWaiter(c.api.callersConn(c.ctx))
	way := &dispatch.RawCall{Leaver: w, Method: method(c.ctx)}
	defer way.Leave()
	c.req.Waiter = way
	var res core.Result
	if err := c.api.submit(c.ctx, &c.req, &res); err != nil {
		w.recycle()
		c.span.Refused(c.api.refused(c.ctx, err))
		return
	}
	c.header = c.appendHeader(c.header)
	c.caller = rawCaller{stream, res.ID, w}
	c.raw = fncall.Raw{
		Method: way.Method, Path: c.target.path, Query: c.target.query,
		Header: c.header, Authorization: c.authorization(), Caller: &c.caller,
	}
	for t, ended := res.Run, false; !ended; t, ended = w.task(way) {
		if t.Attempt > 0 {
			c.api.Pass(t, &c.raw, &w.stop)
		}
	}
	snap := w.snap
	w.recycle()
	c.span.Ended(&res, &snap)
	if !stream.Begun() {
		c.end(res.ID, &snap, c.raw.CallerError)
	}
}

// method is that of a request, as a string that outlives it.
func method(ctx *fasthttp.RequestCtx) string {
	switch m := httpjson.UnsafeString(ctx.Method()); m {
	case fasthttp.MethodGet:
		return fasthttp.MethodGet
	case fasthttp.MethodPost:
		return fasthttp.MethodPost
	default:
		return strings.Clone(m)
	}
}

// rawCaller is the caller's side of a call that is passed on.
type rawCaller struct {
	*http1.Stream
	id core.ID
	w  *syncWaiter
}

// Left implements fncall.Caller.
func (c *rawCaller) Left() bool { return c.w.Gone() }

// Begin implements fncall.Caller.
func (c *rawCaller) Begin(status int, head []byte, length int64) error {
	var line [64]byte
	own := append(append(line[:0], httpjson.HeaderExecutionID...), ": "...)
	return c.Stream.Begin(status, head, append(c.id.AppendTo(own), "\r\n"...), length)
}

// asInput makes an invocation of the request, whose input is the body, and the answer
// of its output.
func (c *rawCall) asInput() {
	if err := http1.ReadBody(c.ctx); err != nil {
		c.api.RefuseUnread(c.ctx, err)
		c.span.Refused(httpjson.CodeBadRequest)
		return
	}
	c.req.Input = fncall.AsInput(c.ctx.Request.Header.ContentType(), c.ctx.PostBody())
	c.req.Metadata, _ = json.Marshal(map[string]string{"method": method(c.ctx), "path": c.target.path, "query": strings.TrimPrefix(c.target.query, "?")})
	w := newWaiter(c.api.callersConn(c.ctx))
	c.req.Waiter = &dispatch.RawCall{Leaver: w, Method: method(c.ctx), InBody: true}
	var res core.Result
	if err := c.api.submit(c.ctx, &c.req, &res); err != nil {
		w.recycle()
		c.span.Refused(c.api.refused(c.ctx, err))
		return
	}
	if res.Run.Attempt > 0 {
		c.api.Run(res.Run, &w.stop)
	}
	snap := w.wait()
	w.recycle()
	c.span.Ended(&res, &snap)
	c.end(res.ID, &snap, nil)
}

// end answers for a function that has not done so itself. unread is why the request
// did not come whole.
func (c *rawCall) end(id core.ID, snap *core.Snapshot, unread error) {
	ctx := c.ctx
	setExecutionID(ctx, id)
	switch {
	case snap.Status == core.Timeout:
		httpjson.WriteError(ctx, fasthttp.StatusGatewayTimeout, provider.CodeTimeout, "the call was not over within its timeout")
	case unread != nil && !errors.Is(unread, sock.ErrStopped):
		c.api.RefuseUnread(ctx, unread)
	case snap.Status == core.Success:
		writeOutput(ctx, snap.Output)
	case snap.Err.Code == core.CodeQueueWait:
		c.api.writeRejection(ctx, &core.Rejection{Code: core.CodeQueueWait, Message: snap.Err.Message})
	default:
		status := rawStatus(snap.Err.Code)
		if status == fasthttp.StatusServiceUnavailable || status == fasthttp.StatusTooManyRequests {
			ctx.Response.Header.Set("Retry-After", "1")
		}
		httpjson.WriteError(ctx, status, snap.Err.Code, snap.Err.Message)
	}
}

// rawStatus is the status for the code of an execution that ended in error.
func rawStatus(code string) int {
	switch code {
	case core.CodeNotFound, core.CodeFunctionDeleted:
		return fasthttp.StatusNotFound
	case core.CodeQueueFull:
		return fasthttp.StatusTooManyRequests
	case provider.CodeTimeout:
		return fasthttp.StatusGatewayTimeout
	case provider.CodeNoProvider, provider.CodeSaturated, provider.CodeClosed, core.CodeCancelled, core.CodeDraining:
		return fasthttp.StatusServiceUnavailable
	}
	return fasthttp.StatusBadGateway
}

// writeOutput answers with an output: a string as its text, anything else as JSON.
func writeOutput(ctx *fasthttp.RequestCtx, output []byte) {
	if text, isText := fncall.Text(output); isText {
		ctx.SetContentType("text/plain; charset=utf-8")
		ctx.Response.SetBodyRaw(text)
		return
	}
	ctx.Response.Header.SetContentTypeBytes(httpjson.ContentTypeJSON)
	http1.SetPieces(ctx, nil, output, nil)
}

// rawTarget is what a raw call's request line says beside the function's name: path
// and query as they came, each empty or with its first character.
type rawTarget struct{ name, path, query string }

const rawPrefix = "/function/"

// rawTargetOf reads it off the request target. The strings live as long as the
// request.
func rawTargetOf(ctx *fasthttp.RequestCtx) (rawTarget, bool) {
	uri := ctx.Request.Header.RequestURI()
	if len(uri) > 0 && uri[0] != '/' { // absolute form, RFC 9112, 3.2.2
		_, rest, _ := bytes.Cut(uri, []byte("://"))
		uri = rest[len(rest)-len(bytes.TrimLeftFunc(rest, func(r rune) bool { return r != '/' && r != '?' })):]
	}
	return parseRawTarget(uri)
}

func parseRawTarget(uri []byte) (t rawTarget, ok bool) {
	rest, ok := bytes.CutPrefix(uri, []byte(rawPrefix))
	if !ok {
		return t, false
	}
	text := httpjson.UnsafeString(rest)
	if i := strings.IndexByte(text, '#'); i >= 0 { // no part of a target
		text = text[:i]
	}
	if i := strings.IndexByte(text, '?'); i >= 0 {
		text, t.query = text[:i], text[i:]
	}
	t.name = text
	if i := strings.IndexByte(text, '/'); i >= 0 {
		t.name, t.path = text[:i], text[i:]
	}
	if strings.IndexByte(t.name, '%') >= 0 {
		name, err := url.PathUnescape(t.name)
		if err != nil {
			return t, false
		}
		t.name = name
	}
	return t, t.name != ""
}

// rawCalls routes raw calls: by the request target as it came, which the function
// gets.
func (a *API) rawCalls(resources map[string]*resource, next fasthttp.RequestHandler) fasthttp.RequestHandler {
	bare, below := resources[rawPrefix+"{arg}"], resources[rawPrefix+"{arg}/{path}"]
	return func(ctx *fasthttp.RequestCtx) {
		t, ok := rawTargetOf(ctx)
		switch {
		case !ok:
			next(ctx)
		case t.path == "":
			a.serve(ctx, bare, t.name)
		default:
			a.serve(ctx, below, t.name)
		}
	}
}
