// Package loop is virtual time: a clock and what is due on it. It knows
// nothing of functions or of core, so that everything simulated, one node or
// several, can share it.
package loop

import (
	"time"

	"simplane/sim/internal/random"
)

// Loop is a virtual clock with a heap of events. It is for one goroutine.
//
// Events of equal time come in an order that the seed decides. Each Source has
// a stream of tie-breaks of its own, so that an event added to one moves no
// event of another.
type Loop struct {
	now     int64 // virtual ns
	q       eventHeap
	seq     uint32
	seed    uint64
	sources []*Source
	timers  *Source
	armed   []*Timer // by event index; nil = stopped
	free    []int32  // unused indexes of armed
	live    int      // timers pending

	leave   func(to int64) bool
	handled int64
	since   int64 // handled when virtual time last advanced
}

// timerTies is the stream of the timers' tie-breaks. The number is part of
// every golden digest.
const timerTies = 3

// New is a loop at virtual time 0. leave is called before virtual time moves,
// when everything of the old time has happened; when it returns false the
// loop takes no further event. nil = nobody is asked.
func New(seed uint64, leave func(to int64) bool) *Loop {
	l := &Loop{seed: random.Mix(seed), leave: leave}
	l.timers = l.Source(timerTies, nil)
	return l
}

// Now is virtual time in ns, from 0.
func (l *Loop) Now() int64 { return l.now }

// Pending is how many events are in the heap; those of stopped timers stay in
// it until their time comes.
func (l *Loop) Pending() int { return len(l.q) }

// Timers is how many timers are pending.
func (l *Loop) Timers() int { return l.live }

// Handled is how many events have been handled, and how many of them at the
// present instant.
func (l *Loop) Handled() (all, now int64) { return l.handled, l.handled - l.since }

// Source is one kind of event.
type Source struct {
	l      *Loop
	handle func(index int32)
	ties   uint64 // state of a SplitMix64 generator
	number uint8
}

// Source adds a kind of event. handle gets the index that an event was
// scheduled with; ties is the number of its stream of tie-breaks, another one
// for each source.
func (l *Loop) Source(ties uint64, handle func(index int32)) *Source {
	s := &Source{l: l, handle: handle, number: uint8(len(l.sources)), ties: random.Mix(l.seed + ties*random.Step)}
	l.sources = append(l.sources, s)
	return s
}

// At schedules an event at a virtual time, which must not lie in the past.
func (s *Source) At(at int64, index int32) {
	l := s.l
	s.ties += random.Step
	l.seq++
	l.q.push(event{at: at, order: random.Mix(s.ties)&^(1<<32-1) | uint64(l.seq), source: s.number, index: index})
}

// In schedules an event d ns from now.
func (s *Source) In(d int64, index int32) { s.At(s.l.now+d, index) }

// Step handles the earliest event, if there is one at or before limit. False
// when there is none, or when virtual time was not let go on.
func (l *Loop) Step(limit int64) bool {
	for len(l.q) > 0 && l.q[0].at <= limit {
		ev := l.q.pop()
		if ev.source == l.timers.number && l.armed[ev.index] == nil {
			l.take(ev.index) // stopped
			continue
		}
		if ev.at > l.now && !l.AdvanceTo(ev.at) {
			return false
		}
		l.handled++
		if ev.source == l.timers.number {
			l.take(ev.index).f()
		} else {
			l.sources[ev.source].handle(ev.index)
		}
		return true
	}
	return false
}

// AdvanceTo moves virtual time on, with no event before to. It returns what
// leave said.
func (l *Loop) AdvanceTo(to int64) bool {
	going := l.leave == nil || l.leave(to)
	l.now = to
	l.since = l.handled
	return going
}

// Look calls f with the clock at another time, and puts it back. f must only
// read: nothing may be scheduled.
func (l *Loop) Look(at int64, f func()) {
	now := l.now
	l.now = at
	f()
	l.now = now
}

// AfterFunc calls f once after d, or as soon as possible when d <= 0.
func (l *Loop) AfterFunc(d time.Duration, f func()) *Timer {
	t := &Timer{l: l, f: f, slot: -1}
	t.arm(d)
	return t
}
