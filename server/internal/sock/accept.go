package sock

import (
	"errors"
	"log/slog"
	"net"
	"syscall"
	"time"
)

// patientListener outlives a shortage of file descriptors or memory: fasthttp
// takes any error of Accept for the end of the listener, which would stop the
// whole server. Peers wait in the kernel's backlog until accepting works again.
type patientListener struct {
	net.Listener
	log *slog.Logger
}

// The wait between two tries grows up to this. It bounds how long a recovered
// server stays deaf.
const acceptPauseMax = 100 * time.Millisecond

func (l patientListener) Accept() (net.Conn, error) {
	for pause := time.Millisecond; ; pause = min(2*pause, acceptPauseMax) {
		c, err := l.Listener.Accept()
		if err == nil || !passing(err) {
			return c, err
		}
		if pause == time.Millisecond { // once in each shortage
			l.log.Error("connections cannot be accepted; trying on", "addr", l.Addr().String(), "error", err)
		}
		time.Sleep(pause)
	}
}

// passing says that an error of Accept is about the moment or the one
// connection, not about the listener.
func passing(err error) bool {
	for _, e := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EINTR, syscall.EPROTO, syscall.EPERM,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
