package server

import (
	"context"
	"runtime/debug"
	"time"

	"simplane/core"
)

// memoryReturner gives memory back to the machine once what a load has left
// expires: when most of what was stored since memory was last given back has
// expired, and has stayed so for a while, it collects. A load that comes and
// goes would pay for memory that was given back with a page fault for each page.
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
	calm   int          // looks in a row at which most of it had expired
}

const (
	// worthReturning is how many bytes must have expired.
	worthReturning = 32 << 20
	// calmLooks is at how many looks in a row they must have.
	calmLooks = 5
	// memoryPace is the time between two looks.
	memoryPace = time.Second
)

// look returns whether it has given memory back.
func (m *memoryReturner) look() bool {
	stored := m.stored()
	m.most = max(m.most, stored)
	if expired := m.most - stored; expired < stored || expired < worthReturning {
		m.calm = 0
		return false
	}
	if m.calm++; m.calm < calmLooks {
		return false
	}
	m.free()
	m.most, m.calm = stored, 0
	return true
}

// recordBytes is about what a record takes beside its payload.
const recordBytes = 256

// tendMemory looks after the process's memory until ctx ends.
func tendMemory(ctx context.Context, cores func() []*core.Core) {
	held := func() (records, payloads int64) {
		for _, c := range cores() {
			sizes := c.Gauges()
			records += int64(sizes.StoredExecutions) * recordBytes
			payloads += sizes.PayloadBytes
		}
		return records, payloads
	}
	m := &memoryReturner{free: debug.FreeOSMemory, stored: func() int64 {
		records, payloads := held()
		return records + payloads
	}}
	every(ctx, memoryPace, func() {
		gcPace.follow(held())
		m.look()
	})
}
