package sock

import (
	"errors"
	"log/slog"
	"net"
	"syscall"
	"time"
)

// patientListener retries Accept during a shortage of file descriptors or
// memory: fasthttp treats any error of Accept as the end of the listener,
// which would stop the whole server. Peers wait in the kernel's backlog
// meanwhile.
type patientListener struct {
	net.Listener
	log *slog.Logger
}

// The longest wait between two tries, and so the longest delay until a
// recovered server accepts again.
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

// passing reports whether an error of Accept is transient or about one
// connection, and not the end of the listener.
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
