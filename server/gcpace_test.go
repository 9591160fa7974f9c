package server

import (
	"math"
	"runtime/debug"
	"testing"
)

func TestGarbageMayBeFourTimesTheRecordsAndOnceThePayloads(t *testing.T) {
	const gib = 1 << 30
	for _, c := range []struct {
		records, payloads int64
		want              int
	}{
		{0, 0, 400},
		{gib, 0, 400},
		{gib, gib, 250},
		{0, restBytes, 250},
		{0, 1 << 50, 100},
		{16 * gib, 4 * gib, 340},
	} {
		if got := percentFor(c.records, c.payloads); math.Abs(float64(got-c.want)) > 1 {
			t.Errorf("%d bytes of records and %d of payloads: %d %%, want %d", c.records, c.payloads, got, c.want)
		}
	}
}

func TestThePercentFollowsWhatIsStored(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(77))
	set := func() int {
		now := debug.SetGCPercent(77)
		debug.SetGCPercent(now)
		return now
	}
	var p pacer
	p.follow(0, 1<<40)
	if got := set(); got != 77 {
		t.Errorf("a setting that is not this server's became %d %%", got)
	}
	p.begin()
	for _, c := range []struct {
		payloads int64
		want     int
	}{{0, 400}, {1 << 20, 400}, {restBytes, 250}, {restBytes * 11 / 10, 250}, {1 << 40, 100}, {0, 400}} {
		p.follow(0, c.payloads)
		if got := set(); got != c.want {
			t.Errorf("with %d bytes of payload: %d %%, want %d", c.payloads, got, c.want)
		}
	}
}
