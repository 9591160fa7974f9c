package server

import (
	"errors"
	"net"
	"os"
	"time"
)

// lazyDeadlines is a connection whose deadlines cost nothing while they only
// move later, which they do with each request: the runtime's timer stays where
// it is, and a wait that it ends too early goes on. Setting the timer anew for
// each request costs more than decoding the request does.
//
// It is for one goroutine at a time, as HTTP/1.1 uses a connection.
type lazyDeadlines struct {
	net.Conn
	read, write deadline
}

// deadline is one direction's: what was asked for, and what the timer has.
// Zero is none.
type deadline struct{ want, armed time.Time }

// set takes the new deadline; true when the timer must be set to it now.
func (d *deadline) set(t time.Time) bool {
	d.want = t
	if t.IsZero() || !d.armed.IsZero() && !t.Before(d.armed) {
		return false
	}
	d.armed = t
	return true
}

// early says that err is the timer's, and that it is not yet time; the timer
// is to be set to d.armed then.
func (d *deadline) early(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) || !d.want.IsZero() && !time.Now().Before(d.want) {
		return false
	}
	d.armed = d.want
	return true
}

func (c *lazyDeadlines) SetReadDeadline(t time.Time) error {
	if !c.read.set(t) {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

func (c *lazyDeadlines) SetWriteDeadline(t time.Time) error {
	if !c.write.set(t) {
		return nil
	}
	return c.Conn.SetWriteDeadline(t)
}

func (c *lazyDeadlines) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *lazyDeadlines) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if n > 0 || err == nil || !c.read.early(err) {
			return n, err
		}
		if err := c.Conn.SetReadDeadline(c.read.armed); err != nil {
			return 0, err
		}
	}
}

func (c *lazyDeadlines) Write(p []byte) (int, error) {
	done := 0
	for {
		n, err := c.Conn.Write(p[done:])
		done += n
		if err == nil || !c.write.early(err) {
			return done, err
		}
		if err := c.Conn.SetWriteDeadline(c.write.armed); err != nil {
			return done, err
		}
	}
}
