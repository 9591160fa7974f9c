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
	for range 2 * calmLooks {
		look("at rest", 0, false)
	}
	look("load", 100*mib, false)
	look("more of it", 500*mib, false)
	for range 2 * calmLooks {
		look("less than half has expired", 251*mib, false)
	}
	for range calmLooks - 1 {
		look("most has expired", 250*mib, false)
	}
	look("more has come", 300*mib, false)
	for range calmLooks - 1 {
		look("most has expired again", 200*mib, false)
	}
	look("and stays so", 250*mib, true)
	for range 2 * calmLooks {
		look("nothing since", 250*mib, false)
		look("half of the rest", 126*mib, false)
	}
	for range calmLooks - 1 {
		look("and more", 40*mib, false)
	}
	look("it stays so", 40*mib, true)
	for range 2 * calmLooks {
		look("the rest is not worth it", 9*mib, false)
	}
	if freed != 2 {
		t.Errorf("freed %d times", freed)
	}
}
