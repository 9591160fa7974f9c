package loadgen

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// napper sleeps on a timerfd through the runtime's poller. An idle Go program
// rounds its own timers up to the poller's millisecond; a timerfd wakes it
// within tens of microseconds and needs neither a spinning core nor a thread
// of its own.
type napper struct {
	f  *os.File
	fd int
}

func newNapper() (*napper, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("pacer timer: %w", err)
	}
	return &napper{f: os.NewFile(uintptr(fd), "timerfd"), fd: fd}, nil
}

func (n *napper) sleep(d time.Duration) error {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(max(d, 1)))}
	if err := unix.TimerfdSettime(n.fd, 0, &spec, nil); err != nil {
		return fmt.Errorf("pacer timer: %w", err)
	}
	var expirations [8]byte
	if _, err := n.f.Read(expirations[:]); err != nil {
		return fmt.Errorf("pacer timer: %w", err)
	}
	return nil
}

func (n *napper) close() { _ = n.f.Close() }
