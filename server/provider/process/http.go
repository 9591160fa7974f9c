package process

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"time"

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
		go func() {
			if provider.WatchHealth(in.f.Pool, in.id, in.f.p.opt.HealthInterval, c.Done(), in.stop, server.answers) {
				close(hung)
			}
		}()
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
			in.note(slog.LevelError, "the function "+c.describe(""))
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
		return replicas.StartFailed("the function %s", c.tooSoon())
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
func (in *instance) probe(ctx context.Context, c *child, server *httpServer) (up bool, err error) {
	return provider.AwaitReady(ctx, c.Done(), in.stop, func() (bool, error) {
		conn, err := server.knock()
		if foreign := (*errForeign)(nil); errors.As(err, &foreign) {
			return false, err
		}
		return err == nil && server.healthy(conn), nil
	})
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

// healthy is provider.Healthy of this function.
func (s *httpServer) healthy(conn net.Conn) bool {
	return provider.Healthy(conn, s.check, s.token, s.healthTimeout)
}

// answers reports whether the function can be reached and is healthy.
func (s *httpServer) answers() bool {
	conn, err := s.connect(s.healthTimeout)
	return err == nil && s.healthy(conn)
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
				r = provider.Failure(provider.CodeCrashed, "with the invocation running, the function "+t.child.describe(""))
			} else {
				r = provider.Failure(provider.CodeError, "the function could not be called: "+err.Error())
			}
		}
		done(r)
	}()
}
