package main

import (
	"sync"
	"sync/atomic"
	"time"
)

// tracker looks executions up until they have ended, each at growing
// intervals, and once more afterwards.
type tracker struct {
	c       *client
	l       *ledger
	places  chan struct{} // bounds the look-ups under way
	pending atomic.Int64
	lookups atomic.Int64
	wg      sync.WaitGroup
}

func newTracker(c *client, l *ledger) *tracker {
	return &tracker{c: c, l: l, places: make(chan struct{}, 32)}
}

// follow returns at once.
func (t *tracker) follow(id string) {
	t.pending.Add(1)
	t.wg.Add(1)
	t.after(20*time.Millisecond, id, false)
}

func (t *tracker) after(wait time.Duration, id string, ended bool) {
	time.AfterFunc(wait, func() {
		t.places <- struct{}{}
		done := t.once(id)
		<-t.places
		switch {
		case done && ended:
			t.pending.Add(-1)
			t.wg.Done()
		case done:
			t.after(500*time.Millisecond, id, true) // nothing may have changed then
		default:
			t.after(min(2*wait, 500*time.Millisecond), id, false)
		}
	})
}

// once looks an execution up and reports whether it has ended.
func (t *tracker) once(id string) bool {
	t.lookups.Add(1)
	asked := time.Now()
	s, found, err := t.c.execution(id)
	switch {
	case err != nil:
		t.l.violate("%v", err)
		return true
	case !found:
		t.l.violate("id %s is gone before its time", id)
		return true
	}
	return t.l.look(s, asked)
}
