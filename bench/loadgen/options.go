// Package loadgen sends HTTP load and measures it without coordinated
// omission: an open loop keeps its schedule whatever the answers and counts
// each latency from the intended send time.
package loadgen

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"simplane/bench/arrival"
)

// Options describe one run.
type Options struct {
	Targets []Target
	// Connections bounds requests in flight, 1..MaxConnections. In a closed
	// loop it is the load itself.
	Connections int
	// Rate in requests per second makes an open loop; 0 is a closed loop.
	Rate    float64
	Arrival arrival.Kind // for an open loop; empty means Constant
	// Stages make an open loop whose rate changes, in place of Rate, Warmup and
	// Duration.
	Stages []arrival.Stage
	Seed   uint64 // of the Poisson schedule, the mix and pooled keys

	Warmup   time.Duration // sent but not recorded
	Duration time.Duration // recorded
	Timeout  time.Duration // per request, from its real send time

	// Backlog bounds requests that are due while every connection is busy;
	// more are counted as unsent. 0 chooses Rate x Timeout within reason.
	Backlog int
	// StopOnUnsent ends an open loop early once the backlog has overflowed.
	StopOnUnsent bool

	// Idempotency adds an Idempotency-Key: 0 none, -1 a fresh one each,
	// n > 0 one of n keys at random.
	Idempotency int

	// Protocol is one of Protocols; empty means HTTP1. With the others Connections
	// bounds requests in flight, which share connections.
	Protocol string

	Insecure bool // do not verify TLS certificates
	// FullHistograms adds curve and encoded histogram to each summary.
	FullHistograms bool
}

// Bounds of one run.
const (
	MaxConnections = 20_000
	MaxDuration    = 24 * time.Hour
	maxBacklog     = 1_000_000
	maxKeys        = 10_000_000
)

// staged has the stages of o in its rate and duration too, where there are any.
func (o Options) staged() Options {
	if len(o.Stages) > 0 {
		o.Rate, o.Warmup, o.Duration = arrival.Mean(o.Stages), 0, arrival.Length(o.Stages)
	}
	return o
}

// schedule is that of an open loop.
func (o Options) schedule() (*arrival.Schedule, error) {
	if len(o.Stages) > 0 {
		return arrival.NewStages(o.arrival(), o.Stages, o.Seed)
	}
	return arrival.New(o.arrival(), o.Rate, o.Seed)
}

// highest is the highest rate of the schedule.
func (o Options) highest() float64 {
	top := o.Rate
	for _, s := range o.Stages {
		top = max(top, s.From, s.To)
	}
	return top
}

// Validate reports everything that makes the options unusable.
func (o Options) Validate() error {
	var errs []error
	if len(o.Stages) > 0 {
		if _, err := o.schedule(); err != nil {
			return err
		}
		o = o.staged()
	}
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(o.Targets) == 0 || len(o.Targets) > MaxTargets {
		bad("%d targets: want 1 to %d", len(o.Targets), MaxTargets)
	}
	for _, t := range o.Targets {
		if err := t.validate(); err != nil {
			errs = append(errs, err)
		}
	}
	if o.Protocol != "" && !slices.Contains(Protocols(), o.Protocol) {
		bad("protocol %q is unknown: want %s", o.Protocol, strings.Join(Protocols(), ", "))
	}
	for _, t := range o.Targets {
		if o.Protocol == GRPC && t.Method != "" && t.Method != "POST" && t.Method != "GET" {
			bad("target %s has method %s: gRPC calls are POST", t.Name, t.Method)
		}
	}
	if o.Connections < 1 || o.Connections > MaxConnections {
		bad("connections %d is out of range: want 1 to %d", o.Connections, MaxConnections)
	}
	if o.Rate != 0 {
		if _, err := o.schedule(); err != nil {
			errs = append(errs, err)
		}
	}
	if o.Duration <= 0 || o.Duration > MaxDuration {
		bad("duration %v is out of range: want more than 0 and at most %v", o.Duration, MaxDuration)
	}
	if o.Warmup < 0 || o.Warmup > MaxDuration {
		bad("warmup %v is out of range: want 0 to %v", o.Warmup, MaxDuration)
	}
	if o.Timeout <= 0 || o.Timeout > 2*time.Minute {
		bad("timeout %v is out of range: want more than 0 and at most 2m", o.Timeout)
	}
	if o.Backlog < 0 || o.Backlog > maxBacklog {
		bad("backlog %d is out of range: want 0 to %d", o.Backlog, maxBacklog)
	}
	if o.Idempotency < -1 || o.Idempotency > maxKeys {
		bad("idempotency keys %d is out of range: want at most %d", o.Idempotency, maxKeys)
	}
	return errors.Join(errs...)
}

func (o Options) arrival() arrival.Kind {
	if o.Arrival == "" {
		return arrival.Constant
	}
	return o.Arrival
}

func (o Options) backlog() int {
	if o.Backlog > 0 {
		return o.Backlog
	}
	// What could pile up in one timeout, so that a stall shorter than that
	// loses nothing.
	return max(1000, min(maxBacklog, int(o.highest()*o.Timeout.Seconds())))
}
