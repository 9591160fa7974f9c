package core

import "time"

// realClock is the machine's clock, for benchmarks and concurrency tests.
type realClock struct{ start time.Time }

func newRealClock() realClock { return realClock{time.Now()} }

func (c realClock) Now() Instant {
	d := time.Since(c.start)
	return Instant{Wall: c.start.UnixNano() + int64(d), Mono: int64(d)}
}

func (c realClock) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }
