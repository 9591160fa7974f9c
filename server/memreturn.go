package server

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"simplane/core"
)

// memoryReturner gives memory back to the machine once what a load has left
// expires: when most of what was stored at the last collection has expired
// since, it collects.
//
// No setting of the runtime does that. At rest the heap does not grow, and with
// a GC percent of 400 it would have to grow to five times what was live under
// load. So nothing collects then but the runtime's forced cycle every two
// minutes, and the memory goes back to the machine after the second of them.
type memoryReturner struct {
	stored func() int64  // bytes that the store holds, about
	cycles func() uint64 // collections so far
	free   func()        // collects and gives free memory back

	seenCycles uint64
	atCycle    int64 // most that was stored since the last collection was noticed
}

// worthReturning is how many bytes must have expired.
const worthReturning = 32 << 20

// look returns whether it has given memory back.
func (m *memoryReturner) look() bool {
	stored, cycles := m.stored(), m.cycles()
	if cycles != m.seenCycles {
		m.seenCycles, m.atCycle = cycles, stored
		return false
	}
	m.atCycle = max(m.atCycle, stored)
	if expired := m.atCycle - stored; expired < stored || expired < worthReturning {
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
	every(ctx, 5*time.Second, func() { m.look() })
}

func gcCycles() uint64 {
	cycles := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(cycles)
	return cycles[0].Value.Uint64()
}
