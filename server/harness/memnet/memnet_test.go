package memnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"simplane/server/internal/sock"
)

const ms = time.Millisecond

// socket is what both kinds of connection have.
type socket interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
	SetLinger(int) error
}

// ends are both ends of a connection in memory.
func ends(t *testing.T, opts Options) (near, far *Conn) {
	t.Helper()
	n := New(opts)
	l, err := n.Listen("10.0.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := n.Dial("10.0.0.1:80", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return a.(*Conn), b.(*Conn)
}

// kernels are both ends of one of the machine's.
func kernels(t *testing.T) (near, far socket) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return a.(socket), b.(socket)
}

// story notes what happens at one end, in words that do not depend on addresses.
type story struct {
	strings.Builder
	buf [64]byte
}

func (s *story) read(c net.Conn) {
	n, err := c.Read(s.buf[:])
	fmt.Fprintf(s, "read %q %s\n", s.buf[:n], kind(err))
}

func (s *story) write(c net.Conn, text string) {
	n, err := io.WriteString(c, text)
	fmt.Fprintf(s, "wrote %d %s\n", n, kind(err))
}

func kind(err error) string {
	for _, known := range []error{io.EOF, net.ErrClosed, os.ErrDeadlineExceeded, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return fmt.Sprint(err)
}

// TestAsTCP: what can be seen of a connection in memory is what the machine's own
// connections show.
func TestAsTCP(t *testing.T) {
	for name, play := range map[string]func(s *story, a, b socket, pause func()){
		"both ways": func(s *story, a, b socket, pause func()) {
			s.write(a, "question")
			s.read(b)
			s.write(b, "answer")
			s.read(a)
		},
		"half close": func(s *story, a, b socket, pause func()) {
			s.write(a, "all")
			fmt.Fprintln(s, a.CloseWrite())
			pause()
			s.read(b)
			s.read(b)
			s.write(b, "heard")
			s.read(a)
			s.write(a, "more")
		},
		"close": func(s *story, a, b socket, pause func()) {
			s.write(a, "last")
			fmt.Fprintln(s, a.Close())
			pause()
			s.read(b)
			s.read(b)
			s.write(b, "to nobody")
			pause()
			s.write(b, "again")
			s.read(b)
			s.read(a)
			s.write(a, "closed")
		},
		"close with unread bytes": func(s *story, a, b socket, pause func()) {
			s.write(b, "unread")
			pause()
			fmt.Fprintln(s, a.Close())
			pause()
			s.read(b)
			s.read(b)
			s.write(b, "to nobody")
		},
		"answered, then reset by what it did not read": func(s *story, a, b socket, pause func()) {
			s.write(b, "unread")
			pause()
			s.write(a, "refused")
			fmt.Fprintln(s, a.Close())
			pause()
			s.read(b)
			s.read(b)
			s.read(b)
		},
		"no linger": func(s *story, a, b socket, pause func()) {
			fmt.Fprintln(s, a.SetLinger(0), a.Close())
			pause()
			s.write(b, "to nobody")
			s.write(b, "to nobody")
			s.read(b)
		},
		"closed twice": func(s *story, a, b socket, pause func()) {
			fmt.Fprintln(s, a.Close())
			fmt.Fprintln(s, kind(a.Close()), kind(a.SetDeadline(time.Now())))
		},
		"deadline that has passed": func(s *story, a, b socket, pause func()) {
			fmt.Fprintln(s, a.SetReadDeadline(time.Unix(1, 0)))
			s.write(b, "there")
			pause()
			s.read(a)
			fmt.Fprintln(s, a.SetReadDeadline(time.Time{}))
			s.read(a)
		},
		"raw": func(s *story, a, b socket, pause func()) {
			r, err := a.SyscallConn()
			fmt.Fprintln(s, err, r.Read(func(uintptr) bool { return true }), a.SetReadDeadline(time.Now().Add(50*ms)))
			fmt.Fprintln(s, kind(r.Read(func(uintptr) bool { return false })))
			a.Close()
			fmt.Fprintln(s, kind(a.CloseWrite()) != "<nil>", r.Control(func(uintptr) {}) != nil, r.Read(func(uintptr) bool { return true }) != nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var want, got story
			a, b := kernels(t)
			play(&want, a, b, func() { time.Sleep(20 * ms) })
			a.Close()
			b.Close()
			synctest.Test(t, func(t *testing.T) {
				a, b := ends(t, Options{})
				play(&got, a, b, func() { time.Sleep(20 * ms) })
			})
			if got.String() != want.String() {
				t.Errorf("in memory:\n%s\nTCP:\n%s", got.String(), want.String())
			}
		})
	}
}

// TestWindow: who writes waits for who reads, in virtual time, and nothing is lost.
func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := ends(t, Options{Window: 1000})
		sent := bytes.Repeat([]byte("0123456789"), 1000)
		began := time.Now()
		go func() {
			if n, err := a.Write(sent); n != len(sent) || err != nil {
				t.Errorf("wrote %d, %v", n, err)
			}
			if took := time.Since(began); took != 9*time.Second {
				t.Errorf("writing 10 windows to who reads one a second took %v", took)
			}
			a.Close()
		}()
		var got []byte
		for {
			time.Sleep(time.Second)
			p := make([]byte, 1000)
			n, err := io.ReadFull(b, p)
			got = append(got, p[:n]...)
			if err != nil {
				break
			}
		}
		if !bytes.Equal(got, sent) {
			t.Errorf("%d bytes came, %d were sent", len(got), len(sent))
		}
		a, b = ends(t, Options{Window: 10})
		_ = a.SetWriteDeadline(time.Now().Add(time.Second))
		if n, err := a.Write(sent); n != 10 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("to who does not read: wrote %d, %v", n, err)
		}
		b.SetWindow(20)
		_ = a.SetWriteDeadline(time.Time{})
		if n, err := a.WriteNow(sent); n != 10 || err != nil {
			t.Errorf("wrote %d more, %v", n, err)
		}
		if n, err := a.WriteNow(sent); n != 0 || err != syscall.EAGAIN {
			t.Errorf("wrote %d more, %v", n, err)
		}
	})
}

// TestDelay: bytes come in order, within the delay's bounds, and at the same times in
// each run of a seed.
func TestDelay(t *testing.T) {
	run := func(seed uint64) (times []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			a, b := ends(t, Options{Seed: seed, MinDelay: 10 * ms, MaxDelay: 40 * ms})
			began := time.Now()
			go func() {
				for i := range byte(50) {
					_, _ = a.Write([]byte{i})
					time.Sleep(ms)
				}
				_ = a.CloseWrite()
			}()
			for i := range byte(50) {
				var p [1]byte
				if _, err := io.ReadFull(b, p[:]); err != nil || p[0] != i {
					t.Fatalf("byte %d is %d, %v", i, p[0], err)
				}
				late := time.Since(began) - time.Duration(i)*ms
				if late < 10*ms || late > 50*ms {
					t.Errorf("byte %d came after %v", i, late)
				}
				times = append(times, late)
			}
			if _, err := b.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("after the last byte: %v", err)
			}
		})
		return times
	}
	one, again, other := run(1), run(1), run(2)
	if fmt.Sprint(one) != fmt.Sprint(again) {
		t.Errorf("seed 1 gives %v and %v", one, again)
	}
	if fmt.Sprint(one) == fmt.Sprint(other) {
		t.Errorf("seeds 1 and 2 give both %v", one)
	}
}

// TestCut: what is on its way is lost, what has arrived is not, and both ends are told.
func TestCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := ends(t, Options{MinDelay: 10 * ms, MaxDelay: 10 * ms})
		_, _ = a.Write([]byte("arrives"))
		time.Sleep(20 * ms)
		_, _ = a.Write([]byte("is lost"))
		waits := make(chan error)
		go func() {
			_, err := a.Read(make([]byte, 1))
			waits <- err
		}()
		synctest.Wait()
		b.Cut()
		if err := <-waits; !errors.Is(err, syscall.ECONNRESET) || !a.PeerLeft() || !b.PeerLeft() {
			t.Errorf("who reads is told %v", err)
		}
		p := make([]byte, 20)
		if n, err := b.Read(p); string(p[:n]) != "arrives" || err != nil {
			t.Errorf("read %q, %v", p[:n], err)
		}
		if _, err := b.Read(p); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read: %v", err)
		}
		if _, err := a.Write(p); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("write: %v", err)
		}
	})
}

// TestListener: addresses are taken once, and closed ones refuse.
func TestListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Options{MinDelay: ms, MaxDelay: ms})
		if _, err := n.Dial("10.0.0.1:80", time.Second); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("nobody listens: %v", err)
		}
		l, _ := n.Listen("10.0.0.1:80")
		if _, err := n.Listen("10.0.0.1:80"); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("listening twice: %v", err)
		}
		began := time.Now()
		if _, err := n.Dial("10.0.0.1:80", ms); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != ms {
			t.Errorf("a dial that takes too long: %v after %v", err, time.Since(began))
		}
		c, err := n.DialFrom(netip.MustParseAddr("10.9.9.9"), "10.0.0.1:80", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if l.Close() != nil || l.Close() == nil {
			t.Error("a listener closes once")
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept: %v", err)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a connection that was not accepted: %v", err)
		}
		if c.LocalAddr().(*net.TCPAddr).IP.String() != "10.9.9.9" {
			t.Errorf("the client's address is %v", c.LocalAddr())
		}
	})
}

// TestHTTP: net/http goes over it, and virtual time with it.
func TestHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Options{MinDelay: 5 * ms, MaxDelay: 5 * ms})
		l, _ := n.Listen("10.0.0.1:80")
		server := http.Server{ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Hour)
			_, _ = io.Copy(w, r.Body)
		})}
		go server.Serve(l)
		client := http.Client{Transport: &http.Transport{DialContext: func(_ context.Context, _, addr string) (net.Conn, error) { return n.Dial(addr, time.Minute) }}}
		began := time.Now()
		a, err := client.Post("http://10.0.0.1:80/", "text/plain", strings.NewReader("echo"))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(a.Body)
		if took := time.Since(began); string(body) != "echo" || took < time.Hour+20*ms || took > time.Hour+30*ms {
			t.Errorf("%q after %v", body, took)
		}
		client.CloseIdleConnections()
		server.Close()
	})
}

var _ sock.Memory = (*Conn)(nil)

// TestFullBacklog has connections that find the backlog full wait: until there is room,
// until their time is over, or until the listener closes.
func TestFullBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Options{})
		l, err := n.Listen("10.0.0.1:80")
		if err != nil {
			t.Fatal(err)
		}
		for range backlog {
			if _, err := n.Dial("10.0.0.1:80", 0); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := n.Dial("10.0.0.1:80", time.Second); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after a second: %v", err)
		}
		in := make(chan error, 1)
		dial := func() {
			_, err := n.Dial("10.0.0.1:80", 0)
			in <- err
		}
		go dial()
		synctest.Wait()
		if len(in) > 0 {
			t.Fatalf("not waited: %v", <-in)
		}
		if _, err := l.Accept(); err != nil {
			t.Fatal(err)
		}
		if err := <-in; err != nil {
			t.Errorf("with room: %v", err)
		}
		go dial()
		synctest.Wait()
		l.Close()
		if err := <-in; err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("closed: %v", err)
		}
	})
}

// TestSeenFromOutside: PeerClosed, Missed and Lost tell what the end that asks cannot know
// yet, or never learns.
func TestSeenFromOutside(t *testing.T) {
	for name, c := range map[string]struct {
		play         func(a, b *Conn)
		closed       time.Duration // of b; -1 = not
		missed, lost bool
	}{
		"nothing happens":           {func(a, b *Conn) {}, -1, false, false},
		"all is read":               {func(a, b *Conn) { a.Write([]byte("1")); time.Sleep(20 * ms); b.Read(make([]byte, 9)); b.Close() }, 20 * ms, false, false},
		"nothing is sent":           {func(a, b *Conn) { b.Close() }, 0, false, false},
		"it came and was not read":  {func(a, b *Conn) { a.Write([]byte("1")); time.Sleep(20 * ms); b.Close() }, 20 * ms, true, false},
		"it was on its way":         {func(a, b *Conn) { a.Write([]byte("1")); time.Sleep(5 * ms); b.Close() }, 5 * ms, true, false},
		"it was sent afterwards":    {func(a, b *Conn) { b.Close(); time.Sleep(5 * ms); a.Write([]byte("1")) }, 0, true, false},
		"the end was on its way":    {func(a, b *Conn) { a.Close(); time.Sleep(5 * ms); b.Close() }, 5 * ms, true, false},
		"the end had come":          {func(a, b *Conn) { a.Close(); time.Sleep(20 * ms); b.Close() }, 20 * ms, false, false},
		"cut with bytes on the way": {func(a, b *Conn) { a.Write([]byte("1")); time.Sleep(5 * ms); b.Cut() }, -1, false, true},
		"cut when all is read": {func(a, b *Conn) {
			a.Write([]byte("1"))
			time.Sleep(20 * ms)
			b.Read(make([]byte, 9))
			b.Cut()
			b.Close()
		}, 20 * ms, false, false},
		"cut when it was sent to it": {func(a, b *Conn) { b.Write([]byte("1")); b.Cut() }, -1, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := ends(t, Options{MinDelay: 10 * ms, MaxDelay: 10 * ms})
				began := time.Now()
				c.play(a, b)
				time.Sleep(time.Second)
				closed := time.Duration(-1)
				if at := a.PeerClosed(); !at.IsZero() {
					closed = at.Sub(began)
				}
				if closed != c.closed || a.Missed() != c.missed || a.Lost() != c.lost {
					t.Errorf("closed at %v, missed %v, lost %v; expected %v, %v, %v", closed, a.Missed(), a.Lost(), c.closed, c.missed, c.lost)
				}
			})
		})
	}
}
