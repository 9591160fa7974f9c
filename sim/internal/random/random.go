// Package random draws random numbers that are the same on every machine: each
// stream is fixed by a seed and a label, and floating point is confined to
// operations that IEEE 754 fixes to the bit.
package random

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// Stream is one source of random numbers. Each concern has its own, seeded by
// (seed, label): adding a load or a function shifts nobody else's numbers.
// PCG's sequence is fixed by the math/rand/v2 documentation.
type Stream struct {
	pcg    rand.PCG
	spare  float64 // the second value of a pair of normals
	spared bool
}

// New is the stream of a seed and a label.
func New(seed uint64, label string) Stream {
	h := uint64(14695981039346656037) // FNV-1a
	for i := range len(label) {
		h = (h ^ uint64(label[i])) * 1099511628211
	}
	return Stream{pcg: *rand.NewPCG(Mix(seed), Mix(h))}
}

// Mix scrambles 64 bits one to one (the finalizer of SplitMix64).
func Mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Step is the increment of a SplitMix64 counter.
const Step = 0x9e3779b97f4a7c15

// Unit is uniform in [0, 1).
func (s *Stream) Unit() float64 { return float64(s.pcg.Uint64()>>11) * (1.0 / (1 << 53)) }

// Open is uniform in (0, 1].
func (s *Stream) Open() float64 { return float64(s.pcg.Uint64()>>11+1) * (1.0 / (1 << 53)) }

// Below is uniform in [0, n).
func (s *Stream) Below(n int) int {
	// The high word of a 128-bit product: its bias is below n/2^64.
	high, _ := bits.Mul64(s.pcg.Uint64(), uint64(n))
	return int(high)
}

// Hit is true with probability p; it draws nothing for p = 0.
func (s *Stream) Hit(p float64) bool { return p > 0 && s.Unit() < p }

// Exponential has mean 1.
func (s *Stream) Exponential() float64 { return -Ln(s.Open()) }

// Normal has mean 0 and variance 1 (Marsaglia's polar method).
func (s *Stream) Normal() float64 {
	if s.spared {
		s.spared = false
		return s.spare
	}
	for {
		u, v := float64(2*s.Unit())-1, float64(2*s.Unit())-1
		q := float64(u*u) + float64(v*v)
		if q >= 1 || q == 0 {
			continue
		}
		f := math.Sqrt(float64(-2*Ln(q)) / q)
		s.spare, s.spared = float64(v*f), true
		return float64(u * f)
	}
}
