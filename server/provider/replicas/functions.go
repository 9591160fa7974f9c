package replicas

import (
	"context"
	"fmt"
	"sync"

	"simplane/server/provider"
)

// Functions are the functions of a provider by name, with those methods of
// provider.Provider that are the same however an instance runs. A provider of this
// machine embeds it. F is a pointer to what embeds a *Set.
type Functions[F function] struct {
	hub     provider.Hub
	running sync.WaitGroup // functions, until their last instance is gone, and what Beside runs

	mu     sync.RWMutex
	byName map[string]F
	closed bool
}

type function interface {
	comparable
	set() *Set
}

func (f *Set) set() *Set { return f }

// NewSet is New for one of the functions: the watchers of all are told of it.
func (fs *Functions[F]) NewSet(d provider.Deployment, opt Options) *Set {
	opt.Hub, opt.Stopped = &fs.hub, fs.running.Done
	return New(d, opt)
}

// Beside runs f beside the functions; ShutDown waits for it, too.
func (fs *Functions[F]) Beside(f func()) { fs.running.Go(f) }

// Function is the one of a name; nil when there is none.
func (fs *Functions[F]) Function(name string) F {
	fs.mu.RLock()
	defer fs.mu.RUnlock()
	return fs.byName[name]
}

// Put changes the function that d is of, or adds one that add makes, if there are
// fewer than most. count is how many there are when it was added; 0 = it was there.
// The error is provider.ErrClosed, or that there are too many.
func (fs *Functions[F]) Put(d provider.Deployment, most int, add func() F) (f F, count int, err error) {
	f, count, err = fs.put(d.Name, most, add)
	if err == nil && count == 0 {
		f.set().Change(d)
	}
	return f, count, err
}

func (fs *Functions[F]) put(name string, most int, add func() F) (f F, count int, err error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	var none F
	switch {
	case fs.closed:
		return none, 0, provider.ErrClosed
	case fs.byName[name] != none:
		return fs.byName[name], 0, nil
	case len(fs.byName) >= most:
		return none, 0, fmt.Errorf("%d functions are the most that are allowed", most)
	case fs.byName == nil:
		fs.byName = map[string]F{}
	}
	f = add()
	fs.byName[name] = f
	fs.running.Add(1)
	return f, len(fs.byName), nil
}

// Closed says that ShutDown was called.
func (fs *Functions[F]) Closed() bool {
	fs.mu.RLock()
	defer fs.mu.RUnlock()
	return fs.closed
}

// ShutDown ends all functions, and takes no more. The channel is closed when the last
// instance is gone. first is false when it was called before.
func (fs *Functions[F]) ShutDown() (stopped <-chan struct{}, first bool) {
	fs.mu.Lock()
	first = !fs.closed
	all := fs.byName
	fs.byName, fs.closed = nil, true
	fs.mu.Unlock()
	for _, f := range all {
		f.set().ShutDown(&provider.Error{Code: provider.CodeClosed, Message: "simplane is shutting down"})
	}
	over := make(chan struct{})
	go func() { fs.running.Wait(); close(over) }()
	return over, first
}

// Deprovision implements provider.Provider.
func (fs *Functions[F]) Deprovision(ctx context.Context, name string) error {
	f, err := fs.end(name, &provider.Error{Code: provider.CodeDeleted, Message: "the function was deleted"})
	if err != nil {
		return err
	}
	select {
	case <-f.set().Down():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Leave implements provider.Provider: instances of this machine are of no use to a
// control plane elsewhere.
func (fs *Functions[F]) Leave(name string) error {
	_, err := fs.end(name, &provider.Error{Code: provider.CodeClosed, Message: "another control plane runs this function now"})
	return err
}

// end forgets a function, whose waiting work fails with why.
func (fs *Functions[F]) end(name string, why *provider.Error) (f F, err error) {
	fs.mu.Lock()
	f = fs.byName[name]
	delete(fs.byName, name)
	fs.mu.Unlock()
	var none F
	if f == none {
		return f, provider.ErrNotFound
	}
	f.set().ShutDown(why)
	return f, nil
}

// SetReplicas implements provider.Provider.
func (fs *Functions[F]) SetReplicas(_ context.Context, name string, n int) error {
	f, ok := fs.of(name)
	if !ok {
		return provider.ErrNotFound
	}
	if most := f.Most(); n < 0 || n > most {
		return provider.Invalid(fmt.Errorf("replicas: 0 to %d are allowed, not %d", most, n))
	}
	f.Scale(n)
	return nil
}

// of is the Set of the function of a name.
func (fs *Functions[F]) of(name string) (s *Set, ok bool) {
	var none F
	f := fs.Function(name)
	if f == none {
		return nil, false
	}
	return f.set(), true
}

// Endpoints implements provider.Provider.
func (fs *Functions[F]) Endpoints(name string) []provider.Endpoint {
	if f, ok := fs.of(name); ok {
		return f.Pool.Endpoints()
	}
	return nil
}

// Status implements provider.Provider.
func (fs *Functions[F]) Status(name string) (provider.Status, bool) {
	if f, ok := fs.of(name); ok {
		return f.Status(), true
	}
	return provider.Status{}, false
}

// Watch implements provider.Provider.
func (fs *Functions[F]) Watch(fn func(provider.Status)) (stop func()) { return fs.hub.Watch(fn) }

// Go implements provider.Provider. A function scaled to zero is started.
func (fs *Functions[F]) Go(name string, inv provider.Invocation, done func(provider.Result)) {
	f, ok := fs.of(name)
	if !ok {
		done(provider.Failure(provider.CodeNotFound, fmt.Sprintf("function %q is not provisioned", name)))
		return
	}
	f.Invoke(inv, done)
}

// Invoke implements provider.Provider.
func (fs *Functions[F]) Invoke(ctx context.Context, name string, inv provider.Invocation) provider.Result {
	return provider.Wait(ctx, inv, func(inv provider.Invocation, done func(provider.Result)) {
		fs.Go(name, inv, done)
	})
}
