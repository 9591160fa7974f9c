// Package nonblock reads from and writes to sockets that the runtime has made
// non-blocking. All errors are syscall.Errno; EAGAIN says that it would have to
// wait.
package nonblock

import (
	"net"
	"os"
	"syscall"
)

// Read reads into p, which must not be empty; 0 bytes are the end.
func Read(fd uintptr, p []byte) (int, error) { return uninterrupted(read, fd, p) }

// Write writes some of p, which must not be empty.
func Write(fd uintptr, p []byte) (int, error) { return uninterrupted(write, fd, p) }

func uninterrupted(call func(fd uintptr, p []byte) (int, syscall.Errno), fd uintptr, p []byte) (int, error) {
	for {
		n, err := call(fd, p)
		switch err {
		case 0:
			return n, nil
		case syscall.EINTR:
		default:
			return 0, err
		}
	}
}

// OpError dresses an error of Read ("read") or Write ("write") on c as package
// net does.
func OpError(op string, c net.Conn, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError(op, err)}
}

// Quiet says that the other end has neither sent anything that is not read yet
// nor closed the connection.
func Quiet(fd uintptr) bool {
	for {
		switch peek(fd) {
		case syscall.EAGAIN:
			return true
		case syscall.EINTR:
		default:
			return false
		}
	}
}

// readLong and writeLong let the scheduler know, which may run others meanwhile.

func readLong(fd uintptr, p []byte) (int, syscall.Errno) {
	n, err := syscall.Read(int(fd), p)
	return n, errno(err)
}

func writeLong(fd uintptr, p []byte) (int, syscall.Errno) {
	n, err := syscall.Write(int(fd), p)
	return n, errno(err)
}

// errno is 0 for no error: the package syscall makes no others.
func errno(err error) syscall.Errno {
	e, _ := err.(syscall.Errno)
	return e
}
