package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"

	"simplane/core"
)

// HeaderCompletionToken has a token that completes one execution.
const HeaderCompletionToken = "X-Completion-Token"

// CompletionKey is the secret from which completion tokens are made.
type CompletionKey [32]byte

// NewCompletionKey makes a random key.
func NewCompletionKey() (key CompletionKey) {
	_, _ = rand.Read(key[:]) // never fails since Go 1.24
	return key
}

// completionTokens lets a function complete its own executions, and no other,
// without the internal token: the token is a MAC of the execution's id under a
// key that lives as long as the process, or as its data directory.
type completionTokens struct{ key CompletionKey }

func (t *completionTokens) of(id core.ID) string {
	mac := hmac.New(sha256.New, t.key[:])
	mac.Write(id[:])
	return hex.EncodeToString(mac.Sum(nil))
}

func (t *completionTokens) valid(id core.ID, given []byte) bool {
	return len(given) > 0 && hmac.Equal([]byte(t.of(id)), given)
}
