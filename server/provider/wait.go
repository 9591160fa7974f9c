package provider

import (
	"context"
	"errors"
	"time"
)

// Wait turns an asynchronous delivery into a blocking one, the way
// Provider.Invoke is specified: the earlier of ctx's and the invocation's
// deadline counts.
func Wait(ctx context.Context, inv Invocation, start func(Invocation, func(Result))) Result {
	if d, ok := ctx.Deadline(); ok && (inv.Deadline.IsZero() || d.Before(inv.Deadline)) {
		inv.Deadline = d
	}
	result := make(chan Result, 1)
	start(inv, func(r Result) { result <- r })
	select {
	case r := <-result:
		return r
	case <-ctx.Done():
	}
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return Failure(CodeCanceled, "the caller stopped waiting")
	}
	// The instance's own report of the same deadline says more than ours.
	select {
	case r := <-result:
		return r
	case <-time.After(100 * time.Millisecond):
		return Failure(CodeTimeout, "the deadline passed")
	}
}
