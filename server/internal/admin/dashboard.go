package admin

import (
	"strings"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/ui"
)

// Dashboard answers /ui and below, next the rest. (The router cannot tell
// /ui from /ui/ beside a wildcard.)
func Dashboard(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		path := string(ctx.Path())
		name, below := strings.CutPrefix(path, "/ui/")
		switch {
		case !ctx.IsGet() && !ctx.IsHead():
			next(ctx)
		case path == "/ui":
			// Relative, so that it works behind a path prefix.
			ctx.Response.Header.Set("Location", "ui/")
			ctx.SetStatusCode(fasthttp.StatusPermanentRedirect)
		case below && serveDashboard(ctx, name):
		default:
			next(ctx)
		}
	}
}

// serveDashboard needs no token: the page holds no data, and asks for a token
// when a call of its own is refused.
func serveDashboard(ctx *fasthttp.RequestCtx, name string) bool {
	f, ok := ui.Lookup(name)
	if !ok {
		return false
	}
	h := &ctx.Response.Header
	h.SetContentType(f.ContentType)
	h.Set("Content-Security-Policy", f.CSP)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache") // a new version shows at once
	ctx.Response.SetBodyRaw(f.Body)
	return true
}
