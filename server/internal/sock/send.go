package sock

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"
)

// ErrStale says that the other end closed a kept connection, or sent something
// that nobody asked for, before this request. Nothing was sent: the request may
// safely take another connection.
var ErrStale = errors.New("the function closed this connection while it was idle")

// Dialer is dial with its TCP connections made Conns, for Send. Others are
// passed through.
func Dialer(dial func(addr string, timeout time.Duration) (net.Conn, error)) func(addr string, timeout time.Duration) (net.Conn, error) {
	return func(addr string, timeout time.Duration) (net.Conn, error) {
		dialled, err := dial(addr, timeout)
		if err != nil {
			return nil, err
		}
		tcp, ok := dialled.(*net.TCPConn)
		if !ok {
			return dialled, nil
		}
		c := New(tcp, nil)
		if c.raw, err = tcp.SyscallConn(); err != nil {
			_ = tcp.Close()
			return nil, err
		}
		c.peek = c.tryRead
		return c, nil
	}
}

// Send writes a request on a connection of a Dialer, or on TLS over one.
//
// HTTP servers close idle connections when they see fit. A request that meets
// such a one fails although it was never sent, and looks like one that may have
// been. So before each further request on a connection its other end is looked
// at, without waiting: if it has closed, or has sent bytes that would be taken
// for this request's answer, nothing is sent and the error is ErrStale. The
// first request on a connection never fails with it.
func Send(conn net.Conn, request []byte) error {
	c := under(conn)
	if c == nil {
		_, err := conn.Write(request)
		return err
	}
	kept := c.used
	c.used = true
	if kept && !silent(conn, c) {
		return ErrStale
	}
	n, err := conn.Write(request)
	if err != nil && n == 0 && kept && !errors.Is(err, os.ErrDeadlineExceeded) {
		return ErrStale // reset just now; not a byte was taken
	}
	return err
}

// under is the Conn that conn is or that it encrypts to; nil without one.
func under(conn net.Conn) *Conn {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	c, _ := conn.(*Conn)
	return c
}

// silent reports whether there is nothing to read on conn, not even its end. It
// reads, rather than looking at what the socket holds: TLS has messages of its
// own, which are no answer, and may have taken the end from the socket already.
func silent(conn net.Conn, c *Conn) bool {
	c.instant = true
	n, err := conn.Read(c.one[:])
	c.instant = false
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded)
}
