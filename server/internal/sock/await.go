package sock

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// arrival holds the first bytes that came after a wait.
type arrival [8 << 10]byte

var arrivals = sync.Pool{New: func() any { return new(arrival) }}

// Await blocks until the peer has sent something; the next Reads return it. It
// is for a connection that may be silent for long: while it waits it has no
// buffer, where a Read holds its caller's. The read deadline counts, and the
// end of the stream is io.EOF.
func (c *Conn) Await() error {
	if len(c.ahead) > 0 {
		return nil
	}
	if c.receive == nil {
		raw, err := c.Socket.SyscallConn()
		if err != nil {
			return err
		}
		c.raw, c.receive = raw, c.tryReceive
	}
	for {
		err := c.raw.Read(c.receive)
		if err == nil {
			return c.received()
		}
		if !c.read.early(err) {
			return err
		}
		if err := c.again(c.Socket.SetReadDeadline(c.read.want)); err != nil {
			return err
		}
	}
}

// tryReceive reads into a buffer that is taken for the attempt only. It reports
// whether the wait is over.
func (c *Conn) tryReceive(fd uintptr) bool {
	buf := arrivals.Get().(*arrival)
	n, err := c.readNow(fd, buf[:])
	if n > 0 {
		c.arrived, c.ahead, c.err = buf, buf[:n], nil
		return true
	}
	arrivals.Put(buf)
	c.n, c.err = 0, err
	return err != syscall.EAGAIN
}

// received is the error of the last tryReceive.
func (c *Conn) received() error {
	switch {
	case c.err != nil:
		return &net.OpError{Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError("read", c.err)}
	case len(c.ahead) == 0:
		return io.EOF
	}
	return nil
}

// takeEarly hands out what Await has read.
func (c *Conn) takeEarly(p []byte) int {
	n := copy(p, c.ahead)
	if c.ahead = c.ahead[n:]; len(c.ahead) == 0 {
		arrivals.Put(c.arrived)
		c.arrived, c.ahead = nil, nil
	}
	return n
}
