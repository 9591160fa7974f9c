package container

import (
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"simplane/server/provider"
	"simplane/server/provider/replicas"
)

// instance is one container from its start to its end.
type instance struct {
	*replicas.Instance
	f     *function
	ready atomic.Pointer[box] // since it takes work
}

// Run implements replicas.Runner.
func (in *instance) Run() replicas.Exit {
	p, d := in.f.p, in.Spec()
	if !in.Turn() {
		return replicas.Exit{}
	}
	began := time.Now()
	b, err := in.box(d)
	if err != nil || b == nil {
		in.EndTurn()
		if err != nil {
			return replicas.StartFailed("the container could not be started: %v", err)
		}
		return replicas.Exit{}
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.opt.StartTimeout)
	defer cancel()
	up, _ := provider.AwaitReady(ctx, b.gone, in.Stop(), func() (bool, error) { return b.healthy(), nil })
	in.EndTurn()
	if !up {
		return in.neverReady(b)
	}
	target := &target{
		HTTPInstance: provider.NewHTTPInstance(b.address, provider.HTTPOptions{MaxOutputBytes: p.opt.MaxOutputBytes, Token: b.token}),
		b:            b,
	}
	defer target.Close()
	in.ready.Store(b)
	if in.BecameReady(b.address, time.Since(began), target) {
		hung := make(chan struct{})
		go func() {
			if provider.WatchHealth(in.f.Pool, in.ID(), p.opt.HealthInterval, b.gone, in.Stop(), b.healthy) {
				close(hung)
			}
		}()
		select {
		case <-hung:
			in.Note(slog.LevelError, "replaced: invocations fail, and it does not "+b.check.String())
			in.f.Pool.Remove(in.ID())
			in.dispose(b)
			return replicas.Exit{}
		case <-b.gone:
			in.f.Pool.Remove(in.ID())
			in.Note(slog.LevelError, "the function "+b.ending(""))
			in.dispose(b)
			return replicas.Exit{}
		case <-in.Stop():
			if p.kept() {
				return in.leave(b)
			}
			in.Drain(b.gone)
		}
	}
	in.end(b)
	return replicas.Exit{}
}

// box gets the instance's container: one that an earlier simplane left, or a new
// one. nil without an error when the instance is to stop.
func (in *instance) box(d provider.Deployment) (*box, error) {
	p := in.f.p
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	go func() {
		select {
		case <-in.Stop():
			cancel()
		case <-ctx.Done():
		}
	}()
	b, err := p.adopt(ctx, d)
	if b == nil && err == nil {
		if err = p.fetch(ctx, d); err == nil && ctx.Err() == nil {
			b, err = p.start(d)
		}
	}
	if b == nil && ctx.Err() != nil {
		return nil, nil
	}
	return b, err
}

// neverReady ends a container that did not become ready: it exited, was too slow,
// or is not wanted any more.
func (in *instance) neverReady(b *box) replicas.Exit {
	select {
	case <-b.gone:
		how := b.ending(" before it was ready")
		in.dispose(b)
		return replicas.StartFailed("the function %s", how)
	default:
	}
	select {
	case <-in.Stop():
		if in.f.p.kept() {
			return in.leave(b)
		}
		in.end(b)
		return replicas.Exit{}
	default:
	}
	words := b.lastWords(context.Background())
	in.end(b)
	return replicas.StartFailed("the function did not %s at port %d within %v%s", b.check, port, in.f.p.opt.StartTimeout, words)
}

// end stops a container and removes it.
func (in *instance) end(b *box) {
	if !b.halt() {
		in.Note(slog.LevelWarn, "did not stop on SIGTERM in "+in.f.p.opt.StopGrace.String()+"; killed")
	}
	in.dispose(b)
}

// dispose removes a container that has ended, or whose end does not matter, and
// keeps what it wrote.
func (in *instance) dispose(b *box) {
	ctx, cancel := in.f.p.call(context.Background())
	defer cancel()
	for _, l := range b.written(ctx, in.f.p.opt.LogLines) {
		l.Instance = in.ID()
		in.f.Logs.Add(l)
	}
	b.remove()
}

// leave lets the container run on, for the next simplane.
func (in *instance) leave(b *box) replicas.Exit {
	in.f.Pool.Remove(in.ID())
	in.f.p.boxes.drop(b.id)
	return replicas.Exit{}
}

// kept reports whether containers outlive this provider, which is closing.
func (p *Provider) kept() bool { return p.opt.Keep && p.Closed() }

func (b *box) healthy() bool {
	conn, err := net.DialTimeout("tcp", b.address, b.p.opt.HealthTimeout)
	return err == nil && provider.Healthy(conn, b.check, b.token, b.p.opt.HealthTimeout)
}

// noticeCrash is how long the engine has to tell that a container that stopped
// answering has ended.
const noticeCrash = 500 * time.Millisecond

// target distinguishes a crash from other transport failures.
type target struct {
	*provider.HTTPInstance
	b *box
}

// Call implements provider.Instance.
func (t *target) Call(inv provider.Invocation, done func(provider.Result)) {
	go func() {
		r, err := t.Do(inv)
		if err != nil {
			r = provider.Failure(provider.CodeError, "the function could not be called: "+err.Error())
			wait := time.NewTimer(noticeCrash)
			defer wait.Stop()
			select {
			case <-t.b.gone:
				r = provider.Failure(provider.CodeCrashed, "with the invocation running, the function "+t.b.ending(""))
			case <-wait.C:
			}
		}
		done(r)
	}()
}
