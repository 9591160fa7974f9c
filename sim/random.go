package sim

import (
	"math"
	"math/rand/v2"
)

// stream is one source of random numbers. Each concern has its own, seeded by
// (seed, label): adding a load or a function shifts nobody else's numbers.
// PCG's sequence is fixed by the math/rand/v2 documentation.
type stream struct {
	pcg    rand.PCG
	spare  float64 // the second value of a pair of normals
	spared bool
}

func newStream(seed uint64, label string) stream {
	h := uint64(14695981039346656037) // FNV-1a
	for i := range len(label) {
		h = (h ^ uint64(label[i])) * 1099511628211
	}
	return stream{pcg: *rand.NewPCG(mix(seed), mix(h))}
}

// mix scrambles 64 bits one to one (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// golden steps a SplitMix64 counter.
const golden = 0x9e3779b97f4a7c15

// unit is uniform in [0, 1).
func (s *stream) unit() float64 { return float64(s.pcg.Uint64()>>11) * (1.0 / (1 << 53)) }

// open is uniform in (0, 1].
func (s *stream) open() float64 { return float64(s.pcg.Uint64()>>11+1) * (1.0 / (1 << 53)) }

// below is uniform in [0, n).
func (s *stream) below(n int) int {
	// The high word of a 128-bit product: its bias is below n/2^64.
	return int(mulHigh(s.pcg.Uint64(), uint64(n)))
}

// hit is true with probability p; it draws nothing for p = 0.
func (s *stream) hit(p float64) bool { return p > 0 && s.unit() < p }

// exponential has mean 1.
func (s *stream) exponential() float64 { return -ln(s.open()) }

// normal has mean 0 and variance 1 (Marsaglia's polar method).
func (s *stream) normal() float64 {
	if s.spared {
		s.spared = false
		return s.spare
	}
	for {
		u, v := float64(2*s.unit())-1, float64(2*s.unit())-1
		q := float64(u*u) + float64(v*v)
		if q >= 1 || q == 0 {
			continue
		}
		f := math.Sqrt(float64(-2*ln(q)) / q)
		s.spare, s.spared = float64(v*f), true
		return float64(u * f)
	}
}
