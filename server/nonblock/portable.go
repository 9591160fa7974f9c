//go:build !linux || race

package nonblock

import "syscall"

// With the race detector the package syscall tells it what a socket orders.

func read(fd uintptr, p []byte) (int, syscall.Errno) { return readLong(fd, p) }

func write(fd uintptr, p []byte) (int, syscall.Errno) { return writeLong(fd, p) }

// peek's errno is 0 when there is something to read, the end included.
func peek(fd uintptr) syscall.Errno {
	var one [1]byte
	_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return errno(err)
}
