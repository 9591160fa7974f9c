package core

import "time"

// RateLimiter admits at most N acquisitions in each window of one second,
// aligned to whole seconds of the wall clock. It is exact under concurrency.
//
// Window and count share one word, so that one compare-and-swap both moves to
// a new window and takes its first place: no acquisition can fall between two
// windows. A clock that goes back stays in the newest window seen.
type RateLimiter struct {
	limit atomicInt64
	state atomicUint64 // window second << 32 | acquired in it
	// Where several processes share a limit, each has what it was granted of a window:
	// second << 32 | places, at second % grantedWindows.
	shared atomicBool
	grants [grantedWindows]atomicUint64
}

// grantedWindows is how many windows that follow one another have grants.
const grantedWindows = 4

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

// Share has the limit shared with other processes: while there is one, a window has
// as many places as were granted to this process, and none before.
func (l *RateLimiter) Share() { l.shared.Store(true) }

// Shared says that Share was called.
func (l *RateLimiter) Shared() bool { return l.shared.Load() }

// Grant gives the window of a second of Unix time n places in all, of those of the
// limit. A grant of a newer second takes the place of an older one's.
func (l *RateLimiter) Grant(second uint64, n int64) {
	g := &l.grants[second%grantedWindows]
	next := second<<32 | uint64(min(max(n, 0), MaxRatePerSecond))
	for {
		old := g.Load()
		if old>>32 > second || old>>32 == second && old >= next || g.CompareAndSwap(old, next) {
			return
		}
	}
}

// Used is how many places of the window of a second are taken.
func (l *RateLimiter) Used(second uint64) int64 {
	if s := l.state.Load(); s>>32 == second {
		return int64(s & (1<<32 - 1))
	}
	return 0
}

// Granted is how many places were granted of the window of a second.
func (l *RateLimiter) Granted(second uint64) int64 {
	if g := l.grants[second%grantedWindows].Load(); g>>32 == second {
		return int64(g & (1<<32 - 1))
	}
	return 0
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
	shared := l.shared.Load()
	for {
		old := l.state.Load()
		if shared {
			if limit = l.Granted(max(second, old>>32)); limit == 0 {
				return 0, second < old>>32, false
			}
		}
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
