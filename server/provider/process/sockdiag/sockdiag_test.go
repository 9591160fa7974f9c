package sockdiag

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func inode(t *testing.T, l net.Listener) (n uint32) {
	t.Helper()
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		var s unix.Stat_t
		if err := unix.Fstat(int(fd), &s); err != nil {
			t.Error(err)
		}
		n = uint32(s.Ino)
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTheListenerIsFoundWhateverItsAddress(t *testing.T) {
	if !Supported() {
		t.Skip("NOT TESTED: this kernel has no sock_diag")
	}
	for _, addr := range []struct{ network, address string }{
		{"tcp4", "127.0.0.1:0"}, {"tcp4", "0.0.0.0:0"}, {"tcp", "[::]:0"},
	} {
		l, err := net.Listen(addr.network, addr.address)
		if err != nil {
			t.Logf("%v: %v", addr, err)
			continue
		}
		port := l.Addr().(*net.TCPAddr).Port
		got, err := Loopback(port)
		if err != nil || got.Inode != inode(t, l) || got.UID != uint32(os.Getuid()) || got.Cookie == 0 {
			t.Errorf("%v: %+v, %v; want inode %d", addr, got, err, inode(t, l))
		}
		conn, err := net.Dial("tcp4", (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}).String())
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Loopback(port); err != nil || again != got {
			t.Errorf("%v: with a connection %+v, %v; want %+v", addr, again, err, got)
		}
		l.Close()
		if left, err := Loopback(port); !errors.Is(err, ErrNone) {
			t.Errorf("%v: closed, and %+v, %v", addr, left, err)
		}
		conn.Close()
	}
}

// What a connection would get counts, and a socket that took the same port for
// another address does not.
func TestTheMoreSpecificListenerIsTheOne(t *testing.T) {
	if !Supported() {
		t.Skip("NOT TESTED: this kernel has no sock_diag")
	}
	shared := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
	}}
	wide, err := shared.Listen(context.Background(), "tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer wide.Close()
	port := wide.Addr().(*net.TCPAddr).Port
	narrow, err := shared.Listen(context.Background(), "tcp4", (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}).String())
	if err != nil {
		t.Fatal(err)
	}
	defer narrow.Close()
	got, err := Loopback(port)
	if err != nil || got.Inode != inode(t, narrow) {
		t.Errorf("%+v, %v; want inode %d, not %d", got, err, inode(t, narrow), inode(t, wide))
	}
}

func TestMalformedAnswers(t *testing.T) {
	for _, b := range [][]byte{nil, make([]byte, 10), make([]byte, 20), make([]byte, 60)} {
		if l, err := parse(b); err == nil {
			t.Errorf("%d bytes are %+v", len(b), l)
		}
	}
}

func BenchmarkLoopback(b *testing.B) {
	for b.Loop() {
		_, _ = Loopback(1)
	}
}
