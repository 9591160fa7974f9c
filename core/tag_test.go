package core

import "testing"

// A caller finds its own mark on each event that its call causes.
func TestEventsOfACallCarryItsTag(t *testing.T) {
	b := newBed(t)
	b.register("f", slots(1), queueSize(1))
	submit := func(function string, tag uint64) {
		_, _ = b.Submit(&Request{Function: function, Input: []byte("1"), IdempotencyKey: "key", Tag: tag})
	}
	submit("f", 7)
	submit("f", 8)
	submit("nobody", 9)
	for kind, want := range map[EventKind]uint64{EventAccepted: 7, EventIdempotentHit: 8, EventRejected: 9} {
		events := b.seen.of(kind)
		if len(events) != 1 {
			t.Fatalf("%s: %d events", kind, len(events))
		}
		wantEqual(t, kind.String(), events[0].Tag, want)
	}
}
