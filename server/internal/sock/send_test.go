package sock

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"syscall"
	"testing"
	"time"
)

// transports are what requests go out over: each gives both ends.
var transports = map[string]func(t *testing.T) (conn, peer net.Conn){
	"TCP":     func(t *testing.T) (net.Conn, net.Conn) { c, peer := pair(t); return c, peer },
	"TLS 1.2": func(t *testing.T) (net.Conn, net.Conn) { return tlsPair(t, tls.VersionTLS12) },
	"TLS 1.3": func(t *testing.T) (net.Conn, net.Conn) { return tlsPair(t, tls.VersionTLS13) },
}

func tlsPair(t *testing.T, version uint16) (conn, peer net.Conn) {
	t.Helper()
	c, raw := pair(t)
	return handshake(t, c, raw, version)
}

func handshake(t *testing.T, c, raw net.Conn, version uint16) (conn, peer *tls.Conn) {
	t.Helper()
	certs := httptest.NewUnstartedServer(nil)
	certs.StartTLS()
	defer certs.Close()
	server := tls.Server(raw, &tls.Config{Certificates: certs.TLS.Certificates, MinVersion: version, MaxVersion: version})
	client := tls.Client(c, &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(4)})
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	if err := errors.Join(client.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	return client, server
}

func overAll(t *testing.T, test func(t *testing.T, conn, peer net.Conn)) {
	for name, make := range transports {
		t.Run(name, func(t *testing.T) {
			conn, peer := make(t)
			test(t, conn, peer)
		})
	}
}

// exchanges makes the connection a kept one. A peer's session tickets come with
// the first answer.
func exchanges(t *testing.T, conn, peer net.Conn) {
	t.Helper()
	if err := Send(conn, []byte("request")); err != nil {
		t.Fatal(err)
	}
	arrives(t, peer, "request")
	sends(t, peer, "answer")
	arrives(t, conn, "answer")
}

// arrived waits until the socket of conn has something to be read, be it the end.
func arrived(t *testing.T, conn net.Conn) {
	t.Helper()
	raw, err := Under(conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var one [1]byte
	if err := raw.Read(func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK)
		return err != syscall.EAGAIN
	}); err != nil {
		t.Fatal(err)
	}
}

func TestAKeptConnectionIsUsedAgain(t *testing.T) {
	overAll(t, func(t *testing.T, conn, peer net.Conn) {
		for range 5 {
			exchanges(t, conn, peer)
		}
	})
}

// received is what the peer gets until the end.
func received(peer net.Conn) chan string {
	all := make(chan string, 1)
	go func() {
		got, _ := io.ReadAll(peer)
		all <- string(got)
	}()
	return all
}

func TestNothingIsSentOnAStaleConnection(t *testing.T) {
	for name, end := range map[string]func(peer net.Conn){
		"closed":        func(peer net.Conn) { _ = peer.(interface{ CloseWrite() error }).CloseWrite() },
		"unasked bytes": func(peer net.Conn) { _, _ = io.WriteString(peer, "HTTP/1.1 408 Request Timeout\r\n\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			overAll(t, func(t *testing.T, conn, peer net.Conn) {
				exchanges(t, conn, peer)
				end(peer)
				arrived(t, conn)
				if err := Send(conn, []byte("again")); err != ErrStale {
					t.Errorf("got %v, want %v", err, ErrStale)
				}
				all := received(peer)
				conn.Close()
				if got := <-all; got != "" {
					t.Errorf("%q was sent", got)
				}
			})
		})
	}
}

// The end is in the same packet as the answer: TLS has read both by the time
// that the answer is handed out.
func TestAnEndThatCameWithTheAnswerIsSeen(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		c, raw := pair(t)
		corked := &corked{Conn: raw}
		conn, peer := handshake(t, c, corked, version)
		exchanges(t, conn, peer)
		if err := Send(conn, []byte("request")); err != nil {
			t.Fatal(err)
		}
		arrives(t, peer, "request")
		corked.hold = true
		sends(t, peer, "answer")
		_ = peer.CloseWrite()
		_ = raw.SetWriteDeadline(time.Time{}) // TLS left one that has passed
		sends(t, raw, string(corked.held))
		arrives(t, conn, "answer")
		if err := Send(conn, []byte("again")); err != ErrStale {
			t.Errorf("got %v, want %v", err, ErrStale)
		}
	}
}

// corked keeps back what is written while it holds.
type corked struct {
	net.Conn
	hold bool
	held []byte
}

func (c *corked) Write(p []byte) (int, error) {
	if !c.hold {
		return c.Conn.Write(p)
	}
	c.held = append(c.held, p...)
	return len(p), nil
}

// A reset that was noticed already is no silence either.
func TestAResetConnectionIsStale(t *testing.T) {
	c, peer := pair(t)
	exchanges(t, c, peer)
	_ = peer.SetLinger(0)
	peer.Close()
	arrived(t, c)
	if err := Send(c, []byte("again")); err != ErrStale {
		t.Errorf("got %v, want %v", err, ErrStale)
	}
}

// Whoever takes a new connection for each stale one must come to an end.
func TestANewConnectionIsNeverStale(t *testing.T) {
	c, peer := pair(t)
	_ = peer.CloseWrite()
	arrived(t, c)
	if err := Send(c, []byte("request")); err != nil {
		t.Error(err)
	}
	arrives(t, peer, "request")
}

// A request that may have been received in part is not to be sent again.
func TestAWriteThatFailsHalfWayIsNotStale(t *testing.T) {
	overAll(t, func(t *testing.T, conn, peer net.Conn) {
		exchanges(t, conn, peer)
		go func() {
			_, _ = io.ReadFull(peer, make([]byte, 100_000))
			_ = Under(conn).SetLinger(0)
			Under(conn).Close()
		}()
		if err := Send(conn, make([]byte, 16<<20)); err == nil || errors.Is(err, ErrStale) {
			t.Errorf("got %v", err)
		}
	})
}

// The look is not kept from by a timer that went off meanwhile.
func TestAKeptConnectionOutlivesItsLastDeadline(t *testing.T) {
	overAll(t, func(t *testing.T, conn, peer net.Conn) {
		_ = conn.SetDeadline(time.Now().Add(200 * ms))
		exchanges(t, conn, peer)
		time.Sleep(300 * ms)
		_ = conn.SetDeadline(time.Now().Add(time.Hour))
		exchanges(t, conn, peer)
	})
}

func TestADeadlineEndsSend(t *testing.T) {
	overAll(t, func(t *testing.T, conn, peer net.Conn) {
		exchanges(t, conn, peer)
		_ = conn.SetDeadline(time.Now().Add(-time.Second))
		if err := Send(conn, []byte("request")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestADialerPassesOtherConnectionsAndErrorsThrough(t *testing.T) {
	var give net.Conn
	var fail error
	dial := Dialer(func(string, time.Duration) (net.Conn, error) { return give, fail })
	give, _ = net.Pipe()
	if c, err := dial("", 0); c != give || err != nil {
		t.Errorf("%v, %v", c, err)
	}
	give, fail = nil, io.ErrUnexpectedEOF
	if c, err := dial("", 0); c != nil || err != fail {
		t.Errorf("%v, %v", c, err)
	}
	here, there := net.Pipe()
	all := received(there)
	if err := Send(here, []byte("request")); err != nil {
		t.Error(err)
	}
	here.Close()
	if got := <-all; got != "request" {
		t.Errorf("%q", got)
	}
}
