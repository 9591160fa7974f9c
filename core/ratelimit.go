package core

import (
	"sync/atomic"
	"time"
)

// RateLimiter admits at most N acquisitions in each window of one second,
// aligned to whole seconds of the wall clock. It is exact under concurrency.
//
// Window and count share one word, so that one compare-and-swap both moves to
// a new window and takes its first place: no acquisition can fall between two
// windows. A clock that goes back stays in the newest window seen until a
// second has really passed: being set right after running ahead must neither
// open a window twice nor shut the limiter until the wall catches up.
type RateLimiter struct {
	limit atomic.Int64
	state atomic.Uint64 // window second << 32 | acquired in it
	// opened tells when the window was opened: elapsed ms << 24 | low bits of
	// its second. It is written after state; a reader that meets the stamp of
	// another window knows nothing and stays.
	opened atomic.Uint64
}

// MaxRatePerSecond is the largest limit: the count has 32 bits.
const MaxRatePerSecond = 1<<32 - 1

// NewRateLimiter returns a limiter of limit acquisitions a second; limit <= 0
// means no limit.
func NewRateLimiter(limit int64) *RateLimiter {
	l := &RateLimiter{}
	l.SetLimit(limit)
	return l
}

// SetLimit changes the limit, also for the window that is running. A limit
// above MaxRatePerSecond is held down to it; limit <= 0 means no limit.
func (l *RateLimiter) SetLimit(limit int64) {
	l.limit.Store(min(limit, MaxRatePerSecond))
}

// Limit is the limit in force; <= 0 means none.
func (l *RateLimiter) Limit() int64 { return l.limit.Load() }

// Acquire is AcquireAt with no elapsed time known: a clock that goes back
// stays in the newest window for good.
func (l *RateLimiter) Acquire(wall int64) bool { return l.AcquireAt(Instant{Wall: wall}) }

// AcquireAt takes one place in the window that now.Wall falls in and reports
// whether there was one.
func (l *RateLimiter) AcquireAt(now Instant) bool {
	limit := l.limit.Load()
	if limit <= 0 {
		return true
	}
	second := uint64(max(now.Wall, 0)/int64(time.Second)) & (1<<32 - 1)
	for {
		old := l.state.Load()
		window := old >> 32
		if second > window || (second < window && l.outlived(window, now)) {
			if l.state.CompareAndSwap(old, second<<32|1) {
				l.opened.Store(openedStamp(second, now))
				return true
			}
			continue
		}
		if int64(old&(1<<32-1)) >= limit {
			return false
		}
		if l.state.CompareAndSwap(old, old+1) {
			return true
		}
	}
}

const stampBits = 24

func openedStamp(window uint64, now Instant) uint64 {
	millis := (now.Mono + int64(time.Millisecond) - 1) / int64(time.Millisecond) // up: never early
	return uint64(millis)<<stampBits | window&(1<<stampBits-1)
}

// outlived says that the window was opened a second or more before now.
func (l *RateLimiter) outlived(window uint64, now Instant) bool {
	stamp := l.opened.Load()
	return stamp&(1<<stampBits-1) == window&(1<<stampBits-1) &&
		now.Mono/int64(time.Millisecond)-int64(stamp>>stampBits) >= 1000
}
