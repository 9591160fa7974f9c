// Package auth authorises requests: bearer tokens by scope, an execution's
// own completion token, refusal of pages of other sites and of foreign host
// names, and the TLS files.
package auth

import (
	"slices"
	"sync/atomic"

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

	tokens       atomic.Pointer[tokens]
	allowedHosts hostNames
	certs        *Certificates // nil without TLS
	completions  *completionTokens
	unauthorized *prometheus.CounterVec
}

// NewGuard makes a guard with its metrics. allowedHosts is a comma-separated
// list of host names beside those of certs' certificate; certs is nil without
// TLS. The error names the malformed token or host.
func NewGuard(t Tokens, allowedHosts string, certs *Certificates, r prometheus.Registerer) (*Guard, error) {
	known, err := newTokens(t)
	if err != nil {
		return nil, err
	}
	hosts, err := parseAllowedHosts(allowedHosts)
	if err != nil {
		return nil, err
	}
	g := &Guard{
		OnRefusal:    func(*fasthttp.RequestCtx, int, Scope) {},
		allowedHosts: hosts, certs: certs, completions: newCompletionTokens(NewCompletionKey()), unauthorized: newUnauthorizedCounter(r),
	}
	g.tokens.Store(&known)
	return g, nil
}

// Replace puts other tokens in force for the scopes that have some, and
// reports which scopes differ and which of them it left as they were: to open
// a scope, or to close an open one, takes a restart. The error names the
// malformed token; then nothing is changed.
func (g *Guard) Replace(t Tokens) (replaced, left []Scope, err error) {
	next, err := newTokens(t)
	if err != nil {
		return nil, nil, err
	}
	now := *g.tokens.Load()
	for s := range next {
		switch {
		case slices.Equal(now[s], next[s]):
		case len(now[s]) == 0 || len(next[s]) == 0:
			left = append(left, Scope(s))
		default:
			replaced, now[s] = append(replaced, Scope(s)), next[s]
		}
	}
	g.tokens.Store(&now)
	return replaced, left, nil
}

// Check returns an error that names a malformed token of t.
func (t Tokens) Check() error {
	_, err := newTokens(t)
	return err
}

// Allow reports whether a request may use a scope.
func (g *Guard) Allow(need Scope, ctx *fasthttp.RequestCtx) bool {
	return g.tokens.Load().allow(need, ctx)
}

// Open reports whether a scope needs no token.
func (g *Guard) Open(s Scope) bool { return len(g.tokens.Load()[s]) == 0 }

// UseCompletionKey makes tokens from a key that is kept, in place of one of this
// process. Before the first token only.
func (g *Guard) UseCompletionKey(key CompletionKey) { g.completions = newCompletionTokens(key) }

// CompletionToken is the token that lets a function complete the execution id.
func (g *Guard) CompletionToken(id core.ID) string { return g.completions.of(id) }

// RefuseUnauthorized answers a caller without a token of the scope it needs.
func (g *Guard) RefuseUnauthorized(ctx *fasthttp.RequestCtx, need Scope) {
	g.unauthorized.WithLabelValues(need.String()).Inc()
	g.OnRefusal(ctx, fasthttp.StatusUnauthorized, need)
	ctx.Response.Header.Set("WWW-Authenticate", "Bearer")
	httpjson.WriteError(ctx, fasthttp.StatusUnauthorized, httpjson.CodeUnauthorized, "a valid bearer token of scope "+need.String()+" is required here")
}

// RefuseWithoutTokens answers a request for what only holders of a token get
// when the scope has no tokens.
func (g *Guard) RefuseWithoutTokens(ctx *fasthttp.RequestCtx, need Scope) {
	g.OnRefusal(ctx, fasthttp.StatusForbidden, need)
	httpjson.WriteError(ctx, fasthttp.StatusForbidden, "NO_TOKEN_CONFIGURED",
		"this is for holders of a token of scope "+need.String()+" only, and none is configured; set "+need.String()+"Token or "+need.String()+"TokenFile")
}

// OwnsExecution reports whether the caller has the completion token of
// execution id.
func (g *Guard) OwnsExecution(ctx *fasthttp.RequestCtx, id string) bool {
	parsed, err := core.ParseID(id)
	return err == nil && g.completions.valid(parsed, ctx.Request.Header.Peek(HeaderCompletionToken))
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
