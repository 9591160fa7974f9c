package server

import (
	"runtime"
	"testing"
)

func TestMemoryIsReturnedOnceLoadHasExpired(t *testing.T) {
	const mib = 1 << 20
	stored, cycles, freed := int64(0), uint64(1), 0
	m := &memoryReturner{
		stored: func() int64 { return stored },
		cycles: func() uint64 { return cycles }, free: func() { freed++; cycles++ },
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
	cycles++
	look("load", 100*mib, false)
	look("more of it", 500*mib, false)
	look("less than half has expired", 251*mib, false)
	look("most has expired", 250*mib, true)
	look("and nothing since", 250*mib, false)
	cycles++
	look("the runtime has collected itself", 40*mib, false)
	look("a little has expired", 10*mib, false)
	look("enough of it", 8*mib, true)
	look("the rest is not worth it", 0, false)
	if freed != 2 {
		t.Errorf("freed %d times", freed)
	}
}

func TestCollectionsAreNoticed(t *testing.T) {
	before := gcCycles()
	runtime.GC()
	if after := gcCycles(); after <= before {
		t.Errorf("%d collections before one, %d after it", before, after)
	}
}
