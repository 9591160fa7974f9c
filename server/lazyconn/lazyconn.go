// Package lazyconn has deadlines that cost nothing while they only move later,
// as a connection's do with each request: the runtime's timer stays where it is,
// and a wait that it ends too early goes on. Setting the timer anew for each
// request costs more than decoding the request does.
package lazyconn

import (
	"errors"
	"net"
	"os"
	"time"
)

// Deadline is a deadline of one direction of a connection: what was asked for,
// and what the timer is set to. The zero value is none.
type Deadline struct{ want, armed time.Time }

// Set asks for t, zero for none. It returns true when the timer must be set to
// t now.
func (d *Deadline) Set(t time.Time) bool {
	d.want = t
	if t.IsZero() || !d.armed.IsZero() && !t.Before(d.armed) {
		return false
	}
	d.armed = t
	return true
}

// IsSet says that there is a deadline.
func (d *Deadline) IsSet() bool { return !d.want.IsZero() }

// Early says that err is the timer's, and that it is not yet time. Then the
// timer must be set to Armed and the call be made again.
func (d *Deadline) Early(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) || !d.want.IsZero() && !time.Now().Before(d.want) {
		return false
	}
	d.armed = d.want
	return true
}

// Armed is what the timer is to be set to; zero for none.
func (d *Deadline) Armed() time.Time { return d.armed }

// Conn is a connection with such deadlines. It is for one goroutine at a time,
// as HTTP/1.1 uses a connection.
type Conn struct {
	net.Conn
	read, write Deadline
}

func (c *Conn) SetReadDeadline(t time.Time) error {
	if !c.read.Set(t) {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

func (c *Conn) SetWriteDeadline(t time.Time) error {
	if !c.write.Set(t) {
		return nil
	}
	return c.Conn.SetWriteDeadline(t)
}

func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *Conn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if n > 0 || err == nil || !c.read.Early(err) {
			return n, err
		}
		if err := c.Conn.SetReadDeadline(c.read.Armed()); err != nil {
			return 0, err
		}
	}
}

func (c *Conn) Write(p []byte) (int, error) {
	done := 0
	for {
		n, err := c.Conn.Write(p[done:])
		done += n
		if err == nil || !c.write.Early(err) {
			return done, err
		}
		if err := c.Conn.SetWriteDeadline(c.write.Armed()); err != nil {
			return done, err
		}
	}
}
