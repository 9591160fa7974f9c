package server

import (
	_ "embed"

	"github.com/valyala/fasthttp"
)

// openAPI is the API's description; a test holds it against routes.
//
//go:embed openapi.json
var openAPI []byte

func (s *Server) handleOpenAPI(ctx *fasthttp.RequestCtx) {
	ctx.Response.Header.SetContentTypeBytes(contentTypeJSON)
	ctx.SetBody(openAPI)
}
