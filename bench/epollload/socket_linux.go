package epollload

import (
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// dialer opens the connections of one run.
type dialer struct {
	family  int
	to      unix.Sockaddr
	timeout unix.Timeval
}

func newDialer(addr string, timeout time.Duration) (*dialer, error) {
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, err
	}
	d := &dialer{timeout: unix.NsecToTimeval(int64(timeout))}
	if ip := a.IP.To4(); ip != nil {
		d.family, d.to = unix.AF_INET, &unix.SockaddrInet4{Port: a.Port, Addr: [4]byte(ip)}
		return d, nil
	}
	if len(a.IP) != net.IPv6len {
		return nil, fmt.Errorf("address %s has no host", addr)
	}
	d.family, d.to = unix.AF_INET6, &unix.SockaddrInet6{Port: a.Port, Addr: [16]byte(a.IP)}
	return d, nil
}

// dial returns a connected non-blocking socket. Connecting blocks, for the
// request timeout at most: it happens before the load, and after failures.
func (d *dialer) dial() (int, error) {
	fd, err := unix.Socket(d.family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &d.timeout)
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err == nil {
		err = connect(fd, d.to)
	}
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func connect(fd int, to unix.Sockaddr) error {
	err := unix.Connect(fd, to)
	if err == unix.EINTR {
		// The connection is still being made: wait for its end.
		if _, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, -1); err == nil {
			var failed int
			if failed, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR); err == nil && failed != 0 {
				err = unix.Errno(failed)
			}
		}
	}
	return err
}
