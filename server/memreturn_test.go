package server

import "testing"

func TestMemoryIsReturnedOnceLoadIsOver(t *testing.T) {
	const mib = 1 << 20
	stored, cycles, freed := int64(0), uint64(1), 0
	m := &memoryReturner{
		stored: func() int64 { return stored },
		cycles: func() uint64 { return cycles }, free: func() { freed++; cycles++ },
		live: func() int64 { return 0 }, taken: func() int64 { return 0 }, allocs: func() int64 { return 0 },
	}
	look := func(what string, now int64, want bool) {
		t.Helper()
		stored = now
		if got := m.tick(); got != want {
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

func TestMemoryIsReturnedAtRest(t *testing.T) {
	const mib = 1 << 20
	live, taken, allocated, cycles := int64(40*mib), int64(240*mib), int64(0), uint64(1)
	m := &memoryReturner{
		stored: func() int64 { return 20 * mib },
		cycles: func() uint64 { return cycles }, free: func() { cycles++ },
		live: func() int64 { return live }, taken: func() int64 { return taken }, allocs: func() int64 { return allocated },
	}
	looks := func(n int, allocating int64) (returned int) {
		for range n {
			allocated += allocating
			if m.tick() {
				returned++
			}
		}
		return returned
	}
	if looks(20, restBytes+1) != 0 {
		t.Error("memory was returned under load, though without a collection")
	}
	if looks(restLooks-1, 1) != 0 {
		t.Error("a pause is not rest")
	}
	if n := looks(20, restBytes); n != 1 {
		t.Errorf("at rest memory is returned once, not %d times", n)
	}
	cycles++ // by the runtime
	if looks(20, 1) != 1 {
		t.Error("work since, and at rest again: nothing was returned")
	}
	for range 10 {
		cycles++
		if looks(4, restBytes+1) != 0 {
			t.Error("memory was returned under load")
		}
	}
	live, taken = 1000*mib, 2060*mib // what the runtime would take anyway
	cycles++
	if looks(20, 1) != 0 {
		t.Error("it was not worth it")
	}
}
