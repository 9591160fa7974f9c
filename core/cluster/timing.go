package cluster

import "time"

// Timing are the durations by which members watch one another. All are > 0.
type Timing struct {
	// Renew is the time between two renewals of a member's record.
	Renew time.Duration
	// Stop is when a member that could not renew stops, counted from when it sent the
	// last renewal that succeeded. Gone is when the others take over what it owned,
	// counted from when they heard of that renewal: Stop < Gone, by more than clocks
	// drift meanwhile.
	Stop, Gone time.Duration
	// Settle is how long membership must be unchanged before partitions are claimed, or
	// given up: what one gives up others can claim at once.
	Settle time.Duration
	// Again is the pause before what has failed is tried again.
	Again time.Duration
	// Tick is how often Machine.Tick is to be called.
	Tick time.Duration
}

// DefaultTiming is the design's: a lease of 6 s, of which the owner uses 4.5.
func DefaultTiming() Timing {
	return Timing{Renew: 1500 * time.Millisecond, Stop: 4500 * time.Millisecond, Gone: 6 * time.Second,
		Settle: 500 * time.Millisecond, Again: 200 * time.Millisecond, Tick: 100 * time.Millisecond}
}
