package sim

import "math"

// ln and exp are written out because math.Log and math.Exp have assembly
// versions on some architectures that differ in the last bit, and a replay
// must not. Every product is wrapped in float64(): the Go specification lets a
// compiler fuse x*y+z into one rounding, and an explicit conversion forbids
// it. Addition, multiplication, division and math.Sqrt are then exact to the
// bit everywhere (IEEE 754).

const (
	ln2High = 6.93147180369123816490e-01 // ln2High+ln2Low = ln 2; High has 32 bits
	ln2Low  = 1.90821492927058770002e-10
)

// ln is the natural logarithm of a finite x > 0.
func ln(x float64) float64 {
	m, e := math.Frexp(x) // exact
	if m < math.Sqrt2/2 {
		m *= 2
		e--
	}
	// ln m = 2 atanh(s), |s| < 0.172: the series' 12th term is below 1e-17.
	s := (m - 1) / (m + 1)
	z := float64(s * s)
	sum := 0.0
	for _, c := range atanhTerms {
		sum = float64(sum*z) + c
	}
	n := float64(e)
	return float64(n*ln2High) + (float64(2*float64(s*sum)) + float64(n*ln2Low))
}

var atanhTerms = [...]float64{1.0 / 23, 1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13, 1.0 / 11, 1.0 / 9, 1.0 / 7, 1.0 / 5, 1.0 / 3, 1}

// exp is e to the power x for |x| < 700.
func exp(x float64) float64 {
	n := math.Floor(float64(x/math.Ln2) + 0.5)
	r := (x - float64(n*ln2High)) - float64(n*ln2Low) // |r| < 0.35
	sum := 0.0
	for _, c := range expTerms {
		sum = float64(sum*r) + c
	}
	return math.Ldexp(sum, int(n)) // exact
}

// expTerms are 1/k!, from k = 14 down to 0.
var expTerms = func() (terms [15]float64) {
	f := 1.0
	for k := range terms {
		if k > 0 {
			f *= float64(k)
		}
		terms[len(terms)-1-k] = 1 / f
	}
	return terms
}()
