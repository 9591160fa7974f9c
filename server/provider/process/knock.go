package process

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// knock connects to a port of 127.0.0.1 if a server listens there; the error
// says that none does. On the loopback interface both are known at once;
// on a busy machine it waits for up to a millisecond. It is called dozens of
// times while a function starts, on the processor that the function needs, so
// it uses the bare system calls.
func knock(port int) (net.Conn, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	err = unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	if err == unix.EINPROGRESS {
		err = connected(fd)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "probe")
	defer f.Close() // FileConn takes a copy
	return net.FileConn(f)
}

// connected reports how a connection attempt that was under way has ended;
// EINPROGRESS when it has not within a millisecond.
func connected(fd int) error {
	ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	if n, err := unix.Poll(ready, 1); err != nil || n == 0 {
		return unix.EINPROGRESS
	}
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	return err
}
