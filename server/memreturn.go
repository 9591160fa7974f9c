package server

import (
	"context"
	"runtime/debug"
	"time"

	"simplane/core"
)

// memoryReturner gives memory back to the machine once what a load has left
// expires: when most of what was stored has expired since memory was last given
// back, it collects.
//
// No setting of the runtime does that. At rest the heap does not grow, and with
// a GC percent of 400 it would have to grow to five times what was live under
// load. So nothing collects then but the runtime's forced cycle every two
// minutes, and the memory goes back to the machine after the second of them. A
// collection by the runtime on the way, too, leaves it with the process.
type memoryReturner struct {
	stored func() int64 // bytes that the store holds, about
	free   func()       // collects and gives free memory back
	most   int64        // that was stored since then
}

// worthReturning is how many bytes must have expired.
const worthReturning = 32 << 20

// look returns whether it has given memory back.
func (m *memoryReturner) look() bool {
	stored := m.stored()
	m.most = max(m.most, stored)
	if expired := m.most - stored; expired < stored || expired < worthReturning {
		return false
	}
	m.free()
	m.most = stored
	return true
}

// returnMemory looks now and then until ctx ends.
func returnMemory(ctx context.Context, c *core.Core) {
	const recordBytes = 256
	m := &memoryReturner{free: debug.FreeOSMemory, stored: func() int64 {
		sizes := c.Gauges()
		return int64(sizes.StoredExecutions)*recordBytes + sizes.PayloadBytes
	}}
	every(ctx, 5*time.Second, func() { m.look() })
}
