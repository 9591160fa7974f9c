package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"simplane/server/internal/auth"
	"simplane/server/internal/httpjson"
	"simplane/server/internal/sock"
)

// connBounds are how many connections may be open on one address.
type connBounds struct {
	all     int
	sources *sourceLimit // nil for no bound of one source
	refused *prometheus.CounterVec
}

// Why a connection is refused: the label of the counter.
const (
	refusedForAll    = "max_connections"
	refusedForSource = "max_connections_per_ip"
)

// newRefusedCounter makes the counter of connections that met a bound.
func newRefusedCounter(r prometheus.Registerer) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "simplane_connections_refused_total", Help: "Connections refused at a limit, on both addresses.",
	}, []string{"limit"})
	for _, limit := range []string{refusedForAll, refusedForSource} {
		c.WithLabelValues(limit) // shown as 0 from the start
	}
	r.MustRegister(c)
	return c
}

// listen opens addr within bounds, with an error that says what to do. certs is
// nil without TLS.
func listen(key, addr string, bounds connBounds, cfg Config, certs *auth.Certificates, log *slog.Logger) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s %s: the port is taken; stop what listens there or choose another (port 0 picks a free one)", key, addr)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s %s: no permission to listen there; choose a port above 1023", key, addr)
	case err != nil:
		return nil, fmt.Errorf("%s %s: cannot listen: %w", key, addr, err)
	}
	api := newAPIListener(newPatientListener(ln, log), bounds, cfg)
	if certs != nil {
		return certs.Listener(api), nil
	}
	return api, nil
}

// apiListener hands out connections within bounds. fasthttp has such bounds
// too, but its refusal is not JSON.
type apiListener struct {
	net.Listener
	bounds   connBounds
	open     *atomic.Int64
	refusing chan struct{} // bounds how many are being refused; nil with TLS
}

const refusedAtOnce = 64

func newAPIListener(ln net.Listener, bounds connBounds, cfg Config) apiListener {
	l := apiListener{Listener: ln, bounds: bounds, open: new(atomic.Int64)}
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
		source, ok := l.bounds.sources.take(c)
		if !ok {
			l.refuse(c, refusedForSource)
			continue
		}
		if l.open.Add(1) > int64(l.bounds.all) {
			l.release(source)
			l.refuse(c, refusedForAll)
			continue
		}
		return sock.New(c.(*net.TCPConn), func() { l.release(source) }), nil
	}
}

// release gives back what a connection was counted in.
func (l apiListener) release(source netip.Addr) {
	l.open.Add(-1)
	l.bounds.sources.release(source)
}

// refusals are what connections over a bound are told.
var refusals = map[string]struct{ status, message string }{
	refusedForAll:    {"503 Service Unavailable", "all connections (maxConnections) are in use; retry later"},
	refusedForSource: {"429 Too Many Requests", "your address has all the connections it may have (maxConnectionsPerIp); close some, or retry later"},
}

// refuse answers c, unless many are being answered already, and closes it.
func (l apiListener) refuse(c net.Conn, bound string) {
	l.bounds.refused.WithLabelValues(bound).Inc()
	select {
	case l.refusing <- struct{}{}:
		go func() {
			refuseConnection(c, refusals[bound].status, refusals[bound].message)
			<-l.refusing
		}()
	default:
		_ = c.Close()
	}
}

// refuseConnection answers whatever the peer asks.
func refuseConnection(c net.Conn, status, message string) {
	body := `{"error":"TOO_MANY_CONNECTIONS","message":"` + message + `"}`
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	_, err := fmt.Fprintf(c, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nRetry-After: 1\r\nConnection: close\r\n\r\n%s", status, len(body), body)
	if tcp, ok := c.(*net.TCPConn); ok && err == nil && tcp.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, tcp, 64<<10) // so that the answer is not lost to a reset
	}
}

// expectContinue refuses a body that is announced to be too large before it
// is sent.
func (s *Server) expectContinue(ctx *fasthttp.RequestCtx) int {
	if ctx.Request.Header.ContentLength() <= s.cfg.MaxBodyBytes {
		s.renewWriteDeadline(ctx)
		return fasthttp.StatusContinue
	}
	s.refuseRequest(ctx, fasthttp.ErrBodyTooLarge)
	return fasthttp.StatusRequestEntityTooLarge
}

// refuseRequest answers a request that could not be read; fasthttp closes the
// connection after it.
func (s *Server) refuseRequest(ctx *fasthttp.RequestCtx, err error) {
	var tooSmall *fasthttp.ErrSmallBuffer
	var netErr net.Error
	switch {
	case errors.As(err, &tooSmall):
		httpjson.WriteError(ctx, fasthttp.StatusRequestHeaderFieldsTooLarge, httpjson.CodeHeadersTooLarge, "the request's headers are larger than maxHeaderBytes")
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		httpjson.WriteError(ctx, fasthttp.StatusRequestEntityTooLarge, httpjson.CodeBodyTooLarge, "the request's body is larger than maxBodyBytes")
	case errors.As(err, &netErr) && netErr.Timeout():
		httpjson.WriteError(ctx, fasthttp.StatusRequestTimeout, httpjson.CodeRequestTimeout, "the request did not arrive within readTimeout")
	default:
		httpjson.WriteError(ctx, fasthttp.StatusBadRequest, httpjson.CodeBadRequest, "not a valid HTTP/1.1 request: "+httpjson.Clip([]byte(err.Error()), 200))
	}
	s.renewWriteDeadline(ctx)
	conn := ctx.Conn()
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if c, ok := conn.(*sock.Conn); ok {
		c.LingerOnClose()
	}
}

// renewWriteDeadline is for what fasthttp writes before a request's answer: it
// leaves the deadline of the connection's last answer in force there.
func (s *Server) renewWriteDeadline(ctx *fasthttp.RequestCtx) {
	_ = ctx.Conn().SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout)) // without it writing fails, too
}
