// Package nap sleeps more precisely than an idle Go program's timers do.
package nap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Timer sleeps on a timerfd through the runtime's poller. An idle Go program
// rounds its own timers up to the poller's millisecond; a timerfd wakes it
// within tens of microseconds and needs neither a spinning core nor a thread
// of its own. It is for one goroutine at a time.
type Timer struct {
	f  *os.File
	fd int
}

// New makes a timer. It takes a file descriptor.
func New() (*Timer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("timer: %w", err)
	}
	return &Timer{f: os.NewFile(uintptr(fd), "timerfd"), fd: fd}, nil
}

// Sleep sleeps for d.
func (t *Timer) Sleep(d time.Duration) error {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(max(d, 1)))}
	if err := unix.TimerfdSettime(t.fd, 0, &spec, nil); err != nil {
		return fmt.Errorf("timer: %w", err)
	}
	var expirations [8]byte
	if _, err := t.f.Read(expirations[:]); err != nil {
		return fmt.Errorf("timer: %w", err)
	}
	return nil
}

// SleepUnless is Sleep, but for a context that ends before: its error is then
// returned, and the timer cannot be used again.
func (t *Timer) SleepUnless(ctx context.Context, d time.Duration) error {
	stop := context.AfterFunc(ctx, func() { _ = t.f.SetReadDeadline(time.Unix(1, 0)) })
	err := t.Sleep(d)
	if !stop() || errors.Is(err, os.ErrDeadlineExceeded) {
		return context.Cause(ctx)
	}
	return err
}

// Close gives the descriptor back.
func (t *Timer) Close() { _ = t.f.Close() }
