package server

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"simplane/core"
)

// scope is what a route lets its caller do. A token of a higher scope opens
// the lower ones too; a scope without tokens is open.
type scope int

const (
	scopePublic   scope = iota // health, metrics, API description
	scopeInvoke                // run functions and read executions
	scopeManage                // register, delete, scale, read logs
	scopeInternal              // completion callbacks, drain-once, administration
	scopes
)

func (s scope) String() string {
	return [...]string{"public", "invoke", "manage", "internal"}[s]
}

// tokens are the SHA-256 hashes of the bearer tokens of each scope.
type tokens [scopes][][sha256.Size]byte

// parseTokens reads a comma-separated list, so that a token can be rotated
// without a gap. Each is the token itself or "sha256:" and the hex of its
// hash, which keeps the secret out of the configuration.
func parseTokens(list string) ([][sha256.Size]byte, error) {
	var hashes [][sha256.Size]byte
	for part := range strings.SplitSeq(list, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		digits, hashed := strings.CutPrefix(part, "sha256:")
		if !hashed {
			hashes = append(hashes, sha256.Sum256([]byte(part)))
			continue
		}
		raw, err := hex.DecodeString(digits)
		if err != nil || len(raw) != sha256.Size {
			return nil, fmt.Errorf("after sha256: there must be %d hex digits", 2*sha256.Size)
		}
		hashes = append(hashes, [sha256.Size]byte(raw))
	}
	if len(hashes) == 0 && list != "" {
		return nil, errors.New("there is no token in it; leave it out to require none")
	}
	return hashes, nil
}

func newTokens(cfg Config) (tokens, error) {
	var t tokens
	var err error
	for s, list := range map[scope]string{scopeInvoke: cfg.InvokeToken, scopeManage: cfg.ManageToken, scopeInternal: cfg.InternalToken} {
		if t[s], err = parseTokens(list); err != nil {
			return t, fmt.Errorf("%sToken: %w", s, err)
		}
	}
	return t, nil
}

// allow reports whether a request may use a scope. Every hash is compared, in
// constant time, whether an earlier one matched or not.
func (t *tokens) allow(need scope, ctx *fasthttp.RequestCtx) bool {
	if len(t[need]) == 0 {
		return true
	}
	const prefix = "Bearer "
	header := ctx.Request.Header.Peek(fasthttp.HeaderAuthorization)
	if len(header) < len(prefix) || !strings.EqualFold(unsafeString(header[:len(prefix)]), prefix) {
		return false
	}
	given := sha256.Sum256(header[len(prefix):])
	match := 0
	for s := need; s < scopes; s++ {
		for i := range t[s] {
			match |= subtle.ConstantTimeCompare(given[:], t[s][i][:])
		}
	}
	return match == 1
}

// newUnauthorizedCounter makes the counter to alert on when somebody tries
// tokens.
func newUnauthorizedCounter(r prometheus.Registerer) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "simplane_unauthorized_total", Help: "Requests refused for want of a valid token.",
	}, []string{"scope"})
	for s := scopeInvoke; s < scopes; s++ {
		c.WithLabelValues(s.String()) // shown as 0 from the start
	}
	r.MustRegister(c)
	return c
}

func (s *Server) refuseUnauthorized(ctx *fasthttp.RequestCtx, need scope) {
	s.unauthorized.WithLabelValues(need.String()).Inc()
	ctx.Response.Header.Set("WWW-Authenticate", "Bearer")
	writeError(ctx, fasthttp.StatusUnauthorized, codeUnauthorized, "a valid bearer token of scope "+need.String()+" is required here")
}

const headerCompletionToken = "X-Completion-Token"

// completionTokens lets a function complete its own executions, and no other,
// without the internal token: the token is a MAC of the execution's id under a
// key that lives as long as the process.
type completionTokens struct{ key [32]byte }

func newCompletionTokens() *completionTokens {
	t := &completionTokens{}
	_, _ = rand.Read(t.key[:]) // never fails since Go 1.24
	return t
}

func (t *completionTokens) of(id core.ID) string {
	mac := hmac.New(sha256.New, t.key[:])
	mac.Write(id[:])
	return hex.EncodeToString(mac.Sum(nil))
}

func (t *completionTokens) valid(id core.ID, given []byte) bool {
	return len(given) > 0 && hmac.Equal([]byte(t.of(id)), given)
}
