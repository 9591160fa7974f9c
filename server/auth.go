package server

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
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

// secret is one bearer token: its SHA-256 hash, and its name for the log.
type secret struct {
	hash [sha256.Size]byte
	name string
}

// tokens are the bearer tokens of each scope.
type tokens [scopes][]secret

// tokenName is what a token may be called. It shows in logs.
var tokenName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

const hashPrefix = "sha256:"

// parseTokens reads a comma-separated list, so that a token can be rotated
// without a gap. Each is the token itself or "sha256:" and the hex of its
// hash, which keeps the secret out of the configuration. A hash may have a
// name before it ("ci=sha256:…"); what has none goes by key and its place.
func parseTokens(key, list string) ([]secret, error) {
	var found []secret
	for part := range strings.SplitSeq(list, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		one := secret{name: fmt.Sprintf("%s#%d", key, len(found)+1)}
		// A token may have "=" in it, at its end mostly: only before a hash is
		// it the end of a name.
		if name, rest, ok := strings.Cut(part, "="); ok && strings.HasPrefix(rest, hashPrefix) {
			if !tokenName.MatchString(name) {
				return nil, fmt.Errorf("the name of a token must be 1 to 64 letters, digits, dots, dashes or underscores, not %q", clip([]byte(name), 70))
			}
			one.name, part = name, rest
		}
		digits, hashed := strings.CutPrefix(part, hashPrefix)
		if !hashed {
			one.hash = sha256.Sum256([]byte(part))
		} else {
			raw, err := hex.DecodeString(digits)
			if err != nil || len(raw) != sha256.Size {
				return nil, fmt.Errorf("after %s there must be %d hex digits", hashPrefix, 2*sha256.Size)
			}
			one.hash = [sha256.Size]byte(raw)
		}
		found = append(found, one)
	}
	if len(found) == 0 && list != "" {
		return nil, errors.New("there is no token in it; leave it out to require none")
	}
	return found, nil
}

func newTokens(cfg Config) (tokens, error) {
	var t tokens
	var err error
	for s, list := range map[scope]string{scopeInvoke: cfg.InvokeToken, scopeManage: cfg.ManageToken, scopeInternal: cfg.InternalToken} {
		key := s.String() + "Token"
		if t[s], err = parseTokens(key, list); err != nil {
			return t, fmt.Errorf("%s: %w", key, err)
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
	given, ok := bearer(ctx)
	if !ok {
		return false
	}
	match := 0
	for s := need; s < scopes; s++ {
		for i := range t[s] {
			match |= subtle.ConstantTimeCompare(given[:], t[s][i].hash[:])
		}
	}
	return match == 1
}

// bearer is the hash of the token that a request shows, if it does.
func bearer(ctx *fasthttp.RequestCtx) (hash [sha256.Size]byte, ok bool) {
	const prefix = "Bearer "
	header := ctx.Request.Header.Peek(fasthttp.HeaderAuthorization)
	if len(header) < len(prefix) || !strings.EqualFold(unsafeString(header[:len(prefix)]), prefix) {
		return hash, false
	}
	return sha256.Sum256(header[len(prefix):]), true
}

// name finds the token that a request shows, of the highest scope it is in;
// empty when there is none or it is not known.
func (t *tokens) name(ctx *fasthttp.RequestCtx) (name string) {
	given, ok := bearer(ctx)
	if !ok {
		return ""
	}
	for _, secrets := range t {
		for i := range secrets {
			if subtle.ConstantTimeCompare(given[:], secrets[i].hash[:]) == 1 {
				name = secrets[i].name
			}
		}
	}
	return name
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
	s.auditRefusal(ctx, fasthttp.StatusUnauthorized, need)
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
