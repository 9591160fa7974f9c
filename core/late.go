package core

// A full FIFO queue whose callers have deadlines has its longest waiter at
// the head: it is dispatched just before its deadline, answers just after it,
// and the work is wasted. Under sustained overload that can become nearly all
// work, and it stays so after the load has fallen to what the function can
// do: retries keep the queue full. So a head that is likely to be too late is
// passed over by those behind it (Config.PassOverLate). It stays queued, to
// run if the queue empties in time or to time out at its own deadline.

// serviceTime is a smoothed mean and mean deviation of how long a function's
// attempts take, also those whose callers were told of a timeout meanwhile. One
// that answers after its own time has lost its slot before, and is not counted: its
// execution may have been evicted, so that a recording that begins later would not
// know it. Integer arithmetic, so that it replays.
// The function's lock guards it.
type serviceTime struct {
	samples   int64
	mean, dev int64 // ns
}

// minSamples is how many attempts must have succeeded before the estimate is
// used.
const minSamples = 8

func (s *serviceTime) add(ns int64) {
	s.samples++
	if s.samples == 1 {
		s.mean, s.dev = ns, ns/2
		return
	}
	diff := ns - s.mean
	s.mean += diff / 8
	s.dev += (max(diff, -diff) - s.dev) / 4
}

// likely is a time within which most attempts end; 0 when not known.
func (s *serviceTime) likely() int64 {
	if s.samples < minSamples {
		return 0
	}
	return s.mean + 4*s.dev
}

// late reports whether ex will hardly finish before its caller's deadline. It
// does not with more than half of the time left, so that work which has not
// waited long always runs, however wrong the estimate.
func (fn *Function) late(ex *execution, now Instant) bool {
	deadline := ex.callerDeadline()
	return deadline > 0 && deadline-now.Mono < min(fn.service.likely(), ex.timeout/2)
}

// lanes is a function's queue: a FIFO, and beside it those of its heads that
// were passed over, in order too.
type lanes struct {
	live        int // in both
	fresh, late ring
}

func (q *lanes) push(ex *execution) {
	ex.passed = false
	q.fresh.push(ex)
	q.live++
}

// first is what pop would take; it stays where it is.
func (q *lanes) first() *execution {
	switch {
	case q.fresh.live > 0:
		return q.fresh.first()
	case q.late.live > 0:
		return q.late.first()
	}
	return nil
}

// pop takes the oldest that was not passed over, or else the oldest; nil when
// there is none.
func (q *lanes) pop() *execution {
	ex := q.fresh.pop()
	if ex == nil {
		ex = q.late.pop()
	}
	if ex != nil {
		q.live--
	}
	return ex
}

// remove takes ex, which must be queued here, and keeps the order of the rest.
func (q *lanes) remove(ex *execution) {
	if ex.passed {
		q.late.remove(ex)
	} else {
		q.fresh.remove(ex)
	}
	q.live--
}

// first is the execution to run next, which dequeue takes: the first one that is
// not late, or else the first one, since nothing else waits then. Each is passed
// over once at most. The caller holds fn.mu and has seen that the queue is not
// empty.
func (fn *Function) first(now Instant) *execution {
	if fn.core.cfg.PassOverLate {
		q := &fn.queue
		for q.fresh.live > 0 && fn.late(q.fresh.first(), now) {
			ex := q.fresh.pop()
			ex.passed = true
			q.late.push(ex)
		}
	}
	return fn.queue.first()
}
