package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"testing"

	"github.com/valyala/fasthttp"
)

// BenchmarkPool and BenchmarkRaw are calls of an echo over sockets, the caller's and
// the function's work included: what differs is the way through the server.
func BenchmarkPool(b *testing.B) {
	benchmarkEcho(b, "/v1/functions/echo:invoke", `{"input":{"message":"hello"}}`)
}

func BenchmarkRaw(b *testing.B) { benchmarkEcho(b, "/function/echo", `{"input":{"message":"hello"}}`) }

func benchmarkEcho(b *testing.B, path, body string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	echo := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
		ctx.SetContentType("application/json")
		ctx.SetBody(ctx.PostBody())
	}}
	go echo.Serve(ln)
	defer echo.Shutdown()
	cfg := DefaultConfig()
	cfg.Addr, cfg.MgmtAddr, cfg.Core.RateMaxPerSecond, cfg.Provider = "127.0.0.1:0", "127.0.0.1:0", 0, ProviderNone
	cfg.Core.MaxExecutions = 100_000_000
	s, err := New(cfg, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	defer func() { stop(); <-served }()
	ask := func(c net.Conn, in *bufio.Reader, resp *fasthttp.Response, path, body string) {
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
		if err := resp.Read(in); err != nil || resp.StatusCode()/100 != 2 {
			b.Fatal(err, resp)
		}
	}
	dial := func() (net.Conn, *bufio.Reader) {
		c, err := net.Dial("tcp", s.Addr())
		if err != nil {
			b.Fatal(err)
		}
		return c, bufio.NewReader(c)
	}
	c, in := dial()
	var resp fasthttp.Response
	ask(c, in, &resp, "/v1/functions", fmt.Sprintf(`{"name":"echo","executionMode":"POOL","endpointUrl":"http://%s","concurrency":1000,"queueSize":1000}`, ln.Addr()))
	c.Close()
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		c, in := dial()
		defer c.Close()
		var resp fasthttp.Response
		for pb.Next() {
			ask(c, in, &resp, path, body)
		}
	})
}
