//go:build !linux

package loadgen

import "time"

// napper sleeps with the runtime's timers where there is no timerfd.
type napper struct{}

func newNapper() (*napper, error) { return &napper{}, nil }

func (*napper) sleep(d time.Duration) error {
	time.Sleep(d)
	return nil
}

func (*napper) close() {}
