package yielding

import "testing"

// A yield that gains nothing a few times is tried seldom, and one that gains
// something brings the others back.
func TestYieldingBacksOffWhileItGainsNothing(t *testing.T) {
	var y Yielder
	count := func(gained bool) (yields int) {
		for range 1000 {
			if y.Yield() {
				yields++
				y.Learn(gained)
			}
		}
		return yields
	}
	if n := count(true); n != 1000 {
		t.Errorf("%d yields while all gain", n)
	}
	if n := count(false); n < 1000/16 || n > 1000/4 {
		t.Errorf("%d yields while none gains", n)
	}
	if n := count(true); n < 990 {
		t.Errorf("%d yields once all gain again", n)
	}
}
