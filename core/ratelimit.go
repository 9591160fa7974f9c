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
// windows. A clock that goes back stays in the newest window seen.
type RateLimiter struct {
	limit atomic.Int64
	state atomic.Uint64 // window second << 32 | acquired in it
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

// fill leaves no place in the window that wall (Unix nanoseconds) falls in: what
// an earlier process has taken in it is not known.
func (l *RateLimiter) fill(wall int64) {
	l.state.Store(secondOf(wall)<<32 | MaxRatePerSecond)
}

func secondOf(wall int64) uint64 { return uint64(max(wall, 0)/int64(time.Second)) & (1<<32 - 1) }

// Acquire takes one place in the window that wall (Unix nanoseconds) falls in
// and reports whether there was one.
func (l *RateLimiter) Acquire(wall int64) bool {
	_, _, ok := l.take(wall)
	return ok
}

// take is Acquire, and returns which place of the window it is, from 1; 0 without
// a limit. If there was none it returns how many are taken. later says that the
// window is a newer one than wall's.
func (l *RateLimiter) take(wall int64) (place uint32, later, ok bool) {
	limit := l.limit.Load()
	if limit <= 0 {
		return 0, false, true
	}
	second := secondOf(wall)
	for {
		old := l.state.Load()
		next := second<<32 | 1
		if second <= old>>32 {
			if int64(old&(1<<32-1)) >= limit {
				return uint32(old), second < old>>32, false
			}
			next = old + 1
		}
		if l.state.CompareAndSwap(old, next) {
			return uint32(next), second < next>>32, true
		}
	}
}
