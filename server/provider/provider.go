// Package provider defines how DEPLOYMENT functions are run: the interface a
// provider implements, the plain structs that cross it, and the parts every
// provider needs (load balancing, the HTTP call, log rings, status watching).
//
// The package knows nothing of the engine; the server converts a function
// spec to a Deployment and an execution to an Invocation.
package provider

import (
	"context"
	"errors"
)

// Provider runs deployments and delivers invocations to them. Methods are safe
// for concurrent use. None blocks on the functions themselves longer than its
// context allows; work that outlives the context goes on in the background.
type Provider interface {
	// Provision makes the deployment exist as described and returns once that
	// is recorded, not once it is ready. Provisioning an unchanged deployment
	// changes nothing but that a rollout that failed is tried again. What a change
	// does not need new instances for holds at once; otherwise new ones are
	// started first, and take over from the old ones, which end as their
	// invocations do. If none gets ready the old ones stay, and Status.Rollout
	// says so. Invocations go on and wait over any change. The error is or
	// wraps an *InvalidError when it is d that is wrong.
	Provision(ctx context.Context, d Deployment) error

	// Deprovision ends the waiting invocations of a function with
	// FUNCTION_DELETED, lets the running ones finish within the provider's
	// drain time, and stops the instances. It returns when they are gone or
	// with ctx's error, in which case stopping goes on. ErrNotFound if unknown.
	Deprovision(ctx context.Context, name string) error

	// Leave forgets a function that another control plane runs from now on, and ends
	// its waiting invocations. Instances on this machine are stopped as by
	// Deprovision; those elsewhere are left to the other one. It returns at once.
	// ErrNotFound if unknown.
	Leave(name string) error

	// SetReplicas sets the number of instances wanted, 0 included. It returns
	// once that is recorded. ErrNotFound if unknown; an *InvalidError if n is out
	// of range or not the caller's to set.
	SetReplicas(ctx context.Context, name string, n int) error

	// Endpoints lists the ready instances of a function, oldest first; of a STDIO
	// function all processes.
	Endpoints(name string) []Endpoint

	// Status reports a function's instances; false if the function is unknown.
	Status(name string) (Status, bool)

	// Watch calls fn with a function's Status after it changed, from one
	// goroutine per watcher, never concurrently. Changes in quick succession
	// are merged, the last one is always delivered. stop ends the calls and
	// does not wait for one in progress.
	Watch(fn func(Status)) (stop func())

	// Logs returns up to tail of the newest log lines, oldest first; tail <= 0
	// means all that are kept. ErrNotFound if the function is unknown.
	Logs(name string, tail int) ([]LogLine, error)

	// Go delivers an invocation and returns at once; done is called exactly
	// once, possibly before Go returns, and must not block. The invocation
	// waits for a ready instance within its deadline.
	Go(name string, inv Invocation, done func(Result))

	// Invoke is Go for a caller that waits. When ctx ends first the result
	// says so and the invocation runs on until its own deadline.
	Invoke(ctx context.Context, name string, inv Invocation) Result

	// Close stops every function and releases the provider's resources. It
	// returns early with ctx's error; what is left is then stopped by force.
	Close(ctx context.Context) error
}

// ErrNotFound is returned for a function that was never provisioned or is gone.
var ErrNotFound = errors.New("provider: no such function")

// ErrClosed is returned by a provider that has been closed.
var ErrClosed = errors.New("provider: closed")

// Endpoint is one ready instance.
type Endpoint struct {
	ID       string // unique within its function
	Address  string // host:port; empty when it is not reached over the network
	InFlight int    // invocations running on it now
	Ejected  bool   // left out of balancing after repeated failures
}

// Status summarises one function.
type Status struct {
	Function  string
	Desired   int    // instances wanted
	Ready     int    // instances that take work
	Starting  int    // instances not yet ready
	InFlight  int    // invocations running
	Waiting   int    // invocations waiting for an instance
	Restarts  int64  // instances replaced after they failed, since provisioning
	LastError string // why the last instance failed; empty once one is ready
	LastExit  string // why the last one failed, whatever came after; not every provider says it
	// MetricsError is why cpu or memory, by which the function is to be scaled,
	// are not known; empty while they are.
	MetricsError string
	// LimitsError says which limits and protections do not hold for the
	// function's processes, and why; empty if all do.
	LimitsError string
	Rollout     Rollout
	Deleted     bool // final: the function is gone
}

// Rollout is how the last change of a function's instances went; zero when there
// is nothing to say of it.
type Rollout struct {
	State   string // RolloutProgressing or RolloutFailed
	Message string // why it failed
}

// States of a Rollout.
const (
	RolloutProgressing = "progressing" // old instances take calls until there are new ones
	RolloutFailed      = "failed"      // no new instance got ready; the old ones stay
)
