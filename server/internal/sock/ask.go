package sock

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// asking is a request under way on a kept connection, see Ask.
type asking struct {
	request []byte // nil once all of it is sent
	sent    int    // bytes of it, when it is not whole
	stale   bool
	err     error // of the write
}

// Ask is Send for a request with nothing of it to follow. On a kept TCP connection it
// also waits for the first bytes of the answer, which the next Reads return: the check,
// the request and the wait are one read of the runtime's, which saves the attempt to
// read that comes right after a request, and in vain. An error of the answer, io.EOF
// too, is not ErrStale.
func Ask(conn net.Conn, request ...[]byte) error {
	c, ok := conn.(*Conn)
	if !ok || !c.used || len(request) != 1 {
		return Send(conn, request...)
	}
	if len(c.ahead) > 0 {
		return ErrStale
	}
	c.asking = asking{request: request[0]}
	err := c.raw.Read(c.ask)
	for err != nil && c.read.early(err) {
		if err = c.again(c.Socket.SetReadDeadline(c.read.want)); err == nil {
			err = c.raw.Read(c.ask)
		}
	}
	a := c.asking
	c.asking = asking{}
	switch {
	case err != nil:
		return err
	case a.stale:
		return ErrStale
	case a.request == nil:
		return c.received()
	case a.err == nil || a.err == syscall.EAGAIN: // the socket is full
		var n int
		n, err = c.Write(a.request[a.sent:])
		a.sent += n
	default:
		err = &net.OpError{Op: "write", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError("write", a.err)}
	}
	if err != nil && a.sent == 0 && !errors.Is(err, os.ErrDeadlineExceeded) {
		return ErrStale // reset just now; not a byte was sent
	}
	return err
}

// tryAsk sends the request, if the connection is silent, and then receives. It reports
// whether the wait is over. The runtime notices what comes after the check: it has
// begun to wait before tryAsk is called.
func (c *Conn) tryAsk(fd uintptr) bool {
	a := &c.asking
	if a.request == nil {
		return c.tryReceive(fd)
	}
	n, err := c.readNow(fd, c.one[:])
	if n > 0 || err != syscall.EAGAIN {
		a.stale = true
		return true
	}
	n, a.err = c.writeNow(fd, a.request)
	if a.sent = max(n, 0); a.err == nil && n == len(a.request) {
		a.request = nil
		c.asked.Store(true)
		return false
	}
	return true
}
