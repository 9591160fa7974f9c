package random

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// TestLnExp compares with the standard library, to a few units in the last
// place, and pins bits that every machine must get.
func TestLnExp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.Float64Range(1e-300, 1e300).Draw(t, "x")
		if got, want := Ln(x), math.Log(x); math.Abs(got-want) > 4e-16*math.Max(1, math.Abs(want)) {
			t.Fatalf("ln(%v) = %v, math.Log says %v", x, got, want)
		}
		y := rapid.Float64Range(-600, 600).Draw(t, "y")
		if got, want := Exp(y), math.Exp(y); math.Abs(got-want) > 1e-15*want {
			t.Fatalf("exp(%v) = %v, math.Exp says %v", y, got, want)
		}
	})
	rapid.Check(t, func(t *rapid.T) { // as math.Frexp splits it
		x := rapid.OneOf(rapid.Float64Range(5e-324, 1e-300), rapid.Float64Range(1e-3, 10), rapid.Float64Range(1, 1e308)).Draw(t, "x")
		m, e := math.Frexp(x)
		if m < math.Sqrt2/2 {
			m, e = m*2, e-1
		}
		if gotM, gotE := split(x); gotM != m || gotE != float64(e) {
			t.Fatalf("split(%v) = %v, %v, want %v, %v", x, gotM, gotE, m, e)
		}
	})
	for x, bits := range map[float64][2]uint64{
		0.1: {math.Float64bits(Ln(0.1)), 0xc0026bb1bbb55515},
		2:   {math.Float64bits(Ln(2)), 0x3fe62e42fefa39ef},
		10:  {math.Float64bits(Exp(10)), 0x40d5829dcf950560},
	} {
		if bits[0] != bits[1] {
			t.Errorf("at %v: bits %#x, want %#x", x, bits[0], bits[1])
		}
	}
}

// TestSin compares with the standard library, and pins bits that every machine must
// get.
func TestSin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.Float64Range(0, 1).Draw(t, "turns")
		if got, want := Sin(x), math.Sin(2*math.Pi*x); math.Abs(got-want) > 1e-15 {
			t.Fatalf("sin(%v turns) = %v, math.Sin says %v", x, got, want)
		}
	})
	if got := math.Float64bits(Sin(0.1)); Sin(0) != 0 || got != 0x3fe2cf2304755a5e {
		t.Errorf("sin(0.1 turns) has bits %#x", got)
	}
}
