package process

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/server/provider"
)

// runHTTP runs an instance that serves HTTP on a port it is given.
func (in *instance) runHTTP() exit {
	if !in.turn() {
		return exit{}
	}
	port, err := in.f.p.ports.take()
	if err != nil {
		in.endTurn()
		return startFailed("no port for the function: %v", err)
	}
	defer in.f.p.ports.give(port)

	began := time.Now()
	c, err := in.launch(context.Background(), in.id, map[string]string{"PORT": strconv.Itoa(port)}, false)
	if err != nil {
		in.endTurn()
		return startFailed("the command could not be started: %v", err)
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	ctx, cancel := context.WithTimeout(context.Background(), in.f.p.opt.StartTimeout)
	defer cancel()
	up := in.probe(ctx, c, port)
	in.endTurn()
	if !up {
		return in.neverReady(c, "did not answer GET /health on port "+strconv.Itoa(port))
	}

	target := &httpTarget{
		HTTPInstance: provider.NewHTTPInstance(addr, provider.HTTPOptions{MaxOutputBytes: in.f.p.opt.MaxOutputBytes}),
		child:        c,
	}
	defer target.Close()
	if in.f.becameReady(in, addr, in.f.dep.Concurrency(), time.Since(began), target) {
		hung := make(chan struct{})
		go in.watchHealth(c, addr, hung)
		select {
		case <-hung:
			in.note(slog.LevelError, "replaced: invocations fail and GET /health is not answered")
			in.f.pool.Remove(in.id)
			c.Kill()
			<-c.Done()
			c.cleanUp()
			return exit{}
		case <-c.Done():
			in.f.pool.Remove(in.id)
			c.cleanUp()
			in.note(slog.LevelError, "the function "+c.describe())
			return exit{}
		case <-in.stop:
			in.drain(c.Done())
		}
	}
	in.end(c)
	c.cleanUp()
	return exit{}
}

// neverReady ends a process that did not become ready: it exited, was too
// slow, or is not wanted any more.
func (in *instance) neverReady(c *child, slow string) exit {
	select {
	case <-c.Done():
		c.cleanUp()
		return startFailed("the function %s before it was ready", c.describe())
	default:
	}
	in.end(c)
	c.cleanUp()
	select {
	case <-in.stop:
		return exit{}
	default:
		return startFailed("the function %s within %v%s", slow, in.f.p.opt.StartTimeout, c.tail.suffix())
	}
}

// probe asks GET /health until the function is ready: a 2xx, or a 404 from a
// function without that path. false means that it exited, that the time is
// up, or that the instance is to stop.
//
// The pause grows with the time that has passed, so that a start is noticed
// with little delay, and a slow start is not disturbed by frequent requests.
func (in *instance) probe(ctx context.Context, c *child, port int) bool {
	for began := time.Now(); ; {
		if conn := knock(port); conn != nil && healthy(conn, in.f.p.opt.HealthTimeout) {
			return true
		}
		pause := time.NewTimer(min(max(shortestPause, time.Since(began)/16), longestPause))
		select {
		case <-pause.C:
		case <-ctx.Done():
		case <-c.Done():
		case <-in.stop:
		}
		pause.Stop()
		select {
		case <-ctx.Done():
			return false
		case <-c.Done():
			return false
		case <-in.stop:
			return false
		default:
		}
	}
}

// Pauses between two checks whether a function is ready.
const (
	shortestPause = 200 * time.Microsecond
	longestPause  = 50 * time.Millisecond
)

// watchHealth closes hung when the instance neither does its work nor answers
// GET /health: the process hangs and must be replaced. While invocations
// succeed, no request is made.
func (in *instance) watchHealth(c *child, addr string, hung chan<- struct{}) {
	tick := time.NewTicker(in.f.p.opt.HealthInterval)
	defer tick.Stop()
	for misses := 0; ; {
		select {
		case <-c.Done():
			return
		case <-in.stop:
			return
		case <-tick.C:
		}
		if !in.f.pool.Ejected(in.id) {
			misses = 0
			continue
		}
		conn, err := net.DialTimeout("tcp4", addr, in.f.p.opt.HealthTimeout)
		if err == nil && healthy(conn, in.f.p.opt.HealthTimeout) {
			misses = 0
			continue
		}
		if misses++; misses == 3 {
			close(hung)
			return
		}
	}
}

// healthy asks GET /health on a connection, and closes it: an idle one would
// keep a single-threaded server from others.
func healthy(conn net.Conn, timeout time.Duration) bool {
	defer conn.Close()
	client := &fasthttp.HostClient{
		Addr: conn.RemoteAddr().String(), MaxConns: 1, MaxIdemponentCallAttempts: 1, MaxResponseBodySize: 64 << 10,
		Dial: func(string) (net.Conn, error) { return conn, nil },
	}
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI("http://" + client.Addr + "/health")
	req.SetConnectionClose()
	err := client.DoTimeout(req, resp, timeout)
	if err != nil && !errors.Is(err, fasthttp.ErrBodyTooLarge) {
		return false
	}
	code := resp.StatusCode()
	return code/100 == 2 || code == fasthttp.StatusNotFound
}

// httpTarget distinguishes a crash from other transport failures.
type httpTarget struct {
	*provider.HTTPInstance
	child *child
}

// Call implements provider.Instance.
func (t *httpTarget) Call(inv provider.Invocation, done func(provider.Result)) {
	go func() {
		r, err := t.Do(inv)
		if err != nil {
			if t.child.exits() {
				r = provider.Failure(provider.CodeCrashed, "with the invocation running, the function "+t.child.describe())
			} else {
				r = provider.Failure(provider.CodeError, "the function could not be called: "+err.Error())
			}
		}
		done(r)
	}()
}
