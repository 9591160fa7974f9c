package server

import "testing"

func TestMemoryIsReturnedOnceLoadHasExpired(t *testing.T) {
	const mib = 1 << 20
	stored, freed := int64(0), 0
	m := &memoryReturner{
		stored: func() int64 { return stored },
		free:   func() { freed++ },
	}
	look := func(what string, now int64, want bool) {
		t.Helper()
		stored = now
		if got := m.look(); got != want {
			t.Errorf("%s: returned memory: %v, want %v", what, got, want)
		}
	}
	look("start", 0, false)
	look("at rest", 0, false)
	look("load", 100*mib, false)
	look("more of it", 500*mib, false)
	look("less than half has expired", 251*mib, false)
	look("most has expired", 250*mib, true)
	look("and nothing since", 250*mib, false)
	look("half of the rest", 126*mib, false)
	look("and more", 40*mib, true)
	look("a little has expired", 10*mib, false)
	look("enough of it", 8*mib, true)
	look("the rest is not worth it", 0, false)
	if freed != 3 {
		t.Errorf("freed %d times", freed)
	}
}
