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
	return s.begin(func() { s.conn = Under(conn) })
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
	_ = c.TCPConn.SetDeadline(time.Now())
}

// Break makes reads and writes, those under way and those to come, end with
// ErrStopped. It may be called from any goroutine.
func (c *Conn) Break() { c.stop() }

// Interrupt makes the Read under way, or else the next one, end with
// ErrStopped. It may be called from any goroutine.
func (c *Conn) Interrupt() {
	c.stopped.Store(true)
	_ = c.TCPConn.SetReadDeadline(time.Now())
}

// Resume forgets an Interrupt. Only the goroutine that reads may call it.
func (c *Conn) Resume() {
	c.stopped.Store(false)
	c.read.armed = time.Time{} // whatever the timer is set to
}
