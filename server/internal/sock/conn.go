// Package sock has the connections that the server speaks HTTP on: those of
// its clients and those to functions.
//
// Both kinds are a Conn. It adds to a TCP connection of package net: deadlines
// that cost nothing while they only move later, a wait without a buffer, a close
// that does not destroy an answer in transit, and, for connections to functions,
// a check that a kept one is still open.
package sock

import (
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// Conn is a TCP connection, see Socket. One goroutine may read, with the read deadline,
// while another one writes, with the write deadline. Close may be called at any
// time. Setting a deadline does not end a Read or Write that another goroutine
// is in.
type Conn struct {
	Socket
	read, write deadline
	inMemory    Memory // Socket, if that has no file descriptor; nil of TCP

	closed  atomic.Bool
	onClose func()
	linger  atomic.Bool
	stopped atomic.Bool // see Stop and Interrupt
	raw     syscall.RawConn
	err     error // of the last attempt to read through raw

	// For Await.
	receive func(fd uintptr) bool // c.tryReceive, made once because each closure is an allocation
	arrived *arrival
	ahead   []byte // what of it was not read yet

	// For connections of a Dialer.
	used    bool             // a request was sent before
	instant bool             // Read does not wait
	peek    func(fd uintptr) // c.tryRead, made once because each closure is an allocation
	one     [1]byte          // for the stale check
	buf     []byte           // for tryRead, with its results
	n       int
	asked   atomic.Bool           // Ask has sent all, and waits
	ask     func(fd uintptr) bool // c.tryAsk
	asking  asking
}

// New wraps a connection. onClose is called once, after it was closed.
func New(s Socket, onClose func()) *Conn {
	c := &Conn{Socket: s, onClose: onClose}
	c.inMemory, _ = s.(Memory)
	return c
}

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if !c.read.set(t) {
		return nil
	}
	return c.Socket.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if !c.write.set(t) {
		return nil
	}
	return c.Socket.SetWriteDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	if c.instant {
		return c.readInstantly(p)
	}
	if len(c.ahead) > 0 {
		return c.takeEarly(p), nil
	}
	for {
		n, err := c.Socket.Read(p)
		if n > 0 || err == nil || !c.read.early(err) {
			return n, err
		}
		if err := c.again(c.Socket.SetReadDeadline(c.read.want)); err != nil {
			return 0, err
		}
	}
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	done := 0
	for {
		n, err := c.Socket.Write(p[done:])
		done += n
		if err == nil || !c.write.early(err) {
			return done, err
		}
		if err := c.again(c.Socket.SetWriteDeadline(c.write.want)); err != nil {
			return done, err
		}
	}
}

// WriteParts writes all of parts to a connection, in one system call if it is a
// Conn and takes them. It moves on in parts.
func WriteParts(conn net.Conn, parts *net.Buffers) (int64, error) {
	c, ok := conn.(*Conn)
	if !ok {
		return parts.WriteTo(writerOnly{conn})
	}
	done := int64(0)
	for {
		n, err := parts.WriteTo(c.Socket)
		done += n
		if err == nil || !c.write.early(err) {
			return done, err
		}
		if err := c.again(c.Socket.SetWriteDeadline(c.write.want)); err != nil {
			return done, err
		}
	}
}

// writerOnly hides what a connection can do beside Write, which may pass by its
// own Write: that of a Conn in it has its deadlines.
type writerOnly struct{ io.Writer }

// again decides, with a direction's timer set anew, whether its call is made
// again. A stop may have come before that timer was set.
func (c *Conn) again(err error) error {
	if err == nil && c.stopped.Load() {
		return ErrStopped
	}
	return err
}

// LingerOnClose makes Close read until the peer has closed its side, within
// 64 MiB and 2 s. It is for an answer sent before the whole request was read:
// a peer that is still sending would otherwise get a reset in place of the
// answer.
func (c *Conn) LingerOnClose() { c.linger.Store(true) }

// How much the peer may still send after LingerOnClose, and for how long,
// before the connection is closed.
const (
	lingerBytes = 64 << 20
	lingerTime  = 2 * time.Second
)

// Close implements net.Conn.
func (c *Conn) Close() error {
	if c.linger.Swap(false) && c.CloseWrite() == nil {
		_ = c.Socket.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.CopyN(io.Discard, c.Socket, lingerBytes)
	}
	err := c.Socket.Close()
	if c.onClose != nil && !c.closed.Swap(true) {
		c.onClose()
	}
	return err
}

// readInstantly is a non-blocking Read: it returns what the socket holds, or
// os.ErrDeadlineExceeded.
func (c *Conn) readInstantly(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.buf = p
	err := c.raw.Control(c.peek)
	c.buf = nil
	switch {
	case err != nil:
		return 0, err
	case c.err == syscall.EAGAIN:
		return 0, os.ErrDeadlineExceeded
	case c.err == nil && c.n == 0:
		return 0, io.EOF
	case c.err != nil:
		return 0, &net.OpError{Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError("read", c.err)}
	}
	return c.n, nil
}

func (c *Conn) tryRead(fd uintptr) { c.n, c.err = c.readNow(fd, c.buf) }
