package sim

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// TestAppendSeconds compares with fmt.
func TestAppendSeconds(t *testing.T) {
	check := func(ns int64) string {
		if got, want := string(appendSeconds(nil, ns)), fmt.Sprintf("%d.%09d", ns/1e9, ns%1e9); got != want {
			return fmt.Sprintf("%d ns: %q, want %q", ns, got, want)
		}
		return ""
	}
	for ns := int64(1); ns < 1e18; ns *= 10 {
		for _, n := range []int64{0, ns - 1, ns, 3 * ns} {
			if bad := check(n); bad != "" {
				t.Error(bad)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		if bad := check(rapid.Int64Range(0, 1<<60).Draw(t, "ns")); bad != "" {
			t.Fatal(bad)
		}
	})
}
