package loadgen

import (
	"context"
	"time"

	"simplane/bench/arrival"
	"simplane/bench/nap"
)

// Waking costs tens of microseconds of CPU that the server may need, so above
// wakesPerSecond due requests are released in small batches. The lateness this
// adds is part of the latency (it counts from the intended time) and is
// reported as schedule slip.
const wakesPerSecond = 10_000

// longestNap bounds the time until a cancelled run ends.
const longestNap = 20 * time.Millisecond

// job is one request that has come due.
type job struct {
	intended time.Duration // from the start of the run
	released time.Duration // when the pacer handed it over
	pick     Pick
	full     bool // every connection had a request then, or one that waited for it
}

// pace releases each request of the schedule at its time, until end or until
// release answers false.
func pace(ctx context.Context, s *arrival.Schedule, rate float64, start time.Time, end time.Duration, release func(job) bool) error {
	timer, err := nap.New()
	if err != nil {
		return err
	}
	defer timer.Close()
	var shortest time.Duration
	if rate > wakesPerSecond {
		shortest = time.Second / wakesPerSecond
	}
	for {
		at := s.Next()
		if at >= end {
			return nil
		}
		now := time.Since(start)
		for now < at {
			if ctx.Err() != nil {
				return nil
			}
			if err := timer.Sleep(min(max(at-now, shortest), longestNap)); err != nil {
				return err
			}
			now = time.Since(start)
		}
		if !release(job{intended: at, released: now}) {
			return nil
		}
	}
}
