package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// listen opens addr for limit connections, with an error that says what to do.
// certs is nil without TLS.
func listen(key, addr string, limit int, cfg Config, certs *certificates, log *slog.Logger) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s %s: the port is taken; stop what listens there or choose another (port 0 picks a free one)", key, addr)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s %s: no permission to listen there; choose a port above 1023", key, addr)
	case err != nil:
		return nil, fmt.Errorf("%s %s: cannot listen: %w", key, addr, err)
	}
	api := newAPIListener(newPatientListener(ln, log), limit, cfg)
	if certs != nil {
		return tlsListener{api, certs}, nil
	}
	return api, nil
}

// apiListener hands out at most limit connections at a time. fasthttp has such
// a limit too, but its refusal is not JSON.
type apiListener struct {
	net.Listener
	limit    int64
	limits   connLimits
	open     *atomic.Int64
	refusing chan struct{} // bounds how many are being refused; nil with TLS
}

const refusedAtOnce = 64

func newAPIListener(ln net.Listener, limit int, cfg Config) apiListener {
	l := apiListener{Listener: ln, limit: int64(limit), open: new(atomic.Int64)}
	l.limits = connLimits{read: cfg.ReadTimeout, write: cfg.WriteTimeout, idle: cfg.IdleTimeout}
	if cfg.TLSCert == "" { // a peer that expects a handshake could not read the refusal
		l.refusing = make(chan struct{}, refusedAtOnce)
	}
	return l
}

func (l apiListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= l.limit {
			if conn, err := newAPIConn(c.(*net.TCPConn), l.limits, l.open); err == nil {
				return conn, nil
			} // else it is closed already
		}
		l.open.Add(-1)
		select {
		case l.refusing <- struct{}{}:
			go func() {
				refuseConnection(c)
				<-l.refusing
			}()
		default:
			_ = c.Close()
		}
	}
}

// refuseConnection answers whatever the peer asks.
func refuseConnection(c net.Conn) {
	const body = `{"error":"TOO_MANY_CONNECTIONS","message":"all connections (maxConnections) are in use; retry later"}`
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	_, err := fmt.Fprintf(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: %d\r\nRetry-After: 1\r\nConnection: close\r\n\r\n%s", len(body), body)
	if tcp, ok := c.(*net.TCPConn); ok && err == nil && tcp.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, tcp, 64<<10) // so that the answer is not lost to a reset
	}
}

// expectContinue refuses a body that is announced to be too large before it
// is sent.
func (s *Server) expectContinue(ctx *fasthttp.RequestCtx) int {
	if ctx.Request.Header.ContentLength() <= s.cfg.MaxBodyBytes {
		return fasthttp.StatusContinue
	}
	refuseRequest(ctx, fasthttp.ErrBodyTooLarge)
	return fasthttp.StatusRequestEntityTooLarge
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
	conn := ctx.Conn()
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if c, ok := conn.(*apiConn); ok {
		c.linger.Store(true)
	}
}
