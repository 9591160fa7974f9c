package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"

	"simplane/core"
)

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
