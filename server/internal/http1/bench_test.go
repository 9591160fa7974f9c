package http1

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// endless is a connection whose peer sends one request after the other, each
// once the one before is answered, n in all.
type endless struct {
	net.Conn
	request string
	left    int
}

func (e *endless) Await() error {
	if e.left <= 0 {
		return io.EOF
	}
	return nil
}
func (e *endless) Read(p []byte) (int, error) {
	if e.left--; e.left < 0 {
		return 0, io.EOF
	}
	return copy(p, e.request), nil
}
func (e *endless) Write(p []byte) (int, error)        { return len(p), nil }
func (e *endless) Close() error                       { return nil }
func (e *endless) SetReadDeadline(t time.Time) error  { return nil }
func (e *endless) SetWriteDeadline(t time.Time) error { return nil }
func (e *endless) RemoteAddr() net.Addr               { return nil }

const benchRequest = "POST /v1/functions/echo:invoke HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: bench\r\nContent-Type: application/json\r\nContent-Length: 36\r\n\r\n{\"input\":{\"message\":\"hello\",\"n\":42}}"

// BenchmarkExchange is the way of a small request through this package, and
// through fasthttp's server: neither may allocate.
func BenchmarkExchange(b *testing.B) {
	b.Run("http1", func(b *testing.B) {
		s := &Server{Name: "x", ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10, MaxBodyBytes: 4 << 20, Bodies: NewBudget(1 << 20)}
		s.Handler = func(ctx *fasthttp.RequestCtx) {
			if ReadBody(ctx) != nil || len(ctx.PostBody()) != 36 {
				b.Error("no body")
			}
			ctx.SetBodyString("ok")
		}
		b.ReportAllocs()
		s.enter(&endless{request: benchRequest, left: b.N}).serve()
	})
	b.Run("fasthttp", func(b *testing.B) {
		s := &fasthttp.Server{Name: "x", ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: time.Minute, ReadBufferSize: 8 << 10, LazyRequestTime: true}
		s.Handler = func(ctx *fasthttp.RequestCtx) {
			if len(ctx.PostBody()) != 36 {
				b.Error("no body")
			}
			ctx.SetBodyString("ok")
		}
		b.ReportAllocs()
		_ = s.ServeConn(&endless{request: benchRequest, left: b.N})
	})
}
