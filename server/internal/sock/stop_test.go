package sock

import (
	"errors"
	"net"
	"testing"
	"time"
)

func TestAStopEndsAReadThatWaits(t *testing.T) {
	for _, limit := range []time.Duration{0, time.Hour} {
		c, _ := pair(t)
		if limit > 0 {
			_ = c.SetDeadline(time.Now().Add(limit))
		}
		var s Stop
		if err := s.Begin(c); err != nil {
			t.Fatal(err)
		}
		go s.Now()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, ErrStopped) {
			t.Errorf("deadline in %v: the read ended with %v", limit, err)
		}
		if err := s.End(); !errors.Is(err, ErrStopped) {
			t.Errorf("end: %v", err)
		}
	}
}

func TestAStopEndsAWriteThatWaits(t *testing.T) {
	c, _ := pair(t)
	var s Stop
	if err := s.Begin(c); err != nil {
		t.Fatal(err)
	}
	go s.Now()
	if _, err := c.Write(pattern(64 << 20)); !errors.Is(err, ErrStopped) {
		t.Errorf("the write ended with %v", err)
	}
}

func TestAStopReachesOneCallOnly(t *testing.T) {
	c, peer := pair(t)
	var s Stop
	if err := errors.Join(s.Begin(c), s.End()); err != nil {
		t.Fatal(err)
	}
	s.Now() // too late for that call
	sends(t, peer, "next")
	arrives(t, c, "next")
	if err := s.Begin(c); !errors.Is(err, ErrStopped) {
		t.Errorf("a call after it began: %v", err)
	}
	s.Reset()
	if err := errors.Join(s.Begin(c), s.End()); err != nil {
		t.Errorf("used again: %v", err)
	}
	var none *Stop
	if err := errors.Join(none.Begin(c), none.End()); err != nil {
		t.Errorf("no Stop: %v", err)
	}
}

func TestAStopCallsBackOnce(t *testing.T) {
	var s Stop
	calls := 0
	if err := s.BeginWith(func() { calls++ }); err != nil {
		t.Fatal(err)
	}
	s.Now()
	s.Now()
	if err := s.End(); !errors.Is(err, ErrStopped) || calls != 1 {
		t.Errorf("end: %v after %d calls", err, calls)
	}
	if err := s.BeginWith(func() { calls++ }); !errors.Is(err, ErrStopped) {
		t.Errorf("a call after it began: %v", err)
	}
	s.Reset()
	if err := errors.Join(s.BeginWith(func() { calls++ }), s.End()); err != nil {
		t.Errorf("used again: %v", err)
	}
	if s.Now(); calls != 1 {
		t.Errorf("a call that is over was broken off: %d calls", calls)
	}
	var none *Stop
	if err := none.BeginWith(nil); err != nil {
		t.Errorf("no Stop: %v", err)
	}
}

// The other end hears that a caller has left once all of the request is sent, and can
// answer all the same. The connection is of no further use then.
func TestTheOtherEndHearsThatACallerHasLeft(t *testing.T) {
	for _, kept := range []bool{false, true} { // with a kept one Ask waits for the answer
		overAll(t, func(t *testing.T, conn, peer net.Conn) {
			if kept {
				exchanges(t, conn, peer)
			}
			var s Stop
			if err := s.Begin(conn); err != nil {
				t.Fatal(err)
			}
			if s.Left() {
				t.Error("it was told before the request was sent")
			}
			asked := make(chan error, 1)
			go func() {
				err := Ask(conn, []byte("request"))
				if left := s.Sent(true); left != nil && !errors.Is(left, ErrLeft) {
					err = left
				}
				asked <- err
			}()
			arrives(t, peer, "request")
			for !s.Left() {
				time.Sleep(ms)
			}
			if n, err := peer.Read(make([]byte, 1)); err == nil {
				t.Errorf("%d bytes more", n)
			}
			sends(t, peer, "answer")
			if err := <-asked; err != nil {
				t.Error(err)
			}
			arrives(t, conn, "answer")
			if err := s.Sent(false); !errors.Is(err, ErrLeft) {
				t.Errorf("%v", err)
			}
			if err := s.End(); err != nil {
				t.Error(err)
			}
			if s.Left() {
				t.Error("it was told after the call")
			}
		})
	}
}
