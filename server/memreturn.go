package server

import (
	"context"
	"runtime/debug"
	"time"

	"simplane/core"
)

// memoryReturner gives memory back to the machine once load is over. A server
// at rest allocates nothing, so the runtime collects every two minutes only,
// and what the expired executions held would stay taken until then. So when
// most of what was stored at the last collection has expired and none has run
// since, one is run.
type memoryReturner struct {
	stored func() int64  // bytes that the store holds, about
	cycles func() uint64 // collections so far
	free   func()        // collects and gives free memory back

	seenCycles uint64
	atCycle    int64 // most that was stored since the last collection was noticed
}

// worthReturning is how many bytes must have expired.
const worthReturning = 32 << 20

// tick looks once; true when it has given memory back.
func (m *memoryReturner) tick() bool {
	stored, cycles := m.stored(), m.cycles()
	if cycles != m.seenCycles {
		m.seenCycles, m.atCycle = cycles, stored
		return false
	}
	m.atCycle = max(m.atCycle, stored)
	if 2*stored > m.atCycle || m.atCycle-stored < worthReturning {
		return false
	}
	m.free()
	m.seenCycles, m.atCycle = m.cycles(), stored
	return true
}

// returnMemory looks now and then until ctx ends.
func returnMemory(ctx context.Context, c *core.Core) {
	const recordBytes = 256
	m := &memoryReturner{cycles: gcCycles, free: debug.FreeOSMemory, stored: func() int64 {
		sizes := c.Gauges()
		return int64(sizes.StoredExecutions)*recordBytes + sizes.PayloadBytes
	}}
	every(ctx, 5*time.Second, func() { m.tick() })
}

func gcCycles() uint64 { return runtimeMetric("/gc/cycles/total:gc-cycles") }
