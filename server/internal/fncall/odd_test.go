package fncall

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// The timer of an earlier request's deadline goes off while the connection is
// idle, and the other end closes it: the next message takes a new connection.
func TestStaleIsSeenAfterAnEarlierDeadline(t *testing.T) {
	var delivered atomic.Int64
	target := peer(t, func(c net.Conn, r *http.Request, n int) bool {
		body, _ := io.ReadAll(r.Body)
		delivered.Add(1)
		answer(c, string(body))
		return false // closes
	})
	if _, err := post(target, "first", time.Second); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond)
	if got, err := post(target, "second", time.Minute); err != nil || got != "second" || delivered.Load() != 2 {
		t.Errorf("%q, %v, delivered %d times", got, err, delivered.Load())
	}
}

// As before, with an answer that nobody asked for.
func TestUnaskedIsSeenAfterAnEarlierDeadline(t *testing.T) {
	target := peer(t, func(c net.Conn, r *http.Request, n int) bool {
		body, _ := io.ReadAll(r.Body)
		answer(c, string(body))
		if n == 1 {
			time.Sleep(20 * time.Millisecond)
			answer(c, "wrong")
		}
		return true
	})
	if _, err := post(target, "first", time.Second); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond)
	if got, err := post(target, "second", time.Minute); err != nil || got != "second" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestInterimAnswers(t *testing.T) {
	target := peer(t, func(c net.Conn, r *http.Request, n int) bool {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprint(c, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
		time.Sleep(10 * time.Millisecond)
		answer(c, string(body))
		return true
	})
	for range 3 {
		if got, err := post(target, "b", time.Minute); err != nil || got != "b" {
			t.Errorf("%q, %v", got, err)
		}
	}
	if target.conns.ConnsCount() != 1 {
		t.Errorf("%d connections", target.conns.ConnsCount())
	}
}

func TestOddAnswers(t *testing.T) {
	for _, tc := range []struct {
		raw, body string
		close     bool
		conns     int
	}{
		{"HTTP/1.1 204 No Content\r\n\r\n", "", false, 1},
		{"HTTP/1.1 304 Not Modified\r\n\r\n", "", false, 1},
		{"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", false, 0},
		{"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", "ok", false, 1},
		{"HTTP/1.1 200 OK\r\n\r\nok", "ok", true, 0},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\nX-T: 1\r\n\r\n", "ok", false, 1},
	} {
		target := peer(t, func(c net.Conn, r *http.Request, n int) bool {
			_, _ = io.Copy(io.Discard, r.Body)
			for i := range len(tc.raw) { // byte by byte
				_, _ = c.Write([]byte{tc.raw[i]})
			}
			return !tc.close
		})
		for range 2 {
			if got, err := post(target, "x", 5*time.Second); err != nil || got != tc.body {
				t.Errorf("%q: %q, %v", tc.raw, got, err)
			}
		}
		if target.conns.ConnsCount() != tc.conns {
			t.Errorf("%q: %d connections", tc.raw, target.conns.ConnsCount())
		}
	}
}

// Answers that come too late must not meet the next message.
func TestManyTimeoutsUnderLoad(t *testing.T) {
	target := peer(t, func(c net.Conn, r *http.Request, n int) bool {
		body, _ := io.ReadAll(r.Body)
		var ms int
		fmt.Sscan(string(body), &ms)
		time.Sleep(time.Duration(ms%7) * time.Millisecond)
		answer(c, string(body))
		return n%5 != 0
	})
	done := make(chan error, 16)
	for g := range 16 {
		go func() {
			for i := range 400 {
				want := fmt.Sprint(g*1000 + i)
				got, err := post(target, want, time.Duration(3+i%9)*time.Millisecond)
				if err == nil && got != want {
					done <- fmt.Errorf("got %q want %q", got, want)
					return
				}
			}
			done <- nil
		}()
	}
	for range 16 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := target.conns.ConnsCount(); n > 16 {
		t.Errorf("%d connections for 16 callers", n)
	}
}
