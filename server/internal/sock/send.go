package sock

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"
)

// ErrStale says that the peer had closed a kept connection, or sent
// unrequested bytes, before this request. Nothing was sent: the request may
// safely be sent on another connection.
var ErrStale = errors.New("the function closed this connection while it was idle")

// Dialer is dial with each Socket made a Conn, for Send. Others are
// passed through.
func Dialer(dial func(addr string, timeout time.Duration) (net.Conn, error)) func(addr string, timeout time.Duration) (net.Conn, error) {
	return func(addr string, timeout time.Duration) (net.Conn, error) {
		dialled, err := dial(addr, timeout)
		if err != nil {
			return nil, err
		}
		tcp, ok := dialled.(Socket)
		if !ok {
			return dialled, nil
		}
		c := New(tcp, nil)
		if c.raw, err = tcp.SyscallConn(); err != nil {
			_ = tcp.Close()
			return nil, err
		}
		c.peek, c.ask, c.receive = c.tryRead, c.tryAsk, c.tryReceive
		return c, nil
	}
}

// Send writes a request on a connection of a Dialer, or on TLS over one.
//
// HTTP servers may close idle connections at any time. A request on a closed
// connection fails although the server never got it, and cannot be told from
// one that it may have got. So before each further request on a connection a
// non-blocking read checks it: if the peer has closed it, or has sent bytes
// that would be read as this request's answer, nothing is sent and the error
// is ErrStale. The first request on a connection never fails with it.
func Send(conn net.Conn, request ...[]byte) error {
	c := Under(conn)
	if c == nil {
		_, err := write(conn, request)
		return err
	}
	kept := c.used
	c.used = true
	if kept && !silent(conn, c) {
		return ErrStale
	}
	n, err := write(conn, request)
	if err != nil && n == 0 && kept && !errors.Is(err, os.ErrDeadlineExceeded) {
		return ErrStale // reset just now; not a byte was sent
	}
	return err
}

// write writes all parts of a message.
func write(conn net.Conn, parts [][]byte) (n int64, err error) {
	if len(parts) == 1 {
		n, err := conn.Write(parts[0])
		return int64(n), err
	}
	all := append(net.Buffers(nil), parts...)
	return WriteParts(conn, &all)
}

// Under is the Conn itself or the one below TLS; nil without one.
func Under(conn net.Conn) *Conn {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	c, _ := conn.(*Conn)
	return c
}

// silent reports whether there is nothing to read on conn, not even its end.
// It reads through TLS rather than peeking at the socket: TLS has messages of
// its own, and may have read the end of the stream already.
func silent(conn net.Conn, c *Conn) bool {
	if len(c.ahead) > 0 {
		return false
	}
	c.instant = true
	n, err := conn.Read(c.one[:])
	c.instant = false
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded)
}
