package peer

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// The kernel gives a connection up whose other end is silent: what is sent and not
// acknowledged, and where nothing is sent.
func TestSilentMembersAreGivenUp(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := dial(ln.Addr().String(), hangGuard)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	option := func(level, name int) (value int) {
		t.Helper()
		if failed := raw.Control(func(fd uintptr) { value, err = unix.GetsockoptInt(int(fd), level, name) }); failed != nil || err != nil {
			t.Fatal(failed, err)
		}
		return value
	}
	if ms := option(unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT); ms != int(silence.Milliseconds()) {
		t.Errorf("what is not acknowledged is given up after %d ms", ms)
	}
	idle, every := option(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE), option(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL)
	if on := option(unix.SOL_SOCKET, unix.SO_KEEPALIVE); on == 0 || float64(idle+every) > silence.Seconds() {
		t.Errorf("an idle connection is looked at (%d) after %d s, every %d s", on, idle, every)
	}
}
