package server

import (
	"os"
	"runtime/debug"

	"simplane/server/internal/machine"
)

// TuneGC sets the runtime's GC percent and memory limit. It is for the start
// of a program that runs this server and nothing else.
//
// Retained executions make the live heap large and long-lived, and each
// collection marks all of it again: with the default of 100 % that takes a
// tenth of the processor under load. So the heap may grow to five times what
// is live, payloads excepted (see pacer), but as it comes near three quarters of
// the machine's or cgroup's memory (the store may hold half), collections become
// more frequent. GOGC and GOMEMLIMIT take precedence.
func TuneGC() {
	if os.Getenv("GOGC") == "" {
		gcPace.begin()
	}
	if memory := machine.MemoryLimit(); memory > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memory / 4 * 3)
	}
}
