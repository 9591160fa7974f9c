package http1

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/sock"
)

// Server answers the requests of the connections that its listeners accept. Its
// fields are not to be changed once it serves.
type Server struct {
	// Name is what the answers call the server.
	Name string
	// Handler answers a request whose head has come; see ReadBody. What it
	// leaves of the body is dropped.
	Handler fasthttp.RequestHandler
	// Refuse answers a request that cannot be read, with the error that says
	// why. The connection is closed after it.
	Refuse func(ctx *fasthttp.RequestCtx, err error)
	// ReadTimeout bounds the time that one request takes to come, and
	// WriteTimeout that one answer takes to go. IdleTimeout bounds the time
	// between an answer and the next request.
	ReadTimeout, WriteTimeout, IdleTimeout time.Duration
	// MaxHeaderBytes bounds a head, MaxBodyBytes a body.
	MaxHeaderBytes, MaxBodyBytes int
	// Bodies is shared by the bodies above 8 KiB.
	Bodies *Budget

	exchanges, writers sync.Pool
	spare              chan *conn
	spareOnce          sync.Once
	stopping           atomic.Bool
	retiring           atomic.Bool

	mu        sync.Mutex
	listeners []net.Listener
	open      map[*conn]struct{}
}

// spareTime is how long a goroutine waits for another connection, for its
// stack has grown to what a request needs.
const spareTime = 2 * time.Second

// Serve accepts connections until Shutdown closes the listener.
func (s *Server) Serve(ln net.Listener) error {
	s.spareOnce.Do(func() { s.spare = make(chan *conn) })
	s.mu.Lock()
	s.listeners = append(s.listeners, ln)
	s.mu.Unlock()
	for {
		c, err := ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed) && s.stopping.Load():
			return nil
		case err != nil:
			return err
		}
		k := s.enter(c)
		select {
		case s.spare <- k:
		default:
			go s.work(k)
		}
	}
}

// work serves a connection, and others after it.
func (s *Server) work(k *conn) {
	wait := time.NewTimer(spareTime)
	defer wait.Stop()
	for {
		k.serve()
		wait.Reset(spareTime)
		select {
		case k = <-s.spare:
		case <-wait.C:
			return
		}
	}
}

func (s *Server) enter(c net.Conn) *conn {
	k := &conn{s: s, Conn: c, tcp: sock.Under(c), opened: time.Now()}
	k.awaiter, _ = c.(awaiter)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[*conn]struct{}{}
	}
	s.open[k] = struct{}{}
	return k
}

func (s *Server) leave(k *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, k)
}

// Retire has each connection end with its next answer, which says so: callers that keep
// connections open make new ones, to a server that stays if a balancer knows of one.
func (s *Server) Retire() { s.retiring.Store(true) }

// ends says that no connection goes on after its answer.
func (s *Server) ends() bool { return s.retiring.Load() || s.stopping.Load() }

// Shutdown closes the listeners and the connections that wait for a request,
// and waits until the requests under way are answered, or until ctx ends. A
// connection that has just been opened may still send its first request.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopping.Store(true)
	s.mu.Lock()
	var err error
	for _, ln := range s.listeners {
		err = errors.Join(err, ln.Close())
	}
	s.listeners = nil
	s.mu.Unlock()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for s.closeIdle() > 0 {
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-look.C:
		}
	}
	return err
}

// firstRequestTime is how long a new connection has for its first request when
// the server shuts down.
const firstRequestTime = 5 * time.Second

// closeIdle closes the connections that wait, and returns how many are open.
func (s *Server) closeIdle() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.open {
		if k.state.Load() == waitsForFirst && time.Since(k.opened) < firstRequestTime {
			continue
		}
		if k.state.CompareAndSwap(waits, closing) || k.state.CompareAndSwap(waitsForFirst, closing) {
			_ = k.Conn.Close()
		}
	}
	return len(s.open)
}
