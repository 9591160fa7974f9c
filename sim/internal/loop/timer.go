package loop

import "time"

// Timer is a pending call. Stop and Reset only disown its event in the heap,
// which is skipped when its time comes.
type Timer struct {
	l    *Loop
	f    func()
	slot int32 // in Loop.armed; -1 = not pending
}

func (t *Timer) arm(d time.Duration) {
	l := t.l
	if n := len(l.free); n > 0 {
		t.slot = l.free[n-1]
		l.free = l.free[:n-1]
		l.armed[t.slot] = t
	} else {
		t.slot = int32(len(l.armed))
		l.armed = append(l.armed, t)
	}
	l.live++
	l.timers.In(int64(max(d, 0)), t.slot)
}

// Stop prevents a pending call and reports whether there was one.
func (t *Timer) Stop() bool {
	if t.slot < 0 {
		return false
	}
	t.l.armed[t.slot] = nil // the slot is used again once its event has come up
	t.slot = -1
	t.l.live--
	return true
}

// Reset has the call made d from now, and reports whether one was pending.
func (t *Timer) Reset(d time.Duration) bool {
	was := t.Stop()
	t.arm(d)
	return was
}

// take frees the slot of an event that has come up and returns its timer; nil
// when that was stopped.
func (l *Loop) take(slot int32) *Timer {
	t := l.armed[slot]
	l.armed[slot] = nil
	l.free = append(l.free, slot)
	if t != nil {
		t.slot = -1
		l.live--
	}
	return t
}
