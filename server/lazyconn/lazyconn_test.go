package lazyconn

import (
	"bytes"
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// timerConn is a connection whose timer the test lets go off.
type timerConn struct {
	net.Conn
	armed   []time.Time // read deadlines set, in order
	expired int         // calls to come that find the timer gone off
	taken   bytes.Buffer
	atMost  int // bytes taken before the timer goes off
}

func (c *timerConn) SetReadDeadline(t time.Time) error  { c.armed = append(c.armed, t); return nil }
func (c *timerConn) SetWriteDeadline(t time.Time) error { return c.SetReadDeadline(t) }

func (c *timerConn) Read(p []byte) (int, error) {
	if c.expired > 0 {
		c.expired--
		return 0, os.ErrDeadlineExceeded
	}
	return copy(p, "data"), nil
}

func (c *timerConn) Write(p []byte) (int, error) {
	if c.expired > 0 {
		c.expired--
		n, _ := c.taken.Write(p[:min(c.atMost, len(p))])
		return n, os.ErrDeadlineExceeded
	}
	return c.taken.Write(p)
}

func TestADeadlineThatMovesLaterLeavesTheTimer(t *testing.T) {
	inner := &timerConn{}
	c := &Conn{Conn: inner}
	first := time.Now().Add(time.Hour)
	for i := range 5 {
		if err := c.SetReadDeadline(first.Add(time.Duration(i) * time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if len(inner.armed) != 1 || !inner.armed[0].Equal(first) {
		t.Fatalf("the timer was set %d times: %v", len(inner.armed), inner.armed)
	}
	if _ = c.SetReadDeadline(time.Time{}); len(inner.armed) != 1 {
		t.Error("taking the deadline away touched the timer")
	}
	earlier := first.Add(-time.Minute)
	if _ = c.SetReadDeadline(earlier); len(inner.armed) != 2 || !inner.armed[1].Equal(earlier) {
		t.Error("an earlier deadline must set the timer")
	}
}

func TestATimerThatGoesOffEarlyIsSetAgain(t *testing.T) {
	inner := &timerConn{expired: 1}
	c := &Conn{Conn: inner}
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	later := time.Now().Add(time.Hour)
	_ = c.SetReadDeadline(later)
	buf := make([]byte, 8)
	if n, err := c.Read(buf); n != 4 || err != nil {
		t.Errorf("read: %d, %v", n, err)
	}
	if got := inner.armed[len(inner.armed)-1]; !got.Equal(later) {
		t.Errorf("the timer is at %v, want %v", got, later)
	}

	inner.expired = 1
	_ = c.SetReadDeadline(time.Time{})
	if n, err := c.Read(buf); n != 4 || err != nil {
		t.Errorf("read without a deadline: %d, %v", n, err)
	}

	inner.expired, inner.atMost = 1, 3
	_ = c.SetWriteDeadline(time.Now().Add(time.Hour))
	if n, err := c.Write([]byte("whole text")); n != 10 || err != nil || inner.taken.String() != "whole text" {
		t.Errorf("write: %d, %v, %q", n, err, inner.taken.String())
	}
}

func TestADeadlineThatHasComeIsReported(t *testing.T) {
	inner := &timerConn{expired: 1, atMost: 3}
	c := &Conn{Conn: inner}
	_ = c.SetDeadline(time.Now().Add(-time.Second))
	if _, err := c.Read(make([]byte, 8)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %v", err)
	}
	inner.expired = 1
	if n, err := c.Write([]byte("whole text")); n != 3 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write: %d, %v", n, err)
	}
}
