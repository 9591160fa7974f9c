package core

import (
	"testing"
	"time"
)

// TestSweepKeepsNoExecutions: the buffers that a sweep leaves to the next one refer to
// nothing that it has met, and are bounded.
func TestSweepKeepsNoExecutions(t *testing.T) {
	b := newBed(t, shortLives)
	b.register("f")
	for range 3 {
		b.enqueue("f")
		b.work.next(t).Complete(success(`"out"`))
	}
	b.clock.advance(31 * time.Second)
	b.Sweep()
	b.clock.advance(31 * time.Second)
	b.Sweep()
	wantEqual(t, "stored", b.Gauges().StoredExecutions, 0)
	s := b.sweeper.Load()
	if cap(s.due) == 0 || cap(s.work.evicted) == 0 {
		t.Fatal("a sweep has kept no buffers")
	}
	for _, a := range s.due[:cap(s.due)] {
		wantEqual(t, "due", a.item, nil)
	}
	for _, ex := range s.work.evicted[:cap(s.work.evicted)] {
		wantEqual(t, "evicted", ex, nil)
	}
	for _, a := range s.work.looks[:cap(s.work.looks)] {
		wantEqual(t, "to be looked at again", a.item, nil)
	}
	for _, ev := range s.work.events[:cap(s.work.events)] {
		wantEqual(t, "events", ev.ex, nil)
	}
	wantEqual(t, "room of a burst", cap(emptied(make([]int, sweeperKeeps+1))), 0)
}
