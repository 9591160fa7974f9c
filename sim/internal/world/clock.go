package world

import (
	"time"

	"simplane/core"
	"simplane/sim/internal/loop"
)

const (
	// epoch is the wall clock at virtual time 0: a whole second, as rate
	// windows are aligned to those.
	epoch = 1_700_000_000 * int64(time.Second)
	// monoStart is elapsed time at virtual time 0: a whole second, and not 0,
	// which core takes for "not yet".
	monoStart = int64(time.Second)
)

// Clock is the core.Clock of one node. Elapsed time follows the loop; the wall
// reading is that plus an offset, which jumps.
type Clock struct {
	loop   *loop.Loop
	offset int64 // ns
}

// Now implements core.Clock.
func (c *Clock) Now() core.Instant {
	now := c.loop.Now()
	return core.Instant{Wall: epoch + now + c.offset, Mono: monoStart + now}
}

// Wall is the wall reading in ns.
func (c *Clock) Wall() int64 { return epoch + c.loop.Now() + c.offset }

// AfterFunc implements core.Clock.
func (c *Clock) AfterFunc(d time.Duration, f func()) core.Timer { return c.loop.AfterFunc(d, f) }

func (c *Clock) jump(by time.Duration) { c.offset += int64(by) }

// At is what a clock without an offset reads at a virtual time.
func At(now int64) core.Instant { return core.Instant{Wall: epoch + now, Mono: monoStart + now} }

// Advance moves the wall reading on for good: the clock by which a run with several
// nodes is judged is that of the fastest.
func (c *Clock) Advance(by time.Duration) { c.jump(by) }
