// Package auth authorises requests: bearer tokens by scope, an execution's
// own completion token, refusal of pages of other sites, and the TLS files.
package auth

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/internal/httpjson"
)

// Tokens are the bearer tokens of each scope, as in the configuration: a
// comma-separated list, empty for an open scope.
type Tokens struct{ Invoke, Manage, Internal string }

// Guard authorises requests and writes the refusals.
type Guard struct {
	// OnRefusal is called for each refused request, before its response.
	OnRefusal func(ctx *fasthttp.RequestCtx, status int, need Scope)

	tokens       tokens
	completions  *completionTokens
	tls          bool
	unauthorized *prometheus.CounterVec
}

// NewGuard makes a guard with its metrics. tls says that connections are
// encrypted. The error names the malformed token.
func NewGuard(t Tokens, tls bool, r prometheus.Registerer) (*Guard, error) {
	known, err := newTokens(t)
	if err != nil {
		return nil, err
	}
	return &Guard{
		OnRefusal: func(*fasthttp.RequestCtx, int, Scope) {},
		tokens:    known, completions: newCompletionTokens(), tls: tls, unauthorized: newUnauthorizedCounter(r),
	}, nil
}

// Check returns an error that names a malformed token of t.
func (t Tokens) Check() error {
	_, err := newTokens(t)
	return err
}

// Allow reports whether a request may use a scope.
func (g *Guard) Allow(need Scope, ctx *fasthttp.RequestCtx) bool { return g.tokens.allow(need, ctx) }

// Open reports whether a scope needs no token.
func (g *Guard) Open(s Scope) bool { return len(g.tokens[s]) == 0 }

// CompletionToken is the token that lets a function complete the execution id.
func (g *Guard) CompletionToken(id core.ID) string { return g.completions.of(id) }

// RefuseUnauthorized answers a caller without a token of the scope it needs.
func (g *Guard) RefuseUnauthorized(ctx *fasthttp.RequestCtx, need Scope) {
	g.unauthorized.WithLabelValues(need.String()).Inc()
	g.OnRefusal(ctx, fasthttp.StatusUnauthorized, need)
	ctx.Response.Header.Set("WWW-Authenticate", "Bearer")
	httpjson.WriteError(ctx, fasthttp.StatusUnauthorized, httpjson.CodeUnauthorized, "a valid bearer token of scope "+need.String()+" is required here")
}

// OwnsExecution reports whether the caller has the completion token of
// execution id.
func (g *Guard) OwnsExecution(ctx *fasthttp.RequestCtx, id string) bool {
	parsed, err := core.ParseID(id)
	return err == nil && g.completions.valid(parsed, ctx.Request.Header.Peek(headerCompletionToken))
}

// newUnauthorizedCounter makes the counter of refused requests, to alert on
// when tokens are guessed.
func newUnauthorizedCounter(r prometheus.Registerer) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "simplane_unauthorized_total", Help: "Requests refused for want of a valid token.",
	}, []string{"scope"})
	for s := ScopeInvoke; s < scopes; s++ {
		c.WithLabelValues(s.String()) // shown as 0 from the start
	}
	r.MustRegister(c)
	return c
}
