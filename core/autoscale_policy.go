package core

// scaleTimes are the pauses a replicaPolicy keeps, in elapsed ns.
type scaleTimes struct{ upCooldown, downCooldown, downWindow int64 }

// replicaPolicy turns the number of replicas that each evaluation asks for
// into one that does not flap: quickly up, slowly down. It reads no clock and
// keeps no more than a window of its own input.
type replicaPolicy struct {
	desired      int
	upAt, downAt int64 // elapsed ns of the last changes
	asked        slidingMax
}

// decide takes the number that one evaluation asks for and reports whether
// desired changed.
//
// Up, when upCooldown has passed since the last step up: new instances need
// that long to show in the metrics. A step that at least doubles the number,
// as any from zero, does not wait: there can only be few of them.
//
// Down, to the most that was asked for within downWindow, when downCooldown has
// passed since the last step either way and it is at least a fifth less: less
// than that is noise in the load. An idle function does not wait for the
// window; only an idle one goes to zero.
func (p *replicaPolicy) decide(now int64, want int, idle bool, t scaleTimes) bool {
	p.asked.forget(now - t.downWindow)
	p.asked.add(now, want)
	if want > p.desired {
		if now-p.upAt < t.upCooldown && want < 2*p.desired {
			return false
		}
		p.desired, p.upAt = want, now
		return true
	}
	floor := want
	if !idle {
		floor = max(p.asked.max(), 1)
	}
	if floor >= p.desired || (!idle && 5*(p.desired-floor) < p.desired) || now-max(p.upAt, p.downAt) < t.downCooldown {
		return false
	}
	p.desired, p.downAt = floor, now
	return true
}

// set makes n the number by hand and lets it count as asked for.
func (p *replicaPolicy) set(now int64, n int) bool {
	changed := p.desired != n
	p.desired, p.upAt, p.downAt = n, now, now
	p.asked.add(now, n)
	return changed
}

// slidingMax is the maximum of the values of a moving window: those that can
// still become it, so each is smaller than the one before.
type slidingMax struct{ items []timedValue }

type timedValue struct {
	at    int64
	value int
}

func (m *slidingMax) add(at int64, value int) {
	n := len(m.items)
	for n > 0 && m.items[n-1].value <= value {
		n--
	}
	m.items = append(m.items[:n], timedValue{at, value})
}

// forget drops values older than since.
func (m *slidingMax) forget(since int64) {
	n := 0
	for n < len(m.items) && m.items[n].at < since {
		n++
	}
	m.items = append(m.items[:0], m.items[n:]...)
}

// max is 0 when nothing is left.
func (m *slidingMax) max() int {
	if len(m.items) == 0 {
		return 0
	}
	return m.items[0].value
}
