package api

import (
	"bytes"
	"net"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/auth"
	"simplane/server/internal/fncall"
	"simplane/server/internal/httpjson"
)

// rawFault refuses a raw call that cannot be passed on.
func rawFault(ctx *fasthttp.RequestCtx) *httpjson.Error {
	h := &ctx.Request.Header
	if string(h.Method()) == fasthttp.MethodConnect {
		return &httpjson.Error{Status: fasthttp.StatusNotImplemented, Code: codeUpgrade, Message: "CONNECT is not passed on to functions"}
	}
	// A client that offers HTTP/2 goes on without it; what else it would switch to is
	// a connection of another kind.
	if up := h.Peek(fasthttp.HeaderUpgrade); len(up) > 0 && !bytes.EqualFold(up, []byte("h2c")) {
		return &httpjson.Error{Status: fasthttp.StatusNotImplemented, Code: codeUpgrade,
			Message: "an upgrade to " + httpjson.Clip(up, 40) + " is not passed on to functions: calls are requests with answers; server-sent events are"}
	}
	return nil
}

const codeUpgrade = "UPGRADE_UNSUPPORTED"

// own are the header fields that simplane reads or sets: the caller's do not come to
// functions. Those of a trace do, as part of it.
var own = fncall.FieldNames(
	"Host", "Expect", "Authorization",
	"X-Execution-Id", "X-Trace-Id", headerDispatchAttempt, "X-Completion-Token", "X-Timeout-Ms",
	"X-Durability", "Traceparent", "Tracestate", "X-Simplane-Instance-Token",
	fasthttp.HeaderXForwardedFor,
)

// appendHeader appends the header lines that the function gets: the caller's as they
// came, but for those about the connection and simplane's own, and where the call
// came from.
func (c *rawCall) appendHeader(b []byte) []byte {
	b, host := AppendOnward(b, c.ctx, own)
	if at := c.ctx.Request.Header.Host(); !host && len(at) > 0 {
		b = fncall.AppendField(b, forwardedHost, at)
	}
	return b
}

// AppendOnward appends the header lines of a request that is passed on: those that came,
// but for those about the connection and those in without, and which address and which
// scheme it came by. host says that X-Forwarded-Host is among them.
func AppendOnward(b []byte, ctx *fasthttp.RequestCtx, without *fncall.NameSet) (_ []byte, host bool) {
	h := &ctx.Request.Header
	connection := h.Peek(fasthttp.HeaderConnection)
	if all := h.PeekAll(fasthttp.HeaderConnection); len(all) > 1 {
		connection = bytes.Join(all, []byte(","))
	}
	proto := false
	var forwarded []byte
	var line []byte
	for rest := h.RawHeaders(); len(rest) > 0; {
		line, rest, _ = bytes.Cut(rest, lineFeed)
		at := bytes.IndexByte(line, ':')
		if at <= 0 {
			continue
		}
		name, value := line[:at], trimmed(line[at+1:])
		switch {
		case bytes.EqualFold(name, forwardedFor):
			forwarded = append(append(forwarded, value...), ", "...)
			continue
		case without.Has(name), fncall.HopByHop(name, connection):
			continue
		}
		proto = proto || bytes.EqualFold(name, forwardedProto)
		host = host || bytes.EqualFold(name, forwardedHost)
		b = fncall.AppendField(b, name, value)
	}
	if from, ok := ctx.RemoteAddr().(*net.TCPAddr); ok {
		var text [64]byte
		b = fncall.AppendField(b, forwardedFor, from.AddrPort().Addr().Unmap().WithZone("").AppendTo(append(text[:0], forwarded...)))
	}
	if !proto {
		scheme := "http"
		if ctx.IsTLS() {
			scheme = "https"
		}
		b = fncall.AppendField(b, forwardedProto, []byte(scheme))
	}
	return b, host
}

// trimmed is a field's value without the white space around it, the end of the line
// included.
func trimmed(v []byte) []byte {
	for len(v) > 0 && (v[0] == ' ' || v[0] == '\t') {
		v = v[1:]
	}
	for len(v) > 0 && (v[len(v)-1] == ' ' || v[len(v)-1] == '\t' || v[len(v)-1] == '\r') {
		v = v[:len(v)-1]
	}
	return v
}

var (
	lineFeed       = []byte("\n")
	forwardedFor   = []byte(fasthttp.HeaderXForwardedFor)
	forwardedProto = []byte("X-Forwarded-Proto")
	forwardedHost  = []byte("X-Forwarded-Host")
)

// authorization is what the function gets of the caller's, where it is not
// simplane's own token.
func (c *rawCall) authorization() string {
	if !c.api.Guard.Open(auth.ScopeInvoke) {
		return ""
	}
	return string(c.ctx.Request.Header.Peek(fasthttp.HeaderAuthorization))
}
