//go:build !linux

// Package nap sleeps more precisely than an idle Go program's timers do.
package nap

import (
	"context"
	"time"
)

// Timer sleeps with the runtime's timers where there is no timerfd.
type Timer struct{}

// New makes a timer.
func New() (*Timer, error) { return &Timer{}, nil }

// Sleep sleeps for d.
func (*Timer) Sleep(d time.Duration) error {
	time.Sleep(d)
	return nil
}

// SleepUnless is Sleep, but for a context that ends before: its error is then
// returned.
func (*Timer) SleepUnless(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Close does nothing.
func (*Timer) Close() {}
