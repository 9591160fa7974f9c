package core

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const sec = int64(time.Second)

func take(l *RateLimiter, wall int64, n int) (got int) {
	for range n {
		if l.Acquire(wall) {
			got++
		}
	}
	return got
}

func TestRateLimiterWindowIsAWholeSecond(t *testing.T) {
	l := NewRateLimiter(3)
	wantEqual(t, "late in second 5", take(l, 6*sec-1, 5), 3)
	wantEqual(t, "at the start of second 6", take(l, 6*sec, 5), 3)
	wantEqual(t, "at the end of second 6", take(l, 7*sec-1, 5), 0)
	wantEqual(t, "after a long pause", take(l, 900*sec, 5), 3)
}

func TestRateLimiterWithoutLimit(t *testing.T) {
	for _, n := range []int64{0, -1} {
		l := NewRateLimiter(n)
		wantEqual(t, "acquired", take(l, sec, 10_000), 10_000)
	}
	l := NewRateLimiter(1 << 40)
	wantEqual(t, "limit", l.Limit(), MaxRatePerSecond)
}

func TestRateLimiterClockGoingBackDoesNotResetTheWindow(t *testing.T) {
	l := NewRateLimiter(2)
	take(l, 100*sec, 2)
	wantEqual(t, "a second back", take(l, 99*sec, 5), 0)
	wantEqual(t, "back in the window", take(l, 100*sec, 5), 0)
	wantEqual(t, "before the epoch", take(l, -5*sec, 5), 0)
	wantEqual(t, "next window", take(l, 101*sec, 5), 2)
}

func TestRateLimiterLimitChangesInTheRunningWindow(t *testing.T) {
	l := NewRateLimiter(2)
	take(l, sec, 2)
	l.SetLimit(5)
	wantEqual(t, "raised", take(l, sec, 9), 3)
	l.SetLimit(1)
	wantEqual(t, "lowered", take(l, sec, 9), 0)
	wantEqual(t, "next window", take(l, 2*sec, 9), 1)
}

// A window never admits more than N and, asked often enough, never less.
func TestRateLimiterExactUnderConcurrency(t *testing.T) {
	const limit, windows, workers, perWindow = 50, 40, 8, 25
	l := NewRateLimiter(limit)
	var got atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for s := range windows {
				for i := range perWindow {
					// Nobody waits for the others: one who is late takes a place in
					// the newest window, so the sum is what is bounded.
					wall := int64(s)*sec + int64(w*perWindow+i)*1000
					if l.Acquire(wall) {
						got.Add(1)
					}
				}
			}
		})
	}
	wg.Wait()
	if n := got.Load(); n > windows*limit {
		t.Errorf("%d windows admitted %d, at most %d each", windows, n, limit)
	}

	// In step: all workers ask in the same window, which must fill up exactly.
	for s := range 200 {
		var n atomic.Int64
		for range workers {
			wg.Go(func() {
				for range limit {
					if l.Acquire(int64(1000+s) * sec) {
						n.Add(1)
					}
				}
			})
		}
		wg.Wait()
		wantEqual(t, "admitted in a window", n.Load(), limit)
	}
}

func TestRateLimiterModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Int64Range(1, 5).Draw(t, "limit")
		l := NewRateLimiter(limit)
		wall, window, used := int64(0), int64(0), int64(0)
		for range rapid.IntRange(1, 60).Draw(t, "calls") {
			wall = max(0, wall+rapid.Int64Range(-sec, sec).Draw(t, "step"))
			if s := wall / sec; s > window {
				window, used = s, 0
			}
			want := used < limit
			if want {
				used++
			}
			if got := l.Acquire(wall); got != want {
				t.Fatalf("at %d in window %d with %d of %d used: %v", wall, window, used, limit, got)
			}
		}
	})
}

func TestRateLimitOfCoreGlobalAndPerFunction(t *testing.T) {
	b := newBed(t, func(cfg *Config) { cfg.RateMaxPerSecond = 5 })
	b.register("f", func(in *SpecInput) { in.RateMaxPerSecond = ptr[int64](2) })
	b.register("g", slots(100))
	submit := func(name string) error {
		_, err := b.Submit(&Request{Function: name, Input: []byte(`1`)})
		return err
	}
	wantEqual(t, "f 1", submit("f"), nil)
	wantEqual(t, "f 2", submit("f"), nil)
	wantEqual(t, "f 3, over its own limit", submit("f"), error(ErrRateLimited))
	for range 3 {
		wantEqual(t, "g", submit("g"), nil)
	}
	wantEqual(t, "g, over the global limit", submit("g"), error(ErrRateLimited))
	wantEqual(t, "stored", b.Gauges().StoredExecutions, 5)
	b.clock.advance(time.Second)
	wantEqual(t, "next second", submit("g"), nil)
	b.SetRateMaxPerSecond(0)
	wantEqual(t, "limit off", b.RateMaxPerSecond(), 0)
	for range 20 {
		wantEqual(t, "no limit", submit("g"), nil)
	}
}

// A limiter that is shared has as many places as were granted of each window, and
// none of a window of which nothing was.
func TestSharedLimiterTakesWhatIsGranted(t *testing.T) {
	l := NewRateLimiter(100)
	l.Share()
	at := func(second uint64) int64 { return int64(second)*int64(time.Second) + 1 }
	took := func(second uint64) (n int) {
		for l.Acquire(at(second)) {
			n++
		}
		return n
	}
	if n := took(50); n != 0 {
		t.Errorf("%d places before any grant", n)
	}
	l.Grant(51, 3)
	l.Grant(52, 5)
	if n := took(51); n != 3 {
		t.Errorf("%d places of 3", n)
	}
	l.Grant(51, 4)
	l.Grant(51, 2) // of an older answer
	if n := took(51); n != 1 {
		t.Errorf("%d places more, of one", n)
	}
	if n := took(52); n != 5 {
		t.Errorf("%d places of 5", n)
	}
	if n := took(51); n != 0 { // the clock was set back: the newest window counts
		t.Errorf("%d places of a window that is full", n)
	}
	l.Grant(56, 9) // at the place of 52
	l.Grant(52, 100)
	if l.Granted(52) != 0 || l.Granted(56) != 9 {
		t.Errorf("granted %d and %d", l.Granted(52), l.Granted(56))
	}
	l.SetLimit(0)
	if !l.Acquire(at(52)) {
		t.Error("no limit, and yet refused")
	}
}
