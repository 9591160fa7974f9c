package sock

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// scarceListener fails with each error in turn, then accepts.
type scarceListener struct {
	net.Listener
	errs []error
}

func (l *scarceListener) Accept() (net.Conn, error) {
	if len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		return nil, err
	}
	c, peer := net.Pipe()
	_ = peer.Close()
	return c, nil
}
func (l *scarceListener) Addr() net.Addr { return &net.TCPAddr{} }

func TestAcceptOutlivesAShortage(t *testing.T) {
	shortage := func(e syscall.Errno) error {
		return &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", e)}
	}
	log := slog.New(slog.DiscardHandler)
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		c, err := patientListener{&scarceListener{errs: []error{
			shortage(syscall.EMFILE), shortage(syscall.ENFILE), shortage(syscall.ECONNABORTED), shortage(syscall.ENOBUFS),
		}}, log}.Accept()
		if err != nil {
			t.Fatalf("a shortage ended the listener: %v", err)
		}
		_ = c.Close()
		if waited := time.Since(began); waited != 15*ms {
			t.Errorf("waited %v, want 1, 2, 4 and 8 ms", waited)
		}
	})
	for _, end := range []error{net.ErrClosed, shortage(syscall.EBADF), shortage(syscall.EINVAL)} {
		if _, err := (patientListener{&scarceListener{errs: []error{end}}, log}).Accept(); !errors.Is(err, end) {
			t.Errorf("Accept returned %v; %v must end the listener", err, end)
		}
	}
}

func TestConnectionsStayBelowTheFileLimit(t *testing.T) {
	for _, tc := range []struct{ wanted, files, api, mgmt int }{
		{65_536, 1 << 20, 65_536, 65_536}, // room enough
		{65_536, 1024, 672, 112},          // lowered
		{100, 1024, 100, 100},             // asked for less
		{65_536, 128, 16, 16},             // hardly any room: still reachable
		{65_536, 0, 65_536, 65_536},       // limit unknown
	} {
		api, mgmt := DivideFiles(tc.wanted, tc.files)
		if api != tc.api || mgmt != tc.mgmt {
			t.Errorf("%d wanted, %d files: %d and %d, want %d and %d", tc.wanted, tc.files, api, mgmt, tc.api, tc.mgmt)
		}
	}
}
