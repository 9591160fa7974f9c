// Package epollload is an HTTP client for load tests that leaves as much of
// the machine to the server as it can: one goroutine, one epoll instance, no
// allocation per request. bench/loadgen offers mixes, TLS, idempotency keys
// and a time series, and pays for a goroutine per connection; on a machine
// with two cores such a client competes with the server and hides its limit.
//
// Latencies are exact and go into an HDR histogram without any correction: in
// a closed loop they count from the write of the request, in an open loop from
// the time at which the request was due.
package epollload

import (
	"errors"
	"fmt"
	"time"

	"simplane/bench/latency"
	"simplane/bench/loadgen"
)

// ErrUnsupported is what Run returns on systems without epoll.
var ErrUnsupported = errors.New("this load client needs epoll: it runs on Linux only")

// Result is what one run measured. Requests that were due, or in a closed loop
// sent, before the end of the warm-up are not in it.
type Result struct {
	OK, Failed int64
	// Unsent requests of an open loop were due but found no connection.
	Unsent int64
	// Answered successes came within Measured, the time between the end of
	// the warm-up and the end of the load.
	Answered int64
	Measured time.Duration
	// ServerCPU and ClientCPU were used within Measured.
	ServerCPU, ClientCPU time.Duration
	// Latency holds nanoseconds, failures included.
	Latency *latency.Histogram
	// Late has how long after their due time requests of an open loop were
	// released, in nanoseconds; the client causes it.
	Late        *latency.Histogram
	Failures    []loadgen.Failure
	Interrupted bool
}

// Throughput is successes per second.
func (r *Result) Throughput() float64 {
	if r.Measured <= 0 {
		return 0
	}
	return float64(r.Answered) / r.Measured.Seconds()
}

// Validate reports options that this client does not support.
func Validate(o loadgen.Options) error {
	if err := o.Validate(); err != nil {
		return err
	}
	if len(o.Targets) != 1 {
		return fmt.Errorf("this client sends one kind of request, not a mix of %d targets", len(o.Targets))
	}
	_, _, err := encodeAll(o)
	return err
}
