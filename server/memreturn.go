package server

import (
	"context"
	"runtime/debug"
	"time"

	"simplane/core"
)

// memoryReturner gives memory back to the machine once load is over. A server
// at rest allocates nothing, so the runtime collects every two minutes only,
// and what the load left would stay taken until then. A collection is run
//   - when most of what was stored at the last one has expired since, and
//   - when hardly anything was allocated for a while and most of the memory
//     taken is garbage or was free already.
//
// The second one happens once after each collection by the runtime itself, so
// at rest once.
type memoryReturner struct {
	stored func() int64  // bytes that the store holds, about
	cycles func() uint64 // collections so far
	live   func() int64  // bytes that the last collection found in use
	taken  func() int64  // bytes taken from the machine
	allocs func() int64  // bytes allocated so far
	free   func()        // collects and gives free memory back

	seenCycles uint64
	atCycle    int64 // most that was stored since the last collection was noticed
	returned   bool  // the last collection was this one's
	allocated  int64 // when last looked
	quiet      int   // looks in a row that found hardly anything allocated
}

const (
	// worthReturning is how many bytes must have expired, or be to spare.
	worthReturning = 32 << 20
	// restBytes is the most that may be allocated between two looks at rest:
	// probes and scrapes do that.
	restBytes = 4 << 20
	// restLooks in a row like that are rest.
	restLooks = 3
)

// tick looks once; true when it has given memory back.
func (m *memoryReturner) tick() bool {
	stored, cycles, allocated := m.stored(), m.cycles(), m.allocs()
	if m.quiet++; allocated-m.allocated > restBytes {
		m.quiet = 0
	}
	m.allocated = allocated
	if cycles != m.seenCycles {
		m.seenCycles, m.atCycle, m.returned = cycles, stored, false
		return false
	}
	m.atCycle = max(m.atCycle, stored)
	if !m.expired(stored) && !m.idle() {
		return false
	}
	m.free()
	m.seenCycles, m.atCycle, m.returned = m.cycles(), stored, true
	return true
}

func (m *memoryReturner) expired(stored int64) bool {
	return 2*stored <= m.atCycle && m.atCycle-stored >= worthReturning
}

// idle allows for live memory twice over: that much the runtime would take
// anyway before it collects.
func (m *memoryReturner) idle() bool {
	if m.returned || m.quiet < restLooks {
		return false
	}
	spare := m.taken() - 2*m.live()
	return spare >= 2*worthReturning
}

// returnMemory looks now and then until ctx ends.
func returnMemory(ctx context.Context, c *core.Core) {
	const recordBytes = 256
	m := &memoryReturner{cycles: gcCycles, live: liveHeap, taken: takenMemory, allocs: allocatedBytes, free: debug.FreeOSMemory, stored: func() int64 {
		sizes := c.Gauges()
		return int64(sizes.StoredExecutions)*recordBytes + sizes.PayloadBytes
	}}
	every(ctx, 5*time.Second, func() { m.tick() })
}

func gcCycles() uint64 { return runtimeMetric("/gc/cycles/total:gc-cycles") }

// takenMemory is what the runtime has mapped less what it has given back and
// what stacks hold, in bytes.
func takenMemory() int64 {
	return int64(runtimeMetric("/memory/classes/total:bytes") - runtimeMetric("/memory/classes/heap/released:bytes") -
		runtimeMetric("/memory/classes/heap/stacks:bytes"))
}

func allocatedBytes() int64 { return int64(runtimeMetric("/gc/heap/allocs:bytes")) }
