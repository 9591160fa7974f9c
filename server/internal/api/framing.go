package api

import (
	"bytes"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/httpjson"
)

// clearlyFramed refuses requests with both a Content-Length and a
// Transfer-Encoding, as RFC 9112, 6.1 allows: a proxy in between may have
// used the other one (request smuggling). fasthttp reads such a body by its
// chunks and marks the connection to be closed, so only the headers of
// requests with that mark are checked.
func clearlyFramed(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if ctx.Request.Header.ConnectionClose() && framedTwice(ctx.Request.Header.RawHeaders()) {
			httpjson.WriteError(ctx, fasthttp.StatusBadRequest, httpjson.CodeBadRequest, "Content-Length and Transfer-Encoding exclude each other; send one of them")
			return
		}
		next(ctx)
	}
}

// framedTwice checks the raw headers: parsing has dropped one of the two.
// Names have no white space around them, or parsing would have failed.
func framedTwice(raw []byte) bool {
	length, encoding := false, false
	for line := range bytes.Lines(raw) {
		name, _, _ := bytes.Cut(line, []byte{':'})
		length = length || bytes.EqualFold(name, []byte(fasthttp.HeaderContentLength))
		encoding = encoding || bytes.EqualFold(name, []byte(fasthttp.HeaderTransferEncoding))
	}
	return length && encoding
}
