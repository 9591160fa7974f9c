package http1

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"simplane/server/internal/sock"
)

// conn is one connection. While it waits for a request it has nothing but
// this and the stack of its goroutine; an exchange has the rest.
type conn struct {
	net.Conn
	s       *Server
	tcp     *sock.Conn // Conn itself or the one below TLS; nil without one
	awaiter awaiter    // Conn itself; nil if it cannot wait without a buffer
	state   atomic.Int32

	opened   time.Time
	answered time.Time // when the last answer was written

	// The first byte after a wait, without an awaiter.
	first    [1]byte
	hasFirst bool
}

// awaiter is what sock.Conn can do and a TLS connection cannot.
type awaiter interface{ Await() error }

// The states of a connection. Whoever takes it out of a waiting one, by
// compare-and-swap, owns it: its goroutine, or Shutdown.
const (
	waitsForFirst = iota
	waits
	busy
	closing
)

// serve answers requests until the connection is to be closed.
func (k *conn) serve() {
	defer k.s.leave(k)
	defer k.Conn.Close()
	err := k.begin()
	if !k.state.CompareAndSwap(waitsForFirst, busy) {
		return
	}
	if err != nil {
		if !hasLeft(err) {
			k.refuseFirst(err)
		}
		return
	}
	for k.exchange() {
		k.state.Store(waits)
		if k.s.stopping.Load() && k.state.CompareAndSwap(waits, closing) {
			return
		}
		if k.await(k.answered.Add(k.s.IdleTimeout)) != nil || !k.state.CompareAndSwap(waits, busy) {
			return
		}
	}
}

// begin waits for a new connection's first byte.
func (k *conn) begin() error {
	deadline := k.opened.Add(k.s.ReadTimeout)
	if secure, ok := k.Conn.(*tls.Conn); ok {
		if err := secure.SetDeadline(deadline); err != nil {
			return err
		}
		if k.tcp != nil {
			if err := k.tcp.Await(); err != nil {
				return net.ErrClosed // there is no way to say anything
			}
		}
		// The handshake needs four times the stack that the rest does, and the stack of a
		// goroutine that waits is not made smaller before the next collection.
		done := make(chan error, 1)
		go func() { done <- secure.Handshake() }()
		if <-done != nil {
			return net.ErrClosed
		}
	}
	return k.await(deadline)
}

// hasLeft reports whether an error means that there is nobody to answer.
func hasLeft(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed)
}

// await blocks until the peer has sent something.
func (k *conn) await(deadline time.Time) error {
	if err := k.SetReadDeadline(deadline); err != nil {
		return err
	}
	if k.awaiter != nil {
		return k.awaiter.Await()
	}
	n, err := k.Conn.Read(k.first[:])
	k.hasFirst = n == 1
	if n == 1 {
		return nil
	}
	return err
}

// Read implements io.Reader.
func (k *conn) Read(p []byte) (int, error) {
	if k.hasFirst && len(p) > 0 {
		k.hasFirst = false
		p[0] = k.first[0]
		return 1, nil
	}
	return k.Conn.Read(p)
}

// exchange answers what has come, and reports whether the connection goes on.
func (k *conn) exchange() bool {
	x := k.s.begin(k)
	goesOn := x.serve()
	k.s.end(x)
	return goesOn
}

// refuseFirst answers a connection that has sent nothing.
func (k *conn) refuseFirst(err error) {
	x := k.s.begin(k)
	x.refuse(err)
	k.s.end(x)
}

// interrupt makes a read under way end; resume undoes it.
func (k *conn) interrupt() {
	if k.tcp != nil {
		k.tcp.Interrupt()
	}
}

func (k *conn) resume() {
	if k.tcp != nil {
		k.tcp.Resume()
	}
}
