package sock

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// answered has the peer answer each request of n bytes.
func answered(peer net.Conn, n int, answer string) {
	go func() {
		for request := make([]byte, n); ; {
			if _, err := io.ReadFull(peer, request); err != nil {
				return
			}
			if _, err := io.WriteString(peer, answer); err != nil {
				return
			}
		}
	}()
}

func TestAskWaitsForTheAnswer(t *testing.T) {
	overAll(t, func(t *testing.T, conn, peer net.Conn) {
		answered(peer, len("request"), "answer")
		for range 50 {
			if err := Ask(conn, []byte("request")); err != nil {
				t.Fatal(err)
			}
			arrives(t, conn, "answer")
		}
	})
	c, peer := pair(t)
	exchanges(t, c, peer)
	answered(peer, len("request"), "answer")
	if err := Ask(c, []byte("request")); err != nil || len(c.ahead) == 0 {
		t.Errorf("%v, with %d bytes of the answer", err, len(c.ahead))
	}
}

// More than fits into the socket, and an answer of more than is read at once.
func TestAskOfMuch(t *testing.T) {
	c, peer := pair(t)
	exchanges(t, c, peer)
	request, answer := pattern(8<<20), strings.Repeat("answer ", 100_000)
	answered(peer, len(request), answer)
	for range 3 {
		if err := Ask(c, request); err != nil {
			t.Fatal(err)
		}
		arrives(t, c, answer)
	}
}

func TestAskSendsNothingOnAStaleConnection(t *testing.T) {
	for name, end := range map[string]func(peer *net.TCPConn){
		"closed":        func(peer *net.TCPConn) { _ = peer.CloseWrite() },
		"reset":         func(peer *net.TCPConn) { _ = peer.SetLinger(0); peer.Close() },
		"unasked bytes": func(peer *net.TCPConn) { _, _ = io.WriteString(peer, "HTTP/1.1 408 Request Timeout\r\n\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			c, peer := pair(t)
			exchanges(t, c, peer)
			end(peer)
			arrived(t, c)
			if err := Ask(c, []byte("again")); err != ErrStale {
				t.Errorf("got %v, want %v", err, ErrStale)
			}
			all := received(peer)
			c.Close()
			if got := <-all; got != "" {
				t.Errorf("%q was sent", got)
			}
		})
	}
}

// What came with an answer and is no part of it was read already.
func TestBytesBehindAnAnswerMakeAConnectionStale(t *testing.T) {
	for name, send := range map[string]func(net.Conn, ...[]byte) error{"Send": Send, "Ask": Ask} {
		c, peer := pair(t)
		exchanges(t, c, peer)
		answered(peer, len("request"), "answer, and more")
		if err := Ask(c, []byte("request")); err != nil {
			t.Fatal(err)
		}
		arrives(t, c, "answer")
		if err := send(c, []byte("again")); err != ErrStale {
			t.Errorf("%s: got %v, want %v", name, err, ErrStale)
		}
	}
}

// A request that the peer has got is not to be sent again.
func TestAnEndInPlaceOfTheAnswerIsNotStale(t *testing.T) {
	for name, end := range map[string]func(peer *net.TCPConn){
		"closed": func(peer *net.TCPConn) { _ = peer.CloseWrite() },
		"reset":  func(peer *net.TCPConn) { _ = peer.SetLinger(0); peer.Close() },
	} {
		c, peer := pair(t)
		exchanges(t, c, peer)
		go func() {
			_, _ = io.ReadFull(peer, make([]byte, len("request")))
			end(peer)
		}()
		if err := Ask(c, []byte("request")); err == nil || errors.Is(err, ErrStale) || name == "closed" && err != io.EOF {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestAnAskThatFailsHalfWayIsNotStale(t *testing.T) {
	c, peer := pair(t)
	exchanges(t, c, peer)
	go func() {
		_, _ = io.ReadFull(peer, make([]byte, 100_000))
		_ = c.SetLinger(0)
		c.Close()
	}()
	if err := Ask(c, make([]byte, 16<<20)); err == nil || errors.Is(err, ErrStale) {
		t.Errorf("got %v", err)
	}
}

func TestDeadlinesOfAsk(t *testing.T) {
	c, peer := pair(t)
	// A timer that goes off while the answer is waited for, and was set for an earlier
	// request: the wait goes on, and nothing is sent twice.
	_ = c.SetDeadline(time.Now().Add(300 * ms))
	exchanges(t, c, peer)
	_ = c.SetDeadline(time.Now().Add(time.Hour))
	sent := make(chan string, 1)
	go func() {
		got := make([]byte, 100)
		n, _ := peer.Read(got)
		time.Sleep(400 * ms)
		_, _ = io.WriteString(peer, "answer")
		_ = peer.SetReadDeadline(time.Now().Add(100 * ms))
		m, _ := peer.Read(got[n:])
		sent <- string(got[:n+m])
	}()
	if err := Ask(c, []byte("request")); err != nil {
		t.Fatal(err)
	}
	arrives(t, c, "answer")
	if got := <-sent; got != "request" {
		t.Errorf("the peer got %q", got)
	}
	_ = c.SetDeadline(time.Now().Add(50 * ms))
	if err := Ask(c, []byte("request")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("no answer: %v", err)
	}
	_ = c.SetDeadline(time.Now().Add(-time.Second))
	if err := Ask(c, []byte("request")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("too late to begin: %v", err)
	}
}

func TestAStopEndsAskThatWaits(t *testing.T) {
	c, peer := pair(t)
	exchanges(t, c, peer)
	_ = c.SetDeadline(time.Now().Add(time.Hour))
	var s Stop
	if err := s.Begin(c); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = io.ReadFull(peer, make([]byte, len("request")))
		s.Now()
	}()
	if err := Ask(c, []byte("request")); !errors.Is(err, ErrStopped) {
		t.Errorf("got %v", err)
	}
}
