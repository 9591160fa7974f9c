package ratio

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The machine's speed drifts by a factor of three within a run; the pairs
// still tell the truth, and a 95 % interval covers it 95 % of the time.
func TestIntervalCoversTheTruth(t *testing.T) {
	const trials, rounds = 4000, 10
	for _, truth := range []float64{0.5, 1, 1.3} {
		rng := rand.New(rand.NewPCG(11, 13))
		covered, differs := 0, 0
		for range trials {
			var a, b []float64
			for i := range rounds {
				speed := 1000 * math.Pow(3, float64(i)/rounds)
				a = append(a, truth*speed*math.Exp(0.1*rng.NormFloat64()))
				b = append(b, speed*math.Exp(0.1*rng.NormFloat64()))
			}
			e, err := Paired(a, b, 0.95)
			if err != nil {
				t.Fatal(err)
			}
			if e.Low <= truth && truth <= e.High {
				covered++
			}
			if e.Differs() {
				differs++
			}
		}
		if share := float64(covered) / trials; share < 0.94 || share > 0.96 {
			t.Errorf("truth %v: covered in %.3f of the trials, want 0.95", truth, share)
		}
		if share := float64(differs) / trials; truth == 1 && share > 0.06 || truth != 1 && share < 0.99 {
			t.Errorf("truth %v: called different in %.3f of the trials", truth, share)
		}
	}
}

func TestPairedKnownValues(t *testing.T) {
	// Log-ratios ln2 - 0.1, ln2, ln2 + 0.1: sd 0.1, t(0.975; 2) = 4.302653.
	a := []float64{2 * math.Exp(-0.1), 2, 2 * math.Exp(0.1)}
	e, err := Paired(a, []float64{1, 1, 1}, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	half := 4.302653 * 0.1 / math.Sqrt(3)
	for _, c := range []struct{ got, want float64 }{
		{e.Ratio, 2}, {e.Low, 2 * math.Exp(-half)}, {e.High, 2 * math.Exp(half)},
	} {
		if math.Abs(c.got/c.want-1) > 1e-5 {
			t.Errorf("got %v, want %v", c.got, c.want)
		}
	}
}

func TestPairedRejects(t *testing.T) {
	for _, c := range []struct {
		a, b []float64
		conf float64
	}{
		{[]float64{1, 2}, []float64{1, 2}, 0.95},
		{[]float64{1, 2, 3}, []float64{1, 2}, 0.95},
		{[]float64{1, 0, 3}, []float64{1, 2, 3}, 0.95},
		{[]float64{1, 2, 3}, []float64{1, math.NaN(), 3}, 0.95},
		{[]float64{1, 2, 3}, []float64{1, 2, 3}, 1},
	} {
		if e, err := Paired(c.a, c.b, c.conf); err == nil {
			t.Errorf("%v / %v gave %v", c.a, c.b, e)
		}
	}
}
