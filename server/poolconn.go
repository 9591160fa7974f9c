package server

import (
	"errors"
	"net"
	"syscall"
)

// errStale says that nothing was sent: the request may safely take another
// connection.
var errStale = errors.New("the function closed this connection while it was idle")

// poolConn is a connection to a POOL function. Function servers close idle
// connections when they see fit; a request that meets such a one would fail
// though it was never sent. So before the first bytes of each further request
// the socket is looked at, without waiting: closed means errStale, and so do
// bytes that nobody asked for, which would be taken for this request's answer.
type poolConn struct {
	lazyDeadlines
	raw   syscall.RawConn
	used  bool // has been read from since it was last written to
	tls   bool
	begun bool
}

func newPoolConn(c net.Conn) net.Conn {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c
	}
	return &poolConn{lazyDeadlines: lazyDeadlines{Conn: c}, raw: raw}
}

func (c *poolConn) Read(p []byte) (int, error) {
	c.used = true
	return c.lazyDeadlines.Read(p)
}

func (c *poolConn) Write(p []byte) (int, error) {
	if !c.begun {
		c.begun = true
		// TLS has messages of its own waiting: only plain HTTP can be judged
		// by them. A TLS connection begins with a handshake record.
		c.tls = len(p) > 0 && p[0] == 0x16
	}
	if c.used {
		c.used = false
		if !c.tls && c.stale() {
			return 0, errStale
		}
	}
	return c.lazyDeadlines.Write(p)
}

// stale peeks at the socket; on a healthy idle one that would block.
func (c *poolConn) stale() bool {
	var got error
	err := c.raw.Control(func(fd uintptr) {
		var one [1]byte
		_, _, got = syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	return err != nil || !(errors.Is(got, syscall.EAGAIN) || errors.Is(got, syscall.EINTR))
}
