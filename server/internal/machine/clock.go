// Package machine provides the machine's clock, unique ids and amount of
// memory to core and the server.
package machine

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"simplane/core"
)

// Clock is the machine's clock for core. Its wall reading is anchored
// once and moves with elapsed time, so that it never goes back; Rebase adopts
// a step forward of the machine's clock.
type Clock struct {
	start time.Time
	wall  atomic.Int64 // wall ns at start, by the current anchor
}

// NewClock makes a clock whose elapsed time begins now.
func NewClock() *Clock {
	c := &Clock{start: time.Now()}
	c.wall.Store(c.start.UnixNano())
	return c
}

// Now implements core.Clock.
func (c *Clock) Now() core.Instant {
	elapsed := int64(time.Since(c.start))
	return core.Instant{Wall: c.wall.Load() + elapsed, Mono: elapsed}
}

// WallTime is the wall reading of Now.
func (c *Clock) WallTime() time.Time { return time.Unix(0, c.Now().Wall) }

// NotBefore has the wall reading be wall ns at least from now on: that of what
// an earlier process has left.
func (c *Clock) NotBefore(wall int64) {
	if ahead := wall - c.Now().Wall; ahead > 0 {
		c.wall.Add(ahead)
	}
}

// AfterFunc implements core.Clock.
func (c *Clock) AfterFunc(d time.Duration, f func()) core.Timer { return time.AfterFunc(d, f) }

// Rebase compares the reading with the machine's wall clock. A machine clock
// that was set forward is followed; one that was set back is not, because
// rate windows and TTLs must not run twice. It returns the difference found.
func (c *Clock) Rebase() time.Duration {
	now := time.Now()
	ahead := now.UnixNano() - (c.wall.Load() + int64(now.Sub(c.start)))
	if ahead > int64(time.Second) {
		c.wall.Add(ahead)
	}
	return time.Duration(ahead)
}

// RandomIDs makes version-4 UUIDs from the runtime's per-thread ChaCha8
// generator: no lock, no system call. Ids are unique, not secret.
type RandomIDs struct{}

// NewID implements core.IDSource.
func (RandomIDs) NewID() core.ID {
	var id core.ID
	hi, lo := rand.Uint64(), rand.Uint64()
	for i := range 8 {
		id[i] = byte(hi >> (8 * i))
		id[8+i] = byte(lo >> (8 * i))
	}
	id[6] = id[6]&0x0f | 0x40 // version 4
	id[8] = id[8]&0x3f | 0x80 // RFC 9562 variant
	return id
}
