package sock

import (
	"errors"
	"net"
	"sync"
	"time"
)

// ErrStopped is the error of a read or a write that a Stop broke off.
var ErrStopped = errors.New("the call was broken off: nobody waits for its answer")

// Stop breaks off one call that another goroutine makes. The zero value is
// ready; it may be used again for another call after Reset.
type Stop struct {
	mu      sync.Mutex
	stopped bool
	conn    *Conn  // of the call under way; nil = none
	sent    bool   // all of its request, as far as it was asked for
	left    bool   // see Left
	breaks  func() // of a call that has no connection; nil = none
}

// Now makes the call under way, or else the next one, end with ErrStopped. It
// does not wait for that.
func (s *Stop) Now() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	if s.conn != nil {
		s.conn.stop()
	}
	if s.breaks != nil {
		s.breaks()
		s.breaks = nil
	}
}

// Reset forgets an earlier Now.
func (s *Stop) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = false
}

// Begin registers the call on conn, whose deadlines must be set already, for
// Now. The error is ErrStopped when Now came before. A nil Stop does nothing.
func (s *Stop) Begin(conn net.Conn) error {
	return s.begin(func() {
		s.conn, s.sent, s.left = Under(conn), false, false
		if s.conn != nil {
			s.conn.asked.Store(false)
		}
	})
}

// BeginWith is Begin for a call that Now breaks off by f, once. f must return at
// once.
func (s *Stop) BeginWith(f func()) error {
	return s.begin(func() { s.breaks = f })
}

func (s *Stop) begin(register func()) error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return ErrStopped
	}
	register()
	return nil
}

// Sent says whether all of the request is sent that the other end has asked for: from
// then on Left can tell it something. While Ask waits the Stop knows by itself. The error
// is ErrLeft when Left has, and nothing more can be sent. A nil Stop does nothing.
func (s *Stop) Sent(yes bool) error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = yes
	if s.left {
		return ErrLeft
	}
	return nil
}

// ErrLeft says that a call's connection is of no further use: the other end was told that
// the caller has left.
var ErrLeft = errors.New("the caller has left")

// Left has the other end of the call under way know that its caller has left: it sees that
// nothing more will come, see Conn.HasLeft. What it answers is still read. Left reports
// whether the other end knows, which it does not before all of the request is sent.
func (s *Stop) Left() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil || !s.sent && !s.conn.asked.Load() {
		return false
	}
	s.left = true
	_ = s.conn.CloseWrite()
	return true
}

// End unregisters the call. The error is ErrStopped when Now came meanwhile:
// the connection must be closed.
func (s *Stop) End() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn, s.breaks = nil, nil
	if s.stopped {
		return ErrStopped
	}
	return nil
}

// stop ends reads and writes, those under way and those to come.
func (c *Conn) stop() {
	c.stopped.Store(true)
	_ = c.Socket.SetDeadline(time.Now())
}

// Break makes reads and writes, those under way and those to come, end with
// ErrStopped. It may be called from any goroutine.
func (c *Conn) Break() { c.stop() }

// Interrupt makes the Read under way, or else the next one, end with
// ErrStopped. It may be called from any goroutine.
func (c *Conn) Interrupt() {
	c.stopped.Store(true)
	_ = c.Socket.SetReadDeadline(time.Now())
}

// Resume forgets an Interrupt. Only the goroutine that reads may call it.
func (c *Conn) Resume() {
	c.stopped.Store(false)
	c.read.armed = time.Time{} // whatever the timer is set to
}
