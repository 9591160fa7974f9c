package sim

import (
	"time"

	"simplane/core"
)

// The order of work where late calls are passed over, and the waits that sync admission
// estimates, rest on what core has seen of earlier calls. The checker keeps the same figures
// by itself, in the same whole numbers.

// serviceModel is how long a function's attempts take: a smoothed mean and mean deviation.
type serviceModel struct{ n, mean, dev int64 }

const successesNeeded = 8

// serves notes an attempt's first answer.
func (c *checker) serves(rec *record, status core.Status) {
	if status != core.Success {
		return
	}
	s, took := &rec.fn.service, c.w.clock.Now().Mono-rec.startedMono
	if s.n++; s.n == 1 {
		s.mean, s.dev = took, took/2
		return
	}
	off := took - s.mean
	s.mean += off / 8
	if off < 0 {
		off = -off
	}
	s.dev += (off - s.dev) / 4
}

// isLate says that an execution will hardly end before its caller's deadline.
func (s *serviceModel) isLate(rec *record, now int64) bool {
	likely := int64(0)
	if s.n >= successesNeeded {
		likely = s.mean + 4*s.dev
	}
	return rec.sync && rec.createdMono+rec.timeout-now < min(likely, rec.timeout/2)
}

// inOrder checks that rec is the one to go next: the head of the queue. When late calls are
// passed over, heads that are late wait until nobody else is left, in their order.
// drain-once passes nobody over.
func (c *checker) inOrder(f *generation, rec *record, slot int32, now int64) {
	w := c.w
	if c.cfg.PassOverLate && c.unknownService {
		for f.head >= 0 && f.head != slot && w.violation == nil {
			c.mayPassOver(f, rec, now)
		}
		return
	}
	for c.cfg.PassOverLate && c.drainOf != f && f.head >= 0 && f.service.isLate(&w.all[f.head], now) {
		c.passOver(f)
	}
	next := f.head
	if next < 0 {
		next = f.lateHead
	}
	if next >= 0 && next != slot {
		w.fail("FIFO", "%s: execution #%d was dispatched before #%d, which is ahead of it", f.name, rec.number, w.all[next].number)
	}
}

// passOver puts the head of the queue to those that wait until nobody else is left.
func (c *checker) passOver(f *generation) {
	slot := f.head
	head := &c.w.all[slot]
	c.w.unlink(f, head)
	head.passed = true
	c.w.append(f, head, slot)
}

// mayPassOver is for when it is not known how long the function's attempts take: rec may go
// before a sync call with less than half of its time left.
func (c *checker) mayPassOver(f *generation, rec *record, now int64) {
	head := &c.w.all[f.head]
	if left := head.createdMono + head.timeout - now; !head.sync || left >= head.timeout/2 {
		c.w.fail("FIFO", "%s: execution #%d was dispatched before #%d, which is ahead of it", f.name, rec.number, head.number)
		return
	}
	c.passOver(f)
}

// completionModel is how many executions have ended by their functions' work, in each of the
// last seconds of elapsed time.
type completionModel struct {
	seconds []int64 // of each, oldest first
	since   int64   // elapsed ns of the first since there was none
}

const (
	estimateSeconds = 10
	estimateEnds    = 3 // so many of a function are enough
)

func (m *completionModel) forget(now int64) {
	n := 0
	for n < len(m.seconds) && m.seconds[n] <= now/int64(time.Second)-estimateSeconds {
		n++
	}
	m.seconds = m.seconds[n:]
}

func (m *completionModel) add(now int64) {
	if m.forget(now); len(m.seconds) == 0 {
		m.since = now
	}
	m.seconds = append(m.seconds, now/int64(time.Second))
}

// completions notes an end that a function's own work has led to.
func (c *checker) completions(f *generation, now int64) {
	if c.cfg.SyncQueue.Enabled {
		f.completions.add(now)
		c.allCompletions.add(now)
	}
}

// estimate is the wait that a call of f can expect; 0 when nothing is known.
func (c *checker) estimate(f *generation, now int64) time.Duration {
	m, depth := &f.completions, f.queued
	if m.forget(now); len(m.seconds) < estimateEnds {
		m, depth = &c.allCompletions, c.syncQueued
		m.forget(now)
	}
	if len(m.seconds) == 0 {
		return 0
	}
	span := min(max(now-m.since, int64(time.Second)), estimateSeconds*int64(time.Second))
	return time.Duration(int64(depth) * span / int64(len(m.seconds)))
}
