package weighted

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// draws counts n draws with a fixed seed.
func draws(t *testing.T, weights []float64, n int) []int {
	t.Helper()
	c, err := New(weights)
	if err != nil {
		t.Fatal(err)
	}
	if c.Len() != len(weights) {
		t.Fatalf("%d indexes of %d weights", c.Len(), len(weights))
	}
	r, counts := rand.New(rand.NewPCG(7, 11)), make([]int, len(weights))
	for range n {
		counts[c.Draw(r)]++
	}
	return counts
}

// Each index is drawn within five standard deviations of its share. The seed is
// fixed, so this never fails by chance.
func TestSharesFollowTheWeights(t *testing.T) {
	const n = 200_000
	for _, weights := range [][]float64{{1}, {1, 1}, {9, 1}, {1, 2, 3, 4}, {1e-3, 1e3, 1}, Zipf(100, 1), slices.Repeat([]float64{3}, 1000)} {
		sum := 0.0
		for _, w := range weights {
			sum += w
		}
		for i, got := range draws(t, weights, n) {
			p := weights[i] / sum
			if want := n * p; math.Abs(float64(got)-want) > 5*math.Sqrt(n*p*(1-p))+1 {
				t.Errorf("%d weights, index %d: drawn %d times of %d, want about %.0f", len(weights), i, got, n, want)
			}
		}
	}
}

func TestSameSeedSameDraws(t *testing.T) {
	weights := Zipf(1000, 1)
	if a, b := draws(t, weights, 5000), draws(t, weights, 5000); !slices.Equal(a, b) {
		t.Error("two sequences of one seed differ")
	}
}

func TestDocumentedSharesOfZipf(t *testing.T) {
	w := Zipf(10_000, 1)
	sum, first70 := 0.0, 0.0
	for i, x := range w {
		if sum += x; i < 70 {
			first70 += x
		}
	}
	if first := w[0] / sum; math.Abs(first-0.1) > 0.01 || math.Abs(first70/sum-0.5) > 0.01 {
		t.Errorf("the first gets %.3f and the first 70 %.3f: the comment says 0.1 and 0.5", first, first70/sum)
	}
}

func TestBadWeightsAreRefused(t *testing.T) {
	for _, weights := range [][]float64{nil, {0}, {1, -1}, {math.NaN()}, {math.Inf(1)}, {math.MaxFloat64, math.MaxFloat64}} {
		if _, err := New(weights); err == nil {
			t.Errorf("weights %v were accepted", weights)
		}
	}
}
