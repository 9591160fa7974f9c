package server

import (
	"math"
	"runtime/debug"
	"testing"

	"simplane/server/internal/machine"
)

func TestGCSettingsOfTheOperatorAreLeftAlone(t *testing.T) {
	gcPace.mu.Lock()
	pace := gcPace.percent
	gcPace.mu.Unlock()
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(math.MaxInt64)
	defer func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
		gcPace.mu.Lock()
		gcPace.percent = pace
		gcPace.mu.Unlock()
	}()
	now := func() (int, int64) {
		percent := debug.SetGCPercent(100)
		debug.SetGCPercent(percent)
		return percent, debug.SetMemoryLimit(-1)
	}
	t.Setenv("GOGC", "100")
	t.Setenv("GOMEMLIMIT", "1TiB")
	TuneGC()
	if percent, limit := now(); percent != 100 || limit != math.MaxInt64 {
		t.Errorf("changed to %d %%, %d bytes", percent, limit)
	}
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	TuneGC()
	want := int64(math.MaxInt64)
	if memory := machine.MemoryLimit(); memory > 0 {
		want = memory / 4 * 3
	}
	if percent, limit := now(); percent != 400 || limit != want {
		t.Errorf("set to %d %%, %d bytes; want 400 %%, %d", percent, limit, want)
	}
}
