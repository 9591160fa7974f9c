package process

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/server/provider"
	"simplane/server/provider/replicas"
)

// runHTTP runs an instance that serves HTTP on a port it is given.
func (in *instance) runHTTP() exit {
	if !in.Turn() {
		return exit{}
	}
	port, err := in.f.p.ports.take()
	if err != nil {
		in.EndTurn()
		return replicas.StartFailed("no port for the function: %v", err)
	}
	defer in.f.p.ports.give(port)

	began := time.Now()
	token := rand.Text()
	vars := map[string]string{"PORT": strconv.Itoa(port), TokenEnv: token}
	c, err := in.launch(context.Background(), in.id, vars, false)
	if err != nil {
		in.EndTurn()
		return replicas.StartFailed("the command could not be started: %v", err)
	}
	server := &httpServer{
		listener:      listener{port: port, id: in.id, leader: c.PID, guard: c.Guard(), user: in.f.p.user.uid},
		token:         token,
		check:         in.Spec().HealthCheck,
		healthTimeout: in.f.p.opt.HealthTimeout,
	}
	ctx, cancel := context.WithTimeout(context.Background(), in.f.p.opt.StartTimeout)
	defer cancel()
	up, err := in.probe(ctx, c, server)
	in.EndTurn()
	if err != nil {
		return in.squatted(c, err)
	}
	if !up {
		return in.neverReady(c, "did not "+server.check.String()+" on port "+strconv.Itoa(port))
	}

	target := &httpTarget{
		HTTPInstance: provider.NewHTTPInstance(server.address(), provider.HTTPOptions{
			MaxOutputBytes: in.f.p.opt.MaxOutputBytes, Dial: server.connect, Token: token,
		}),
		child: c,
	}
	defer target.Close()
	if in.BecameReady(server.address(), time.Since(began), target) {
		hung := make(chan struct{})
		go in.watchHealth(c, server, hung)
		select {
		case <-hung:
			in.note(slog.LevelError, "replaced: invocations fail, and it does not "+server.check.String())
			in.f.Pool.Remove(in.id)
			c.Kill()
			<-c.Done()
			c.cleanUp()
			return exit{}
		case <-c.Done():
			in.f.Pool.Remove(in.id)
			c.cleanUp()
			in.note(slog.LevelError, "the function "+c.describe())
			return exit{}
		case <-in.stop:
			in.Drain(c.Done())
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
		return replicas.StartFailed("the function %s before it was ready", c.describe())
	default:
	}
	in.end(c)
	c.cleanUp()
	select {
	case <-in.stop:
		return exit{}
	default:
		return replicas.StartFailed("the function %s within %v%s", slow, in.f.p.opt.StartTimeout, c.tail.suffix())
	}
}

// squatted ends a process whose port somebody else has taken. The function may
// have exited for that reason, and its message tells less.
func (in *instance) squatted(c *child, foreign error) exit {
	in.end(c)
	c.cleanUp()
	return replicas.StartFailed("the function cannot be reached: %v%s", foreign, c.tail.suffix())
}

// probe looks until the function is ready, see healthy. false means that it exited,
// that the time is up, or that the instance is to stop; the error that the port is
// somebody else's.
//
// The pause grows with the time that has passed, so that a start is noticed
// with little delay, and a slow start is not disturbed by frequent requests.
func (in *instance) probe(ctx context.Context, c *child, server *httpServer) (up bool, err error) {
	for began := time.Now(); ; {
		conn, err := server.knock()
		if err == nil && server.healthy(conn) {
			return true, nil
		}
		if foreign := (*errForeign)(nil); errors.As(err, &foreign) {
			return false, err
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
			return false, nil
		case <-c.Done():
			return false, nil
		case <-in.stop:
			return false, nil
		default:
		}
	}
}

// Pauses between two checks whether a function is ready.
const (
	shortestPause = 200 * time.Microsecond
	longestPause  = 50 * time.Millisecond
)

// watchHealth closes hung when the instance neither does its work nor is
// healthy: the process hangs and must be replaced. While invocations
// succeed, no request is made.
func (in *instance) watchHealth(c *child, server *httpServer, hung chan<- struct{}) {
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
		if !in.f.Pool.Ejected(in.id) {
			misses = 0
			continue
		}
		conn, err := server.connect(in.f.p.opt.HealthTimeout)
		if err == nil && server.healthy(conn) {
			misses = 0
			continue
		}
		if misses++; misses == 3 {
			close(hung)
			return
		}
	}
}

// TokenEnv is the environment variable that tells an HTTP function the token of
// its instance. Every request of simplane's has it in the header
// provider.TokenHeader: a function that wants to be called by simplane only
// refuses the others.
const TokenEnv = provider.TokenEnv

// httpServer is what is known of a function that serves HTTP.
type httpServer struct {
	listener
	token         string
	check         provider.HealthCheck
	healthTimeout time.Duration
}

// healthy asks for the function's health on a connection, and closes it: an idle
// one would keep a single-threaded server from others. Healthy is a 2xx, a 404 from
// a function without that path, or, where the port is all that is checked, the
// connection itself.
func (s *httpServer) healthy(conn net.Conn) bool {
	defer conn.Close()
	if s.check.TCP {
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
	req.SetRequestURI("http://" + client.Addr + s.check.PathOrDefault())
	req.Header.Set(provider.TokenHeader, s.token)
	req.SetConnectionClose()
	err := client.DoTimeout(req, resp, s.healthTimeout)
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
