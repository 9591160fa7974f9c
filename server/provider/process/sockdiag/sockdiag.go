// Package sockdiag asks the kernel who listens on a TCP port of this machine.
//
// It uses sock_diag(7), which finds one socket by its address in constant time
// and needs no privilege; /proc/net/tcp would list every connection.
package sockdiag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Listener is a socket that listens.
type Listener struct {
	Cookie uint64 // is never given to another socket
	Inode  uint32 // the number in the links of /proc/PID/fd
	UID    uint32 // of whoever made the socket
}

// ErrNone says that nobody listens on the port.
var ErrNone = errors.New("nobody listens on the port")

// Supported reports whether this kernel answers, and the process may ask.
var Supported = sync.OnceValue(func() bool {
	_, err := Loopback(1)
	return err == nil || errors.Is(err, ErrNone)
})

// The kernel's inet_diag_req_v2 and inet_diag_msg after the netlink header.
const (
	sockDiagByFamily = 20
	headerLen        = unix.SizeofNlMsghdr
	requestLen       = 56
	answerLen        = 72
)

// answerTimeout is for a kernel that does not answer at all; it answers before
// the request returns.
const answerTimeout = 5 * time.Second

// Loopback is the socket that gets a connection to 127.0.0.1:port, also one
// that listens on every address. The error is ErrNone if there is none.
func Loopback(port int) (Listener, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return Listener{}, fmt.Errorf("sock_diag: %w", err)
	}
	defer unix.Close(fd)
	limit := unix.NsecToTimeval(answerTimeout.Nanoseconds())
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit)
	if err := unix.Sendto(fd, request(port), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return Listener{}, fmt.Errorf("sock_diag: %w", err)
	}
	buf := make([]byte, 512)
	n, _, err := unix.Recvfrom(fd, buf, 0)
	if err != nil {
		return Listener{}, fmt.Errorf("sock_diag: %w", err)
	}
	return parse(buf[:n])
}

func request(port int) []byte {
	host := binary.NativeEndian
	b := make([]byte, 0, headerLen+requestLen)
	b = host.AppendUint32(b, headerLen+requestLen)
	b = host.AppendUint16(b, sockDiagByFamily)
	b = host.AppendUint16(b, unix.NLM_F_REQUEST)
	b = append(b, make([]byte, 8)...) // sequence, sender
	b = append(b, unix.AF_INET, unix.IPPROTO_TCP, 0, 0)
	b = host.AppendUint32(b, 0xffffffff) // in any state
	b = binary.BigEndian.AppendUint16(b, uint16(port))
	b = append(b, 0, 0) // no peer's port: not one connection but the listener
	b = append(b, 127, 0, 0, 1)
	b = append(b, make([]byte, 12+16+4)...)          // the peer's address, on any interface
	return host.AppendUint64(b, 0xffffffff_ffffffff) // whatever its cookie
}

func parse(b []byte) (Listener, error) {
	malformed := errors.New("sock_diag: malformed answer")
	host := binary.NativeEndian
	if len(b) < headerLen+4 {
		return Listener{}, malformed
	}
	kind, b := host.Uint16(b[4:]), b[headerLen:]
	if kind == unix.NLMSG_ERROR {
		switch errno := unix.Errno(-int32(host.Uint32(b))); errno {
		case unix.ENOENT:
			return Listener{}, ErrNone
		default:
			return Listener{}, fmt.Errorf("sock_diag: %w", errno)
		}
	}
	if kind != sockDiagByFamily || len(b) < answerLen {
		return Listener{}, malformed
	}
	return Listener{
		Cookie: host.Uint64(b[44:]),
		UID:    host.Uint32(b[64:]),
		Inode:  host.Uint32(b[68:]),
	}, nil
}
