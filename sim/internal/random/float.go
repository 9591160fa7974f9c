package random

import "math"

// Ln and Exp are written out because math.Log and math.Exp have assembly
// versions on some architectures that differ in the last bit, and a replay
// must not. Every product is wrapped in float64(): the Go specification lets a
// compiler fuse x*y+z into one rounding, and an explicit conversion forbids
// it. Addition, multiplication, division and math.Sqrt are then exact to the
// bit everywhere (IEEE 754).

const (
	ln2High = 6.93147180369123816490e-01 // ln2High+ln2Low = ln 2; High has 32 bits
	ln2Low  = 1.90821492927058770002e-10
)

// Ln is the natural logarithm of a finite x > 0.
func Ln(x float64) float64 {
	m, n := split(x)
	// ln m = 2 atanh(s), |s| < 0.172: the series' 12th term is below 1e-17.
	s := (m - 1) / (m + 1)
	z := float64(s * s)
	sum := float64(z*(1.0/23)) + 1.0/21
	sum = float64(sum*z) + 1.0/19
	sum = float64(sum*z) + 1.0/17
	sum = float64(sum*z) + 1.0/15
	sum = float64(sum*z) + 1.0/13
	sum = float64(sum*z) + 1.0/11
	sum = float64(sum*z) + 1.0/9
	sum = float64(sum*z) + 1.0/7
	sum = float64(sum*z) + 1.0/5
	sum = float64(sum*z) + 1.0/3
	sum = float64(sum*z) + 1
	return float64(n*ln2High) + (float64(2*float64(s*sum)) + float64(n*ln2Low))
}

// split returns m and n with x = m * 2^n and sqrt(1/2) <= m < sqrt(2), for a
// finite x > 0. It has no branch on x's digits, which would be as random as they
// are.
func split(x float64) (m, n float64) {
	e := int64(0)
	if x < 0x1p-1022 { // subnormal
		x, e = x*0x1p54, -54
	}
	const digits, half = 1<<52 - 1, 1022
	b := math.Float64bits(x)
	below := (b&digits - math.Float64bits(math.Sqrt2/2)&digits) >> 63 // 1 if x's digits are below those of sqrt(1/2)
	m = math.Float64frombits(b&digits | (half+below)<<52)
	return m, float64(e + int64(b>>52) - half - int64(below))
}

// Exp is e to the power x for |x| < 700.
func Exp(x float64) float64 {
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

// Sin is the sine of a number of turns from 0 to 1.
func Sin(turns float64) float64 {
	sign := 1.0
	if turns >= 0.5 {
		turns, sign = turns-0.5, -1
	}
	if turns > 0.25 {
		turns = 0.5 - turns
	}
	x := float64(turns * (2 * math.Pi)) // up to a quarter of a circle
	square := float64(x * x)
	sum := 0.0
	for k := 21; k >= 3; k -= 2 { // 1 - x²/(2·3) (1 - x²/(4·5) (…))
		sum = float64(square*(1-sum)) / float64(k*(k-1))
	}
	return float64(sign * float64(x*(1-sum)))
}
