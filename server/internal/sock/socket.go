package sock

import (
	"net"
	"syscall"
)

// Socket is what a Conn is made of: a *net.TCPConn, or a Memory in its place.
type Socket interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
	SetLinger(seconds int) error
}

// Memory is a Socket of a network without a kernel (harness/memnet), for tests in virtual time. The
// callbacks of its RawConn, which are given no file descriptor, use the methods here.
type Memory interface {
	Socket
	// ReadNow and WriteNow are read(2) and write(2) of a non-blocking socket: they
	// return what can be done at once, or an Errno such as EAGAIN.
	ReadNow(p []byte) (int, error)
	WriteNow(p []byte) (int, error)
	// Unread is how many bytes have come that no read has returned.
	Unread() int
	// PeerLeft reports whether the peer has closed its side or reset the connection,
	// or this side is closed.
	PeerLeft() bool
}

// readNow reads what has come, and never waits.
func (c *Conn) readNow(fd uintptr, p []byte) (int, error) {
	if c.inMemory != nil {
		return c.inMemory.ReadNow(p)
	}
	return retried(syscall.Read, fd, p)
}

// writeNow writes what there is room for, and never waits.
func (c *Conn) writeNow(fd uintptr, p []byte) (int, error) {
	if c.inMemory != nil {
		return c.inMemory.WriteNow(p)
	}
	return retried(syscall.Write, fd, p)
}

// retried is a system call, made again when a signal interrupts it.
func retried(call func(int, []byte) (int, error), fd uintptr, p []byte) (n int, err error) {
	for {
		if n, err = call(int(fd), p); err != syscall.EINTR {
			return n, err
		}
	}
}
