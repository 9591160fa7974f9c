// Package freshconn keeps requests off kept-alive connections that the other
// end has closed meanwhile.
//
// HTTP servers close idle connections when they see fit. A request that meets
// such a one fails though it was never sent, and looks like one that may have
// been. So before the first bytes of each further request the socket is looked
// at, without waiting: closed means ErrStale, and so do bytes that nobody asked
// for, which would be taken for this request's answer. That is for requests that
// go out by Send; TLS, which has messages of its own waiting, writes as usual.
package freshconn

import (
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"simplane/server/lazyconn"
	"simplane/server/nonblock"
	"simplane/server/yielding"
)

// ErrStale says that nothing was sent: the request may safely take another
// connection.
var ErrStale = errors.New("the function closed this connection while it was idle")

// Conn is a TCP connection on which requests go out one at a time. Its
// deadlines are lazy (see lazyconn). It is for one goroutine at a time.
type Conn struct {
	lazyconn.Conn
	socket *socket
}

// Dialer is dial with TCP connections made Conns. Others are passed through.
func Dialer(dial func(addr string, timeout time.Duration) (net.Conn, error)) func(addr string, timeout time.Duration) (net.Conn, error) {
	return func(addr string, timeout time.Duration) (net.Conn, error) {
		c, err := dial(addr, timeout)
		if err != nil {
			return nil, err
		}
		return wrap(c), nil
	}
}

func wrap(c net.Conn) net.Conn {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c
	}
	s := &socket{TCPConn: tcp, raw: raw}
	s.talk = s.exchange // made once: each time would be an allocation
	return &Conn{lazyconn.Conn{Conn: s}, s}
}

// Send has the next Read write p first, which must stay as it is until then:
// both in one go cost less. Read may return ErrStale then.
func (c *Conn) Send(p []byte) { c.socket.out = p }

func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == errFull {
		rest := c.socket.out
		c.socket.out = nil
		if _, err = c.Conn.Write(rest); err == nil {
			n, err = c.Conn.Read(p)
		}
	}
	return n, err
}

// errFull says that the socket took only a part of what there is to write.
var errFull = errors.New("the socket's buffer is full")

// socket is what a Conn's lazy deadlines are put around.
type socket struct {
	*net.TCPConn
	raw     syscall.RawConn
	used    bool // has been read from since it was last written to
	yielder yielding.Yielder

	talk func(fd uintptr) (done bool) // s.exchange
	out  []byte                       // to be written by it
	in   []byte                       // to be read into
	n    int                          // bytes read
	err  error
}

// Read writes what Send has left, and reads.
func (s *socket) Read(p []byte) (int, error) {
	if s.out == nil {
		s.used = true
		return s.TCPConn.Read(p)
	}
	s.in, s.n, s.err = p, 0, nil
	err := s.raw.Read(s.talk)
	s.in = nil
	if err == nil {
		err = s.err
	}
	if err == nil && s.n == 0 && len(p) > 0 {
		err = io.EOF
	}
	if err == nil {
		s.used = true // a deadline that came too early changes nothing
	}
	return s.n, err
}

// exchange writes the request and reads the answer's first bytes; between the
// two the runtime waits. The answer cannot be missed: the runtime looks out for
// it already when the request is written.
func (s *socket) exchange(fd uintptr) (done bool) {
	if s.out == nil {
		return s.receive(fd)
	}
	if s.used {
		s.used = false
		if !nonblock.Quiet(fd) {
			s.err = ErrStale
			return true
		}
	}
	if s.err = s.write(fd); s.err != nil {
		return true
	}
	if !s.yielder.Yield() {
		return false // nothing can be there yet
	}
	done = s.receive(fd)
	s.yielder.Learn(done)
	return done
}

// write writes what the socket takes without waiting.
func (s *socket) write(fd uintptr) error {
	for len(s.out) > 0 {
		n, err := nonblock.Write(fd, s.out)
		if err == syscall.EAGAIN {
			return errFull
		}
		if err != nil {
			return nonblock.OpError("write", s, err)
		}
		s.out = s.out[n:]
	}
	s.out = nil
	return nil
}

// receive reads what is there; done is false when that is nothing.
func (s *socket) receive(fd uintptr) (done bool) {
	n, err := nonblock.Read(fd, s.in)
	if err == syscall.EAGAIN {
		return false
	}
	if err != nil {
		s.err = nonblock.OpError("read", s, err)
	}
	s.n = n
	return true
}
