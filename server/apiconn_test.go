package server

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// connPair is a real connection: the server's end of it, and the client's.
func connPair(t testing.TB, limits connLimits) (*apiConn, *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c, err := newAPIConn(accepted.(*net.TCPConn), limits, func() {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); client.Close() })
	return c, client.(*net.TCPConn)
}

// Limits that a test does not mean are far off: reaching one would hang it.
func limitsOf(read, write, idle time.Duration) connLimits {
	return connLimits{read: cmp.Or(read, time.Hour), write: cmp.Or(write, time.Hour), idle: cmp.Or(idle, time.Hour)}
}

func isTimeout(err error) bool {
	var netErr net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) && errors.As(err, &netErr) && netErr.Timeout()
}

func sends(t *testing.T, w io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
}

func arrives(t *testing.T, r io.Reader, text string) {
	t.Helper()
	got := make([]byte, len(text))
	if _, err := io.ReadFull(r, got); err != nil || string(got) != text {
		t.Fatalf("got %q, %v; want %q", got, err, text)
	}
}

func TestAConnectionsFirstRequestMayTakeTheReadLimit(t *testing.T) {
	c, _ := connPair(t, limitsOf(30*ms, 0, 0))
	if n, err := c.Read(make([]byte, 8)); n != 0 || !isTimeout(err) {
		t.Errorf("%d, %v", n, err)
	}
}

func TestAKeptConnectionMayRestForTheIdleLimit(t *testing.T) {
	c, client := connPair(t, limitsOf(0, 0, 30*ms))
	sends(t, client, "request")
	arrives(t, c, "request")
	sends(t, c, "answer")
	if n, err := c.Read(make([]byte, 8)); n != 0 || !isTimeout(err) {
		t.Errorf("%d, %v", n, err)
	}
}

// A client that sends a byte now and then gains no time by it: the loop ends
// only because the limit holds for the whole request.
func TestTricklingDoesNotExtendTheReadLimit(t *testing.T) {
	c, client := connPair(t, limitsOf(100*ms, 0, 0))
	sends(t, client, "request")
	arrives(t, c, "request")
	sends(t, c, "answer")
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * ms):
				_, _ = client.Write([]byte("x"))
			}
		}
	}()
	got := 0
	for {
		n, err := c.Read(make([]byte, 8))
		got += n
		if err != nil {
			if !isTimeout(err) || got == 0 {
				t.Errorf("after %d bytes: %v", got, err)
			}
			return
		}
	}
}

func TestAnAnswerThatIsNotTakenEndsAtTheWriteLimit(t *testing.T) {
	c, _ := connPair(t, limitsOf(0, 30*ms, 0))
	big := make([]byte, 64<<20)
	if n, err := c.Write(big); n >= len(big) || !isTimeout(err) {
		t.Errorf("%d, %v", n, err)
	}
}

// The timer of one wait must not end a later one early: it may go off while
// the request is being worked on.
func TestATimerThatWentOffBetweenIsNotTheNextWaits(t *testing.T) {
	c, client := connPair(t, limitsOf(0, 0, 100*ms))
	sends(t, client, "request")
	arrives(t, c, "request")
	sends(t, c, "answer")
	go func() {
		time.Sleep(10 * ms) // so that the wait sets the timer
		_, _ = client.Write([]byte("again"))
	}()
	arrives(t, c, "again")
	time.Sleep(150 * ms)
	sends(t, c, "answer")
	go func() {
		time.Sleep(20 * ms)
		_, _ = client.Write([]byte("third"))
	}()
	arrives(t, c, "third")
}

func TestALongAnswerArrivesWholeAtASlowReader(t *testing.T) {
	c, client := connPair(t, limitsOf(0, 0, 0))
	want := make([]byte, 16<<20)
	for i := range want {
		want[i] = byte(i * 7 >> 3)
	}
	sent := make(chan error, 1)
	go func() {
		n, err := c.Write(want)
		if err == nil && n != len(want) {
			err = io.ErrShortWrite
		}
		sent <- err
	}()
	var got bytes.Buffer
	for got.Len() < len(want) {
		time.Sleep(time.Millisecond)
		if _, err := io.CopyN(&got, client, 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-sent; err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%v, equal: %v", err, bytes.Equal(got.Bytes(), want))
	}
}

func TestAConnectionSaysHowItEnded(t *testing.T) {
	c, client := connPair(t, limitsOf(0, 0, 0))
	client.Close()
	if n, err := c.Read(make([]byte, 8)); n != 0 || err != io.EOF {
		t.Errorf("closed: %d, %v", n, err)
	}

	c, client = connPair(t, limitsOf(0, 0, 0))
	_ = client.SetLinger(0)
	client.Close() // with a reset
	if n, err := c.Read(make([]byte, 8)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reset: %d, %v", n, err)
	}
	if n, err := c.Write([]byte("x")); n != 0 || !errors.Is(err, syscall.EPIPE) {
		t.Errorf("written after a reset: %d, %v", n, err)
	}

	c, _ = connPair(t, limitsOf(0, 0, 0))
	c.Close()
	if _, err := c.Read(make([]byte, 8)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed here: %v", err)
	}
	if n, err := c.Read(nil); n != 0 || err != nil {
		t.Errorf("nothing asked for: %d, %v", n, err)
	}
}

func TestReadingAndWritingAllocateNothing(t *testing.T) {
	c, client := connPair(t, limitsOf(0, 0, 0))
	buf, back := make([]byte, 8), make([]byte, 8)
	if n := testing.AllocsPerRun(100, func() {
		_, _ = client.Write(buf)
		_, _ = c.Read(buf)
		_, _ = c.Write(buf)
		_, _ = client.Read(back)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
