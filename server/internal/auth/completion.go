package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"sync"

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
type completionTokens struct{ macs sync.Pool }

// newCompletionTokens makes tokens under a key. MACs are kept to be used again: to set
// one up for a key costs four times what the MAC of an id does, and each call makes a
// token.
func newCompletionTokens(key CompletionKey) *completionTokens {
	return &completionTokens{sync.Pool{New: func() any { return &completionMAC{Hash: hmac.New(sha256.New, key[:])} }}}
}

// completionMAC has the buffers of one token beside the MAC.
type completionMAC struct {
	hash.Hash
	id, sum [sha256.Size]byte
}

func (t *completionTokens) of(id core.ID) string {
	mac := t.macs.Get().(*completionMAC)
	defer t.macs.Put(mac)
	mac.Reset()
	mac.Write(mac.id[:copy(mac.id[:], id[:])])
	var text [2 * sha256.Size]byte
	hex.Encode(text[:], mac.Sum(mac.sum[:0]))
	return string(text[:])
}

func (t *completionTokens) valid(id core.ID, given []byte) bool {
	return len(given) > 0 && hmac.Equal([]byte(t.of(id)), given)
}
