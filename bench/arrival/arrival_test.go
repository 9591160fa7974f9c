package arrival

import (
	"math"
	"testing"
	"time"
)

func gaps(t *testing.T, kind Kind, rate float64, seed uint64, n int) []float64 {
	t.Helper()
	s, err := New(kind, rate, seed)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]float64, n)
	last := s.Next()
	for i := range out {
		at := s.Next()
		if at < last {
			t.Fatalf("offset %d went back: %v after %v", i, at, last)
		}
		out[i] = float64(at - last)
		last = at
	}
	return out
}

func moments(xs []float64) (mean, variance float64) {
	for _, x := range xs {
		mean += x
	}
	mean /= float64(len(xs))
	for _, x := range xs {
		variance += (x - mean) * (x - mean)
	}
	return mean, variance / float64(len(xs)-1)
}

func TestPoissonGapsAreExponential(t *testing.T) {
	const rate, n = 2000.0, 200_000
	xs := gaps(t, Poisson, rate, 7, n)
	want := float64(time.Second) / rate
	mean, variance := moments(xs)
	// An exponential's variance is its mean squared, its median mean*ln 2.
	if math.Abs(mean/want-1) > 0.01 {
		t.Errorf("mean gap %v, want %v within 1%%", mean, want)
	}
	if math.Abs(variance/(want*want)-1) > 0.03 {
		t.Errorf("variance %v, want %v within 3%%", variance, want*want)
	}
	var longer int
	for _, x := range xs {
		if x > want*math.Ln2 {
			longer++
		}
	}
	if share := float64(longer) / n; math.Abs(share-0.5) > 0.01 {
		t.Errorf("share above the exponential median is %v, want 0.5", share)
	}
	// Memoryless: neighbouring gaps do not tell about each other.
	var cov float64
	for i := 1; i < n; i++ {
		cov += (xs[i] - mean) * (xs[i-1] - mean)
	}
	if corr := cov / float64(n-1) / variance; math.Abs(corr) > 0.01 {
		t.Errorf("lag-1 correlation %v, want 0", corr)
	}
}

func TestConstantDoesNotDrift(t *testing.T) {
	s, err := New(Constant, 3, 0)
	if err != nil {
		t.Fatal(err)
	}
	var at time.Duration
	for range 3*3600*24 + 1 {
		at = s.Next()
	}
	if diff := at - 24*time.Hour; diff.Abs() > time.Microsecond {
		t.Errorf("a day of thirds of a second ends %v off", diff)
	}
}

func TestSeedDecidesTheSchedule(t *testing.T) {
	a, b, c := gaps(t, Poisson, 100, 1, 50), gaps(t, Poisson, 100, 1, 50), gaps(t, Poisson, 100, 2, 50)
	same := true
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("gap %d differs with equal seeds", i)
		}
		same = same && a[i] == c[i]
	}
	if same {
		t.Error("different seeds gave equal schedules")
	}
}

func TestNewRejects(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		rate float64
	}{
		{Constant, 0}, {Constant, -1}, {Constant, math.NaN()}, {Constant, math.Inf(1)}, {Poisson, 2e7}, {"bursty", 10},
	} {
		if _, err := New(c.kind, c.rate, 0); err == nil {
			t.Errorf("New(%q, %v) was accepted", c.kind, c.rate)
		}
	}
}
