package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/httpjson"
)

// secret is one bearer token: its SHA-256 hash, and its name for the log.
type secret struct {
	hash [sha256.Size]byte
	name string
}

// tokens are the bearer tokens of each scope.
type tokens [scopes][]secret

// validName matches the names that a token may have. They appear in logs.
var validName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// ValidTokenName reports whether a token may have this name.
func ValidTokenName(name string) bool { return validName.MatchString(name) }

// HashPrefix precedes a hash that is given in place of a token.
const HashPrefix = "sha256:"

// parseTokens reads a comma-separated list, so that a token can be rotated
// without a gap. Each is the token itself or "sha256:" and the hex of its
// hash, which keeps the secret out of the configuration. A hash may have a
// name before it ("ci=sha256:…"); one without gets its name from the key and
// its position.
func parseTokens(key, list string) ([]secret, error) {
	var found []secret
	for part := range strings.SplitSeq(list, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		one := secret{name: fmt.Sprintf("%s#%d", key, len(found)+1)}
		// A token may contain "=", usually at its end: it ends a name only if
		// a hash follows.
		if name, rest, ok := strings.Cut(part, "="); ok && strings.HasPrefix(rest, HashPrefix) {
			if !ValidTokenName(name) {
				return nil, fmt.Errorf("the name of a token must be 1 to 64 letters, digits, dots, dashes or underscores, not %q", httpjson.Clip([]byte(name), 70))
			}
			one.name, part = name, rest
		}
		digits, hashed := strings.CutPrefix(part, HashPrefix)
		if !hashed {
			one.hash = sha256.Sum256([]byte(part))
		} else {
			raw, err := hex.DecodeString(digits)
			if err != nil || len(raw) != sha256.Size {
				return nil, fmt.Errorf("after %s there must be %d hex digits", HashPrefix, 2*sha256.Size)
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

func newTokens(given Tokens) (tokens, error) {
	var t tokens
	var err error
	for s, list := range map[Scope]string{ScopeInvoke: given.Invoke, ScopeManage: given.Manage, ScopeInternal: given.Internal} {
		key := s.String() + "Token"
		if t[s], err = parseTokens(key, list); err != nil {
			return t, fmt.Errorf("%s: %w", key, err)
		}
	}
	return t, nil
}

// allow reports whether a request may use a scope. Every hash is compared, in
// constant time, whether an earlier one matched or not.
func (t *tokens) allow(need Scope, ctx *fasthttp.RequestCtx) bool {
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

// bearer is the hash of a request's bearer token, if it has one.
func bearer(ctx *fasthttp.RequestCtx) (hash [sha256.Size]byte, ok bool) {
	const prefix = "Bearer "
	header := ctx.Request.Header.Peek(fasthttp.HeaderAuthorization)
	if len(header) < len(prefix) || !strings.EqualFold(httpjson.UnsafeString(header[:len(prefix)]), prefix) {
		return hash, false
	}
	return sha256.Sum256(header[len(prefix):]), true
}

// name is the name of a request's token, in the highest scope that has it;
// empty when there is none or it is unknown.
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
