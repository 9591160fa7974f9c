package server

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// listen opens addr, with an error that says what to do.
func listen(key, addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s %s: the port is taken; stop what listens there or choose another (port 0 picks a free one)", key, addr)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s %s: no permission to listen there; choose a port above 1023", key, addr)
	case err != nil:
		return nil, fmt.Errorf("%s %s: cannot listen: %w", key, addr, err)
	}
	return lingeringListener{ln}, nil
}

// lingeringListener's connections can be closed politely after an error: a
// peer that is still sending when its request is refused would otherwise get
// a connection reset in place of the answer.
type lingeringListener struct{ net.Listener }

func (l lingeringListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &lingeringConn{Conn: c}, nil
}

type lingeringConn struct {
	net.Conn
	linger atomic.Bool
}

// What a refused peer may still send, and for how long, before it is cut.
const (
	lingerBytes = 64 << 20
	lingerTime  = 2 * time.Second
)

func (c *lingeringConn) Close() error {
	if c.linger.Load() {
		if tcp, ok := c.Conn.(*net.TCPConn); ok && tcp.CloseWrite() == nil {
			_ = tcp.SetReadDeadline(time.Now().Add(lingerTime))
			_, _ = io.CopyN(io.Discard, tcp, lingerBytes)
		}
	}
	return c.Conn.Close()
}

// refuseRequest answers a request that could not be read; fasthttp closes the
// connection after it.
func refuseRequest(ctx *fasthttp.RequestCtx, err error) {
	var tooSmall *fasthttp.ErrSmallBuffer
	var netErr net.Error
	switch {
	case errors.As(err, &tooSmall):
		writeError(ctx, fasthttp.StatusRequestHeaderFieldsTooLarge, codeHeadersTooLarge, "the request's headers are larger than maxHeaderBytes")
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		writeError(ctx, fasthttp.StatusRequestEntityTooLarge, codeBodyTooLarge, "the request's body is larger than maxBodyBytes")
	case errors.As(err, &netErr) && netErr.Timeout():
		writeError(ctx, fasthttp.StatusRequestTimeout, codeRequestTimeout, "the request did not arrive within readTimeout")
	default:
		writeError(ctx, fasthttp.StatusBadRequest, codeBadRequest, "not a valid HTTP/1.1 request: "+clip([]byte(err.Error()), 200))
	}
	if c, ok := ctx.Conn().(*lingeringConn); ok {
		c.linger.Store(true)
	}
}
