package peer

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// dialTime bounds the time to connect to a member. silence is how long the machine of one
// may acknowledge nothing before calls of it are broken off: a cut network says nothing,
// and a caller would wait for as long as any answer may take. It is less than the lease,
// so that callers hear of it before other nodes take over.
const (
	dialTime = time.Second
	silence  = 5 * time.Second
)

// dial connects to a member.
func dial(addr string, timeout time.Duration) (net.Conn, error) {
	d := net.Dialer{
		Timeout:         min(timeout, dialTime),
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 2 * time.Second, Interval: time.Second, Count: 3},
		Control: func(_, _ string, c syscall.RawConn) (err error) {
			failed := c.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silence.Milliseconds()))
			})
			if failed != nil {
				return failed
			}
			return err
		},
	}
	return d.Dial("tcp", addr)
}
