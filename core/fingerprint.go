package core

import (
	"crypto/sha256"
	"encoding/binary"
)

// Fingerprint stands for the input and the metadata of a request, byte by byte.
// It is kept with an idempotency key, so that the key leads nobody with another
// request to the first one's execution.
type Fingerprint [16]byte

// FingerprintOf is the fingerprint of a request: the first half of a SHA-256, so
// that nobody can make a request that has the fingerprint of another.
func FingerprintOf(input, metadata []byte) Fingerprint {
	h := sha256.New()
	var length [8]byte // where the one ends and the other begins
	binary.BigEndian.PutUint64(length[:], uint64(len(input)))
	h.Write(length[:])
	h.Write(input)
	h.Write(metadata)
	var sum [sha256.Size]byte
	return Fingerprint(h.Sum(sum[:0])[:len(Fingerprint{})])
}
