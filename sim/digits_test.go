package sim

import (
	"fmt"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// TestTimeStamp compares with fmt, times of the same second and others.
func TestTimeStamp(t *testing.T) {
	s := timeStamp{at: -1}
	check := func(ns int64) string {
		s.set(ns)
		if got, want := string(s.append([]byte("x"))), fmt.Sprintf("x%d.%09d ", ns/1e9, ns%1e9); got != want {
			return fmt.Sprintf("%d ns: %q, want %q", ns, got, want)
		}
		return ""
	}
	for ns := int64(1); ns < 1e18; ns *= 10 {
		for _, n := range []int64{0, ns - 1, ns, ns + 1, 3 * ns} {
			if bad := check(n); bad != "" {
				t.Error(bad)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		ns := rapid.Int64Range(0, 1<<60).Draw(t, "ns")
		for _, n := range []int64{ns, ns - ns%1e9 + rapid.Int64Range(0, 1e9-1).Draw(t, "another")} {
			if bad := check(n); bad != "" {
				t.Fatal(bad)
			}
		}
	})
}

// TestAppendNumber compares with strconv: all of up to five digits, and others.
func TestAppendNumber(t *testing.T) {
	room := make([]byte, 1, 64)
	check := func(n int64) string {
		for name, b := range map[string][]byte{"with room": room, "without": []byte("\x00")} {
			if got, want := string(appendNumber(b, n)), "\x00"+strconv.FormatInt(n, 10); got != want {
				return fmt.Sprintf("%d %s: %q, want %q", n, name, got, want)
			}
		}
		return ""
	}
	for n := range int64(100_000) {
		if bad := check(n); bad != "" {
			t.Fatal(bad)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		for _, n := range []int64{rapid.Int64Range(0, 1e8+9).Draw(t, "n"), rapid.Int64().Draw(t, "any"), 99_999_999, 100_000_000, -1} {
			if bad := check(n); bad != "" {
				t.Fatal(bad)
			}
		}
	})
}
