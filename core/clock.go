package core

import "time"

// Instant is one reading of a Clock.
type Instant struct {
	// Wall is nanoseconds since the Unix epoch. It may jump either way.
	Wall int64
	// Mono is elapsed nanoseconds since an arbitrary start. It never goes back.
	Mono int64
}

// WallMillis is the wall reading in milliseconds since the Unix epoch.
func (i Instant) WallMillis() int64 { return i.Wall / int64(time.Millisecond) }

// after is the instant d later, as it is seen now.
func (i Instant) after(d time.Duration) Instant {
	return Instant{Wall: i.Wall + int64(d), Mono: i.Mono + int64(d)}
}

// Clock is core's only source of time. Ages (TTLs) and rate windows follow
// the wall reading; deadlines and waits follow elapsed time.
type Clock interface {
	Now() Instant
	// AfterFunc calls f once after d of elapsed time, never before it returns.
	// d <= 0 means as soon as possible.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer is a pending AfterFunc call. *time.Timer satisfies it.
type Timer interface {
	// Stop prevents a pending call and reports whether there was one.
	Stop() bool
	// Reset re-arms the timer to fire after d from now.
	Reset(d time.Duration) bool
}
