package sock

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

const ms = time.Millisecond

// pair is a real connection: this package's end of it, and the peer's.
func pair(t testing.TB) (*Conn, *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dial := Dialer(func(addr string, timeout time.Duration) (net.Conn, error) {
		return net.DialTimeout("tcp", addr, timeout)
	})
	c, err := dial(ln.Addr().String(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	peer, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); peer.Close() })
	return c.(*Conn), peer.(*net.TCPConn)
}

func sends(t testing.TB, w io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
}

func arrives(t testing.TB, r io.Reader, text string) {
	t.Helper()
	got := make([]byte, len(text))
	if _, err := io.ReadFull(r, got); err != nil || string(got) != text {
		t.Fatalf("got %q, %v; want %q", got, err, text)
	}
}

func isTimeout(err error) bool {
	var netErr net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) && errors.As(err, &netErr) && netErr.Timeout()
}

func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i * 7 >> 3)
	}
	return p
}

// Both directions at once, each in other pieces than the peer's.
func TestBytesArriveInOrderBothWays(t *testing.T) {
	c, peer := pair(t)
	want := pattern(5 << 20) // more than the sockets hold
	done := make(chan error, 2)
	write := func(w io.Writer, step int) {
		for at := 0; at < len(want); at += step {
			if n, err := w.Write(want[at:min(at+step, len(want))]); err != nil || n != min(step, len(want)-at) {
				done <- errors.Join(err, io.ErrShortWrite)
				return
			}
		}
		done <- nil
	}
	go write(c, 3<<20)
	go write(peer, 100_000)
	read := func(r io.Reader, got *[]byte) {
		*got = make([]byte, len(want))
		_, err := io.ReadFull(r, *got)
		done <- err
	}
	var here, there []byte
	go read(c, &here)
	go read(peer, &there)
	for range 4 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(here, want) || !bytes.Equal(there, want) {
		t.Error("other bytes arrived")
	}
}

func TestAReadTakesWhatIsThere(t *testing.T) {
	c, peer := pair(t)
	if n, err := c.Read(nil); n != 0 || err != nil {
		t.Errorf("nothing asked for: %d, %v", n, err)
	}
	sends(t, peer, "abc")
	buf := make([]byte, 100)
	if n, err := c.Read(buf[:2]); n != 2 || err != nil {
		t.Errorf("part: %d, %v", n, err)
	}
	if n, err := c.Read(buf); n != 1 || err != nil || buf[0] != 'c' {
		t.Errorf("rest: %d, %v, %q", n, err, buf[:1])
	}
}

func TestHowAConnectionEnds(t *testing.T) {
	buf := make([]byte, 8)
	c, peer := pair(t)
	peer.Close()
	if n, err := c.Read(buf); n != 0 || err != io.EOF {
		t.Errorf("closed: %d, %v", n, err)
	}

	c, peer = pair(t)
	_ = peer.SetLinger(0)
	peer.Close() // with a reset
	if n, err := c.Read(buf); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reset: %d, %v", n, err)
	}
	if n, err := c.Write([]byte("x")); n != 0 || !errors.Is(err, syscall.EPIPE) {
		t.Errorf("written after a reset: %d, %v", n, err)
	}

	c, _ = pair(t)
	ended := make(chan error)
	go func() {
		_, err := c.Read(buf)
		ended <- err
	}()
	c.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed here: %v", err)
	}
}

func TestADeadlineThatMovesLaterLeavesTheTimer(t *testing.T) {
	c, _ := pair(t)
	first := time.Now().Add(time.Hour)
	for i := range 5 {
		if err := c.SetDeadline(first.Add(time.Duration(i) * time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if !c.read.armed.Equal(first) || !c.write.armed.Equal(first) {
		t.Errorf("the timers were set to %v and %v, want %v", c.read.armed, c.write.armed, first)
	}
	_ = c.SetDeadline(time.Time{})
	if !c.read.armed.Equal(first) || !c.write.armed.Equal(first) {
		t.Error("taking the deadline away touched a timer")
	}
}

func TestADeadlineThatHasComeEndsTheCall(t *testing.T) {
	buf := make([]byte, 8)
	for name, set := range map[string]func(c *Conn){
		"soon": func(c *Conn) { _ = c.SetDeadline(time.Now().Add(20 * ms)) },
		"past": func(c *Conn) { _ = c.SetDeadline(time.Now().Add(-time.Second)) },
		"moved earlier": func(c *Conn) {
			_ = c.SetDeadline(time.Now().Add(time.Hour))
			_ = c.SetDeadline(time.Now().Add(20 * ms))
		},
		"moved later": func(c *Conn) { _ = c.SetDeadline(time.Now().Add(10 * ms)); _ = c.SetDeadline(time.Now().Add(30 * ms)) },
		"taken away, set anew": func(c *Conn) {
			_ = c.SetDeadline(time.Now().Add(10 * ms))
			_ = c.SetDeadline(time.Time{})
			_ = c.SetDeadline(time.Now().Add(30 * ms))
		},
		"earlier after its time": func(c *Conn) {
			_ = c.SetDeadline(time.Now().Add(5 * ms))
			time.Sleep(10 * ms)
			_ = c.SetDeadline(time.Now().Add(20 * ms))
		},
	} {
		c, _ := pair(t)
		set(c)
		if n, err := c.Read(buf); n != 0 || !isTimeout(err) || time.Now().Before(c.read.want) {
			t.Errorf("%s: read %d, %v, %v before its time", name, n, err, time.Until(c.read.want))
		}
		long := make([]byte, 16<<20)
		if n, err := c.Write(long); n >= len(long) || !isTimeout(err) || time.Now().Before(c.write.want) {
			t.Errorf("%s: wrote %d, %v, %v before its time", name, n, err, time.Until(c.write.want))
		}
	}
}

// The timer of an earlier deadline goes off in the middle of a later wait, or
// has gone off before it.
func TestATimerThatGoesOffEarlyEndsNothing(t *testing.T) {
	want := pattern(5 << 20) // more than the sockets hold
	for _, later := range []time.Time{time.Now().Add(time.Hour), {}} {
		for _, before := range []time.Duration{0, 30 * ms} {
			c, peer := pair(t)
			_ = c.SetDeadline(time.Now().Add(10 * ms))
			_ = c.SetDeadline(later)
			time.Sleep(before)
			go func() {
				time.Sleep(40 * ms)
				_, _ = peer.Write([]byte("answer"))
			}()
			arrives(t, c, "answer")

			_ = c.SetDeadline(time.Now().Add(10 * ms))
			_ = c.SetDeadline(later)
			time.Sleep(before)
			go func() {
				n, err := c.Write(want)
				if err != nil || n != len(want) {
					t.Errorf("wrote %d, %v", n, err)
				}
				_ = c.CloseWrite()
			}()
			time.Sleep(40 * ms)
			if got, err := io.ReadAll(peer); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes arrived, %v", len(got), err)
			}
		}
	}
}

func TestReadingAndWritingAllocateNothing(t *testing.T) {
	c, peer := pair(t)
	buf, back := make([]byte, 8), make([]byte, 8)
	if n := testing.AllocsPerRun(100, func() {
		_ = c.SetDeadline(time.Now().Add(time.Hour))
		_ = Send(c, buf)
		_, _ = peer.Read(back)
		_, _ = peer.Write(back)
		_, _ = c.Read(buf)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A peer that is still sending gets the answer, not a reset.
func TestAPoliteCloseDoesNotDestroyTheAnswer(t *testing.T) {
	c, peer := pair(t)
	want := pattern(100_000)
	sent := make(chan error, 1)
	go func() {
		_, err := peer.Write(make([]byte, 8<<20))
		_ = peer.CloseWrite()
		sent <- err
	}()
	if _, err := io.ReadFull(c, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	c.LingerOnClose()
	if _, err := c.Write(want); err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	go func() { closed <- c.Close() }()
	if err := <-sent; err != nil {
		t.Errorf("the peer could not send on: %v", err)
	}
	if got, err := io.ReadAll(peer); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes arrived, %v", len(got), err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

func TestAClosedConnectionIsReportedOnce(t *testing.T) {
	_, peer := pair(t)
	n := 0
	c := New(peer, func() { n++ })
	if c.Close() != nil || c.Close() == nil || n != 1 {
		t.Errorf("reported %d times", n)
	}
}

// Await returns once something has come, without taking it, and the Reads
// after it see the stream as it is.
func TestAwait(t *testing.T) {
	c, peer := pair(t)
	want := pattern(3 * len(arrival{}))
	go func() { _, _ = peer.Write(want); _ = peer.CloseWrite() }()
	var got []byte
	for {
		err := c.Await()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Await(); err != nil { // there is something already
			t.Fatal(err)
		}
		p := make([]byte, 1000)
		n, err := c.Read(p)
		if err != nil || n == 0 {
			t.Fatalf("%d bytes after Await: %v", n, err)
		}
		got = append(got, p[:n]...)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes arrived of %d, or in another order", len(got), len(want))
	}
}

// Await ends with the deadline, which moves later without being set, and with
// the connection.
func TestAwaitFails(t *testing.T) {
	c, peer := pair(t)
	_ = c.SetReadDeadline(time.Now().Add(ms))
	if err := c.Await(); !isTimeout(err) {
		t.Fatalf("after the deadline: %v", err)
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * ms))
	_ = c.SetReadDeadline(time.Now().Add(time.Minute)) // the timer stays at 20 ms
	time.AfterFunc(60*ms, func() { _, _ = peer.Write([]byte("x")) })
	if err := c.Await(); err != nil {
		t.Fatal(err)
	}
	arrives(t, c, "x")
	_ = peer.SetLinger(0)
	peer.Close()
	if err := c.Await(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after a reset: %v", err)
	}
}

// An interrupt ends a read under way or the next one, no write; after Resume
// reads go on where they were.
func TestInterrupt(t *testing.T) {
	c, peer := pair(t)
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	for name, interrupt := range map[string]func(){
		"under way": func() { time.AfterFunc(5*ms, c.Interrupt) },
		"next":      c.Interrupt,
	} {
		interrupt()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, ErrStopped) {
			t.Fatalf("%s: %v", name, err)
		}
		sends(t, c, "busy")
		arrives(t, peer, "busy")
		c.Resume()
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		sends(t, peer, "more")
		arrives(t, c, "more")
	}
}
