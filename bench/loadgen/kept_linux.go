package loadgen

import (
	"net"
	"syscall"
	"time"
)

// restTime is the silence after which a connection is looked at before its next
// request. Below it a look would only cost time.
const restTime = time.Millisecond

// keptConn is a connection that is looked at before it is used again.
type keptConn struct {
	net.Conn
	raw  syscall.RawConn
	last time.Time // of the last Read that brought something; zero after a Write
}

// keep makes the connections of dial keptConns.
func keep(dial func(addr string) (net.Conn, error)) func(addr string) (net.Conn, error) {
	return func(addr string) (net.Conn, error) {
		conn, err := dial(addr)
		if err != nil {
			return nil, err
		}
		tcp, ok := conn.(*net.TCPConn)
		if !ok {
			return conn, nil
		}
		raw, err := tcp.SyscallConn()
		if err != nil {
			_ = tcp.Close()
			return nil, err
		}
		return &keptConn{Conn: conn, raw: raw}, nil
	}
}

// Read implements net.Conn.
func (c *keptConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.last = time.Now()
	}
	return n, err
}

// Write implements net.Conn. The error is errStale if the connection has
// rested and there is something to read on it: its end, or what nobody asked
// for and would be read as the next answer.
func (c *keptConn) Write(p []byte) (int, error) {
	rested := !c.last.IsZero() && time.Since(c.last) >= restTime
	c.last = time.Time{}
	if rested && !c.silent() {
		return 0, errStale
	}
	return c.Conn.Write(p)
}

// silent reports whether there is nothing to read, not even the end. The look
// takes nothing away and does not wait.
func (c *keptConn) silent() bool {
	silent := false
	err := c.raw.Control(func(fd uintptr) {
		var one [1]byte
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		silent = err == syscall.EAGAIN || err == syscall.EINTR
	})
	return err == nil && silent
}
