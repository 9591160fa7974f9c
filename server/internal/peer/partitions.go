package peer

import (
	"encoding/hex"
	"math/bits"

	"simplane/core"
)

// HeaderPartitions says which partitions an answer of one node is about: a bit for
// each, the lowest first, as hex.
const HeaderPartitions = "X-Simplane-Partitions"

// Partitions is a set of them.
type Partitions [32]byte

// Add adds one.
func (s *Partitions) Add(p core.Partition) { s[p/8] |= 1 << (p % 8) }

// Has says whether one is in the set.
func (s Partitions) Has(p core.Partition) bool { return s[p/8]&(1<<(p%8)) != 0 }

// And keeps what is in both.
func (s *Partitions) And(t Partitions) {
	for i := range s {
		s[i] &= t[i]
	}
}

// Or adds what is in t.
func (s *Partitions) Or(t Partitions) {
	for i := range s {
		s[i] |= t[i]
	}
}

// Len is how many there are.
func (s Partitions) Len() (n int) {
	for _, b := range s {
		n += bits.OnesCount8(b)
	}
	return n
}

func (s Partitions) String() string { return hex.EncodeToString(s[:]) }

// parsePartitions reads String's form; empty when it is none.
func parsePartitions(text []byte) (s Partitions) {
	if len(text) == 2*len(s) {
		if _, err := hex.Decode(s[:], text); err != nil {
			return Partitions{}
		}
	}
	return s
}
