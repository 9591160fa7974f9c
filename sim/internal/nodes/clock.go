package nodes

import (
	"time"

	"simplane/core"
	"simplane/sim/internal/loop"
	"simplane/sim/internal/world"
)

// clock is that of a machine: it is wrong by an offset, and runs fast or slow.
type clock struct {
	loop   *loop.Loop
	offset int64 // ns, of the wall clock
	drift  int64 // millionths
}

func millionths(t, n int64) int64 { return t/1_000_000*n + t%1_000_000*n/1_000_000 }

// now is what the machine's clocks read.
func (c *clock) now() core.Instant {
	t := c.loop.Now()
	at := world.At(t + millionths(t, c.drift))
	at.Wall += c.offset
	return at
}

// elapsed is the monotonic reading as cluster.Machine takes it.
func (c *clock) elapsed() time.Duration { return time.Duration(c.now().Mono) }

// after is the virtual time in which d passes by this clock, never less.
func (c *clock) after(d time.Duration) time.Duration {
	if d <= 0 {
		return d
	}
	return d - time.Duration(millionths(int64(d), c.drift)) + time.Duration(millionths(millionths(int64(d), c.drift), c.drift)) + 2
}

// seatClock is the core.Clock of one core: its timers end with it, and its wall
// clock does not begin before the newest fact.
type seatClock struct {
	s     *Seat
	ahead int64 // ns
}

// Now implements core.Clock.
func (c *seatClock) Now() core.Instant {
	at := c.s.proc.node.clock.now()
	at.Wall += c.ahead
	return at
}

// AfterFunc implements core.Clock.
func (c *seatClock) AfterFunc(d time.Duration, f func()) core.Timer {
	k := &c.s.proc.node.clock
	return timer{c.s.proc.c.loop.AfterFunc(k.after(d), func() { c.s.do(f) }), k}
}

type timer struct {
	t *loop.Timer
	c *clock
}

// Stop implements core.Timer.
func (t timer) Stop() bool { return t.t.Stop() }

// Reset implements core.Timer.
func (t timer) Reset(d time.Duration) bool { return t.t.Reset(t.c.after(d)) }
