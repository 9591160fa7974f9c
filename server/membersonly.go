package server

import (
	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/internal/auth"
	"simplane/server/internal/httpjson"
)

// Some requests are for members only, at the port for them: the one who sends shows
// the completion token of an execution that nobody has, which is not to be made
// without the cluster's key.

var memberProof = core.ID{}

// toMember is the head of such a request, with JSON.
func (c *membership) toMember(path string) *fasthttp.RequestHeader {
	head := &fasthttp.RequestHeader{}
	head.SetMethod(fasthttp.MethodPost)
	head.SetRequestURI(path)
	head.SetHost("127.0.0.1") // of no host name: whoever is asked takes it
	head.SetContentTypeBytes(httpjson.ContentTypeJSON)
	head.Set(auth.HeaderCompletionToken, c.s.guard.CompletionToken(memberProof))
	return head
}

// fromMember answers a request that does not come from a member, and says so.
func (c *membership) fromMember(ctx *fasthttp.RequestCtx) bool {
	if c.s.guard.OwnsExecution(ctx, memberProof.String()) {
		return true
	}
	httpjson.WriteError(ctx, fasthttp.StatusUnauthorized, httpjson.CodeUnauthorized, "for members of the cluster only")
	return false
}
