// Package freshconn keeps requests off kept-alive connections that the other
// end has closed meanwhile.
//
// HTTP servers close idle connections when they see fit. A request that meets
// such a one fails though it was never sent, and looks like one that may have
// been. So before the first bytes of each further request the socket is looked
// at, without waiting: closed means ErrStale, and so do bytes that nobody asked
// for, which would be taken for this request's answer.
package freshconn

import (
	"errors"
	"net"
	"syscall"

	"github.com/valyala/fasthttp"

	"simplane/server/lazyconn"
)

// ErrStale says that nothing was sent: the request may safely take another
// connection.
var ErrStale = errors.New("the function closed this connection while it was idle")

// Retry is a fasthttp.RetryIfErrFunc that resends what was not sent, and only
// that: the client's MaxIdemponentCallAttempts has to be greater than the
// number of its connections, which may all be stale.
func Retry(_ *fasthttp.Request, _ int, err error) (resetTimeout, retry bool) {
	return false, errors.Is(err, ErrStale)
}

type conn struct {
	lazyconn.Conn
	raw   syscall.RawConn
	used  bool // has been read from since it was last written to
	tls   bool
	begun bool

	peek  func(fd uintptr) // c.look, made once
	fresh bool             // what it found
}

// Wrap makes writes to c fail with ErrStale when c is stale, and its deadlines
// lazy (see lazyconn). Connections other
// than TCP, and TLS over TCP, are only passed through: TLS has messages of its
// own waiting.
func Wrap(c net.Conn) net.Conn {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c
	}
	f := &conn{Conn: lazyconn.Conn{Conn: c}, raw: raw}
	f.peek = f.look
	return f
}

func (c *conn) Read(p []byte) (int, error) {
	c.used = true
	return c.Conn.Read(p)
}

func (c *conn) Write(p []byte) (int, error) {
	if !c.begun {
		c.begun = true
		c.tls = len(p) > 0 && p[0] == 0x16 // a handshake record
	}
	if c.used {
		c.used = false
		if !c.tls && c.stale() {
			return 0, ErrStale
		}
	}
	return c.Conn.Write(p)
}

// stale looks at the socket.
func (c *conn) stale() bool { return c.raw.Control(c.peek) != nil || !c.fresh }

// look peeks for a byte; on a healthy idle connection that would block.
func (c *conn) look(fd uintptr) {
	var one [1]byte
	_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	c.fresh = err == syscall.EAGAIN || err == syscall.EINTR
}
