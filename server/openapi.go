package server

import (
	_ "embed"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/httpjson"
)

// openAPI is the API's description; a test compares it with routes.
//
//go:embed openapi.json
var openAPI []byte

func serveOpenAPI(ctx *fasthttp.RequestCtx) {
	ctx.Response.Header.SetContentTypeBytes(httpjson.ContentTypeJSON)
	ctx.Response.SetBodyRaw(openAPI) // one copy, however many read it slowly
}
