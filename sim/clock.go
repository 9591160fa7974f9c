package sim

import (
	"time"

	"simplane/core"
)

const (
	// epoch is the wall clock at virtual time 0: a whole second, as rate
	// windows are aligned to those.
	epoch = 1_700_000_000 * int64(time.Second)
	// monoStart is elapsed time at virtual time 0: a whole second, and not 0,
	// which core takes for "not yet".
	monoStart = int64(time.Second)
)

// clock is core's clock. Elapsed time follows the event loop; the wall reading
// is that plus whatever clock-jump faults have added up to.
type clock struct {
	now    int64 // virtual ns
	offset int64
	q      eventHeap
	ties   [evKinds]uint64 // SplitMix64 states of the tie-breaks; a fault added moves no other event's
	seq    uint32
	armed  []*timer // by event index
	free   []int32  // unused indexes of armed
	live   int      // timers pending
}

func (c *clock) wall() int64 { return epoch + c.now + c.offset }

// Now implements core.Clock.
func (c *clock) Now() core.Instant {
	return core.Instant{Wall: epoch + c.now + c.offset, Mono: monoStart + c.now}
}

// schedule puts an event into the heap.
func (c *clock) schedule(at int64, what eventKind, index int32) {
	c.ties[what] += golden
	c.seq++
	c.q.push(event{at: at, order: mix(c.ties[what])&^(1<<32-1) | uint64(c.seq), what: what, index: index})
}

// timer is a core.Timer. Stop and Reset only disown the event in the heap,
// which is then skipped when its time comes.
type timer struct {
	c    *clock
	f    func()
	slot int32 // in clock.armed; -1 = not pending
}

// AfterFunc implements core.Clock.
func (c *clock) AfterFunc(d time.Duration, f func()) core.Timer {
	t := &timer{c: c, f: f, slot: -1}
	t.arm(d)
	return t
}

func (t *timer) arm(d time.Duration) {
	c := t.c
	if n := len(c.free); n > 0 {
		t.slot = c.free[n-1]
		c.free = c.free[:n-1]
		c.armed[t.slot] = t
	} else {
		t.slot = int32(len(c.armed))
		c.armed = append(c.armed, t)
	}
	c.live++
	c.schedule(c.now+int64(max(d, 0)), evTimer, t.slot)
}

// Stop implements core.Timer.
func (t *timer) Stop() bool {
	if t.slot < 0 {
		return false
	}
	t.c.armed[t.slot] = nil // the slot is reused once its event has come up
	t.slot = -1
	t.c.live--
	return true
}

// Reset implements core.Timer.
func (t *timer) Reset(d time.Duration) bool {
	was := t.Stop()
	t.arm(d)
	return was
}

// due takes the timer of an event that has come up; nil when it was disowned.
func (c *clock) due(slot int32) *timer {
	t := c.armed[slot]
	c.armed[slot] = nil
	c.free = append(c.free, slot)
	if t != nil {
		t.slot = -1
		c.live--
	}
	return t
}
