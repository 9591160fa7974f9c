// Package weighted draws from a fixed set in proportion to weights.
package weighted

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
)

// Choice draws an index. It is never changed and may be shared; each user
// brings a source of randomness of its own.
type Choice struct {
	keep  []float64 // by index: the share of draws that stay there
	other []int32   // by index: where the rest of them goes
}

// New makes a choice of len(weights) indexes, by the alias method (Vose, 1991):
// a draw costs the same whatever the number of weights. Weights must be positive
// and finite; there must be at least one, and at most 2^31-1.
func New(weights []float64) (*Choice, error) {
	sum := 0.0
	for i, w := range weights {
		if !(w > 0) || math.IsInf(w, 0) {
			return nil, fmt.Errorf("weight %v at index %d: want a positive number", w, i)
		}
		sum += w
	}
	if len(weights) == 0 || len(weights) > math.MaxInt32 || math.IsInf(sum, 0) {
		return nil, errors.New("weights: want between 1 and 2^31-1, of finite sum")
	}
	n := len(weights)
	c := &Choice{keep: make([]float64, n), other: make([]int32, n)}
	var light, heavy []int32
	for i, w := range weights {
		c.keep[i], c.other[i] = w*float64(n)/sum, int32(i)
		if c.keep[i] < 1 {
			light = append(light, int32(i))
		} else {
			heavy = append(heavy, int32(i))
		}
	}
	// Each light index is filled up with draws of a heavy one.
	for len(light) > 0 && len(heavy) > 0 {
		l, h := light[len(light)-1], heavy[len(heavy)-1]
		light = light[:len(light)-1]
		c.other[l] = h
		if c.keep[h] -= 1 - c.keep[l]; c.keep[h] < 1 {
			heavy, light = heavy[:len(heavy)-1], append(light, h)
		}
	}
	// What is left differs from 1 by rounding only.
	for _, i := range append(light, heavy...) {
		c.keep[i] = 1
	}
	return c, nil
}

// Len is the number of indexes.
func (c *Choice) Len() int { return len(c.keep) }

// Draw returns an index from 0 to Len()-1.
func (c *Choice) Draw(r *rand.Rand) int {
	i := r.IntN(len(c.keep))
	if c.keep[i] < 1 && r.Float64() >= c.keep[i] {
		i = int(c.other[i])
	}
	return i
}

// Zipf returns n weights of which the k-th is k to the power of -s: with s = 1
// the first of 10,000 gets a tenth of all, and half goes to the first 70.
func Zipf(n int, s float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = math.Pow(float64(i+1), -s)
	}
	return out
}
