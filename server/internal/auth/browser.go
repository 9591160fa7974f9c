package auth

import (
	"bytes"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/httpjson"
)

const codeCrossSite = "CROSS_SITE"

// FromForeignPage reports whether a request that changes something comes from
// a web page of another site (CSRF). A page open in an operator's browser
// reaches servers that only the operator can reach, and could register a
// function, which is a program, with a plain form post. Browsers send the
// origin of a request; other clients send none and are not affected. A page
// whose own name was pointed here looks like ours: see ForeignHost.
func (g *Guard) FromForeignPage(ctx *fasthttp.RequestCtx, need Scope) bool {
	if need == ScopePublic || ctx.IsGet() || ctx.IsHead() {
		return false
	}
	h := &ctx.Request.Header
	site, origin := h.Peek("Sec-Fetch-Site"), h.Peek("Origin")
	if len(site) == 0 && len(origin) == 0 {
		return false
	}
	switch httpjson.UnsafeString(site) {
	case "same-origin", "none":
		return false
	case "":
		return !sameHost(origin, h.Host()) && !sameHost(origin, h.Peek("X-Forwarded-Host"))
	}
	return true
}

// sameHost compares an origin, "scheme://host:port", with a Host header. The
// scheme is ignored: a proxy in front may terminate TLS.
func sameHost(origin, host []byte) bool {
	_, at, ok := bytes.Cut(origin, []byte("://"))
	return ok && len(at) > 0 && bytes.EqualFold(at, host)
}

// RefuseForeignPage writes the refusal of a request from a page of another
// site.
func (g *Guard) RefuseForeignPage(ctx *fasthttp.RequestCtx, need Scope) {
	g.OnRefusal(ctx, fasthttp.StatusForbidden, need)
	httpjson.WriteError(ctx, fasthttp.StatusForbidden, codeCrossSite,
		"requests from web pages of other sites are refused")
}
