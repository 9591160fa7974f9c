// Package baseline has yardstick servers: the minimal cost of an HTTP echo or
// a reverse proxy with the same libraries, on the same machine.
package baseline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// Kinds of yardstick.
const (
	FasthttpEcho  = "fasthttp-echo"
	NetHTTPEcho   = "nethttp-echo"
	FasthttpProxy = "fasthttp-proxy"
	// StallingEcho stops answering for StallFor in every StallEvery: a known
	// fault that a load test must show.
	StallingEcho = "stalling-echo"
)

// When StallingEcho stands still, and for how long.
const (
	StallEvery = 2 * time.Second
	StallFor   = 200 * time.Millisecond
)

// Kinds lists all yardsticks.
func Kinds() []string { return []string{FasthttpEcho, NetHTTPEcho, FasthttpProxy, StallingEcho} }

// maxBody bounds what a yardstick accepts, like the control plane's default.
const maxBody = 4 << 20

// Serve runs one yardstick on l until ctx ends. FasthttpProxy needs backend
// as host:port; the others ignore it.
func Serve(ctx context.Context, kind, backend string, l net.Listener) error {
	if err := check(kind, backend); err != nil {
		return err
	}
	if kind == NetHTTPEcho {
		return serveNetHTTP(ctx, l)
	}
	handler := echo
	switch kind {
	case FasthttpProxy:
		handler = proxy(backend)
	case StallingEcho:
		handler = stall(time.Now())
	}
	srv := &fasthttp.Server{Handler: handler, MaxRequestBodySize: maxBody, Name: kind, CloseOnShutdown: true}
	stopped := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = srv.ShutdownWithContext(grace)
	})
	defer stopped()
	return srv.Serve(l)
}

// ErrUsage marks errors of the caller's making.
var ErrUsage = errors.New("usage")

func check(kind, backend string) error {
	if !slices.Contains(Kinds(), kind) {
		return fmt.Errorf("%w: kind %q is unknown: want %s", ErrUsage, kind, strings.Join(Kinds(), ", "))
	}
	if kind == FasthttpProxy && backend == "" {
		return fmt.Errorf("%w: %s needs a backend as host:port", ErrUsage, kind)
	}
	return nil
}

// ListenAndServe listens on addr, tells ready the bound address and serves
// until ctx ends.
func ListenAndServe(ctx context.Context, kind, backend, addr string, ready func(bound string)) error {
	if err := check(kind, backend); err != nil {
		return err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	ready(l.Addr().String())
	return Serve(ctx, kind, backend, l)
}

func echo(ctx *fasthttp.RequestCtx) {
	ctx.SetContentType("application/json")
	ctx.SetBody(ctx.PostBody())
}

func stall(start time.Time) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		time.Sleep(stallLeft(time.Since(start)))
		echo(ctx)
	}
}

// stallLeft is how much of a stall is left at a time since the start; <= 0
// outside of one. The stalls end each period.
func stallLeft(since time.Duration) time.Duration {
	left := StallEvery - since%StallEvery
	if left > StallFor {
		return 0
	}
	return left
}

func proxy(backend string) fasthttp.RequestHandler {
	client := &fasthttp.HostClient{Addr: backend, MaxConns: 20_000, MaxIdemponentCallAttempts: 1, MaxResponseBodySize: maxBody}
	return func(ctx *fasthttp.RequestCtx) {
		req := &ctx.Request
		req.Header.Del("Connection")
		if err := client.Do(req, &ctx.Response); err != nil {
			ctx.Error(err.Error(), fasthttp.StatusBadGateway)
			return
		}
		ctx.Response.Header.Del("Connection")
	}
}

func serveNetHTTP(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			_, _ = w.Write(body)
		}),
	}
	stopped := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stopped()
	if err := srv.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
}
