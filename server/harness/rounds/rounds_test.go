package rounds

import (
	"fmt"
	"testing"
)

func TestNumbers(t *testing.T) {
	for list, want := range map[string]string{"": "[]", "7": "[7]", "1, 16,256": "[1 16 256]"} {
		if got, err := Numbers(list); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%q is %v, %v", list, got, err)
		}
	}
	for _, list := range []string{"0", "-1", "x", "1,,2", "12abc", ","} {
		if got, err := Numbers(list); err == nil {
			t.Errorf("%q is %v", list, got)
		}
	}
}

func TestSpread(t *testing.T) {
	for want, of := range map[string][]float64{"–": nil, "2": {2}, "3 (1 to 4)": {4, 1, 3}} {
		if got := Spread("%.0f", of); got != want {
			t.Errorf("%v is %q, not %q", of, got, want)
		}
	}
}
