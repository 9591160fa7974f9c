package provider

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

// Pauses between two checks whether an instance is ready.
const (
	shortestPause = 200 * time.Microsecond
	longestPause  = 50 * time.Millisecond
)

// AwaitReady checks until ready, gone or stop is closed, or ctx ends; true when it
// was ready, an error when the check says that there is no use in going on.
//
// The pause grows with the time that has passed, so that a start is noticed with
// little delay, and a slow start is not disturbed by frequent requests.
func AwaitReady(ctx context.Context, gone, stop <-chan struct{}, check func() (bool, error)) (bool, error) {
	for began := time.Now(); ; {
		if ready, err := check(); ready || err != nil {
			return ready, err
		}
		pause := time.NewTimer(min(max(shortestPause, time.Since(began)/16), longestPause))
		select {
		case <-pause.C:
		case <-ctx.Done():
		case <-gone:
		case <-stop:
		}
		pause.Stop()
		select {
		case <-ctx.Done():
			return false, nil
		case <-gone:
			return false, nil
		case <-stop:
			return false, nil
		default:
		}
	}
}

// Healthy asks for a function's health on a connection, and closes it: an idle one
// would keep a single-threaded server from others. Healthy is a 2xx, a 404 from a
// function without that path, or, where the port is all that is checked, the
// connection itself.
func Healthy(conn net.Conn, check HealthCheck, token string, timeout time.Duration) bool {
	defer conn.Close()
	if check.TCP {
		return true
	}
	client := &fasthttp.HostClient{
		Addr: conn.RemoteAddr().String(), MaxConns: 1, MaxIdemponentCallAttempts: 1, MaxResponseBodySize: 64 << 10,
		DisablePathNormalizing: true,
		Dial:                   func(string) (net.Conn, error) { return conn, nil },
	}
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI("http://" + client.Addr + check.PathOrDefault())
	req.Header.Set(TokenHeader, token)
	req.SetConnectionClose()
	err := client.DoTimeout(req, resp, timeout)
	if err != nil && !errors.Is(err, fasthttp.ErrBodyTooLarge) {
		return false
	}
	code := resp.StatusCode()
	return code/100 == 2 || code == fasthttp.StatusNotFound
}

// WatchHealth returns true when an instance neither does its work nor is healthy
// any more: it hangs and must be replaced. While its invocations succeed, nothing
// is asked. It returns false when gone or stop is closed.
func WatchHealth(pool *Pool, id string, every time.Duration, gone, stop <-chan struct{}, healthy func() bool) bool {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for misses := 0; ; {
		select {
		case <-gone:
			return false
		case <-stop:
			return false
		case <-tick.C:
		}
		if !pool.Ejected(id) || healthy() {
			misses = 0
			continue
		}
		if misses++; misses == 3 {
			return true
		}
	}
}
