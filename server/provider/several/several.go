// Package several makes one provider of several: each function is run by the one
// that its deployment names. A function that changes its provider keeps its
// instances until the other has some that are ready.
package several

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"simplane/server/provider"
)

// Provider implements provider.Provider by others.
type Provider struct {
	// Trial is how long a process of a STDIO function that moves has to live before
	// it takes calls, 1 s: it counts as ready when it has been started. It is not to
	// be changed while a function moves.
	Trial time.Duration

	log *slog.Logger
	all []provider.Named // the first is the default

	closing chan struct{}
	moves   sync.WaitGroup

	mu     sync.RWMutex
	closed bool
	routes map[string]*route

	departures map[place]*departure
}

var (
	_ provider.Provider     = (*Provider)(nil)
	_ provider.MetricSource = (*Provider)(nil)
)

// route is where a function is run.
type route struct {
	name string

	changing sync.Mutex // one Provision or end of a move at a time

	// Guarded by Provider.mu. Calls are given to at with that held for reading, so
	// that none comes after a change of it.
	at     provider.Named
	next   provider.Named // that the function moves to; its Provider is nil for none
	done   chan struct{}  // closed when that move is over, or given up
	failed string         // why the last move was given up
}

// New makes a provider of others. The first is for functions that name none. It
// closes them with itself.
func New(log *slog.Logger, all ...provider.Named) *Provider {
	return &Provider{Trial: time.Second, log: log, all: all, closing: make(chan struct{}), routes: map[string]*route{}}
}

// ReportTo implements provider.MetricSource.
func (p *Provider) ReportTo(report func(string, provider.Metric, float64)) {
	for _, n := range p.all {
		if s, ok := n.Provider.(provider.MetricSource); ok {
			s.ReportTo(report)
		}
	}
}

// Provision implements provider.Provider.
func (p *Provider) Provision(ctx context.Context, d provider.Deployment) error {
	to, ok := provider.Find(p.all, d.Provider)
	if !ok {
		return provider.Invalid(fmt.Errorf("provider: %q is not switched on", d.Provider))
	}
	r, fresh, err := p.route(d.Name, to)
	if err != nil {
		return err
	}
	r.changing.Lock()
	defer r.changing.Unlock()
	if fresh {
		if err = p.stay(ctx, d.Name, to); err == nil {
			err = to.Provision(ctx, d)
		}
		if err != nil {
			p.mu.Lock()
			delete(p.routes, d.Name)
			p.mu.Unlock()
		}
		return err
	}
	p.mu.RLock()
	at, next, gone := r.at, r.next, p.routes[d.Name] != r
	p.mu.RUnlock()
	switch {
	case gone:
		return provider.ErrNotFound
	case at.Name == to.Name:
		if err := to.Provision(ctx, d); err != nil {
			return err
		}
		p.giveUp(r, "")
		return nil
	case next.Name == to.Name:
		return to.Provision(ctx, d)
	}
	return p.begin(ctx, r, at, to, d)
}

// route finds a function's route, or makes one.
func (p *Provider) route(name string, to provider.Named) (r *route, fresh bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, false, provider.ErrClosed
	}
	if r = p.routes[name]; r == nil {
		r, fresh = &route{name: name, at: to}, true
		p.routes[name] = r
	}
	return r, fresh, nil
}

// begin starts a function at another provider. Called with r.changing held.
func (p *Provider) begin(ctx context.Context, r *route, at, to provider.Named, d provider.Deployment) error {
	have, _ := at.Status(d.Name)
	if err := p.stay(ctx, d.Name, to); err != nil {
		return err
	}
	if err := to.Provision(ctx, d); err != nil {
		return err
	}
	if want := d.Most(have.Desired); want > d.Replicas {
		// What an autoscaler, or somebody by hand, has set stays. A cluster that
		// scales the function itself refuses that.
		_ = to.SetReplicas(ctx, d.Name, min(want, have.Desired))
	}
	p.giveUp(r, "") // a move to a third one
	done := make(chan struct{})
	p.mu.Lock()
	r.next, r.done = to, done
	p.mu.Unlock()
	p.log.Info("the function moves to another provider", "function", d.Name, "from", at.Name, "to", to.Name)
	if have.Desired == 0 && have.Waiting == 0 && have.InFlight == 0 {
		p.arrive(r) // there is nothing that it is to wait for
		return nil
	}
	trial := time.Duration(0)
	if d.RuntimeMode == provider.STDIO {
		trial = p.Trial
	}
	p.moves.Go(func() { p.move(r, to, done, trial) })
	return nil
}

// Times of a move.
const (
	lookPause = 50 * time.Millisecond
	// patience is how long a provider may have trouble with the first instance, or
	// firstFailures how often, before the function stays where it is.
	patience      = 20 * time.Second
	firstFailures = 3
)

// move waits until a function has an instance at its next provider, for as long as
// its trial takes.
func (p *Provider) move(r *route, to provider.Named, done <-chan struct{}, trial time.Duration) {
	look := time.NewTicker(lookPause)
	defer look.Stop()
	first, _ := to.Status(r.name)
	t := trying{trial: trial, restarts: first.Restarts, before: first.Restarts}
	for {
		select {
		case <-done:
			return
		case <-p.closing:
			return
		case now := <-look.C:
			s, _ := to.Status(r.name)
			works, why := t.look(s, now)
			switch {
			case works:
				p.settle(r, done, func() { p.arrive(r) })
				return
			case why != "":
				p.settle(r, done, func() { p.giveUp(r, "provider "+to.Name+": "+why) })
				return
			}
		}
	}
}

// settle ends a move, unless that has been done meanwhile.
func (p *Provider) settle(r *route, done <-chan struct{}, how func()) {
	r.changing.Lock()
	defer r.changing.Unlock()
	p.mu.RLock()
	current := r.done == done
	p.mu.RUnlock()
	if current {
		how()
	}
}

// trying is what is known of a function at its next provider.
type trying struct {
	trial            time.Duration
	before, restarts int64     // when the move began, and now
	ready, trouble   time.Time // since when; zero for not
}

// look judges by a status: it works, or why it does not, or neither yet.
func (t *trying) look(s provider.Status, now time.Time) (works bool, why string) {
	if s.Ready == 0 || s.Restarts != t.restarts {
		t.ready, t.restarts = time.Time{}, s.Restarts
	} else if t.ready.IsZero() {
		t.ready = now
	}
	if s.LastError == "" {
		t.trouble = time.Time{}
	} else if t.trouble.IsZero() {
		t.trouble = now
	}
	switch {
	case s.Restarts-t.before >= firstFailures:
		return false, cmp.Or(s.LastError, s.LastExit, "its instances do not stay")
	case !t.ready.IsZero() && now.Sub(t.ready) >= t.trial:
		return true, ""
	case !t.trouble.IsZero() && now.Sub(t.trouble) >= patience:
		return false, s.LastError
	}
	return false, ""
}

// arrive has the next provider take the calls. Called with r.changing held.
func (p *Provider) arrive(r *route) {
	p.mu.Lock()
	old := r.at
	r.at, r.next, r.failed = r.next, provider.Named{}, ""
	close(r.done)
	r.done = nil
	p.depart(r.name, old, func(stop <-chan struct{}) { p.served(r.name, old, stop) })
	p.mu.Unlock()
}

// giveUp ends a move without success, if there is one. why is shown; empty when the
// move is not wanted any more. Called with r.changing held.
func (p *Provider) giveUp(r *route, why string) {
	p.mu.Lock()
	next := r.next
	r.next, r.failed = provider.Named{}, why
	if r.done != nil {
		close(r.done)
		r.done = nil
	}
	if next.Provider != nil {
		p.depart(r.name, next, nil)
	}
	p.mu.Unlock()
	if next.Provider != nil && why != "" {
		p.log.Error("the function stays at its provider", "function", r.name, "error", why)
	}
}

// Deprovision implements provider.Provider.
func (p *Provider) Deprovision(ctx context.Context, name string) error {
	at, err := p.drop(name)
	if err != nil {
		return err
	}
	return at.Deprovision(ctx, name)
}

// Leave implements provider.Provider.
func (p *Provider) Leave(name string) error {
	at, err := p.drop(name)
	if err != nil {
		return err
	}
	return at.Leave(name)
}

// drop forgets a function and returns the provider that has its calls.
func (p *Provider) drop(name string) (provider.Named, error) {
	p.mu.Lock()
	r := p.routes[name]
	if r == nil {
		p.mu.Unlock()
		return provider.Named{}, provider.ErrNotFound
	}
	delete(p.routes, name)
	at, next := r.at, r.next
	if r.done != nil {
		close(r.done)
		r.done = nil
	}
	if next.Provider != nil {
		p.depart(name, next, nil)
	}
	p.mu.Unlock()
	return at, nil
}

// now are the providers that a function is at: that of its calls, and the one that
// it moves to, whose Provider is nil for none.
func (p *Provider) now(name string) (at, next provider.Named, failed string) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if r := p.routes[name]; r != nil {
		return r.at, r.next, r.failed
	}
	return provider.Named{}, provider.Named{}, ""
}

// SetReplicas implements provider.Provider.
func (p *Provider) SetReplicas(ctx context.Context, name string, n int) error {
	at, next, _ := p.now(name)
	if at.Provider == nil {
		return provider.ErrNotFound
	}
	if next.Provider != nil {
		if err := next.SetReplicas(ctx, name, n); err != nil {
			return err
		}
	}
	return at.SetReplicas(ctx, name, n)
}

// Endpoints implements provider.Provider.
func (p *Provider) Endpoints(name string) []provider.Endpoint {
	if at, _, _ := p.now(name); at.Provider != nil {
		return at.Endpoints(name)
	}
	return nil
}

// Status implements provider.Provider.
func (p *Provider) Status(name string) (provider.Status, bool) {
	at, next, failed := p.now(name)
	if at.Provider == nil {
		return provider.Status{}, false
	}
	s, known := at.Status(name)
	switch {
	case next.Provider != nil:
		s.Rollout = provider.Rollout{State: provider.RolloutProgressing}
	case failed != "" && s.Rollout == (provider.Rollout{}):
		s.Rollout = provider.Rollout{State: provider.RolloutFailed, Message: failed}
	}
	return s, known
}

// Watch implements provider.Provider.
func (p *Provider) Watch(fn func(provider.Status)) (stop func()) {
	var one sync.Mutex // the providers call at the same time
	var stops []func()
	for _, n := range p.all {
		stops = append(stops, n.Watch(func(s provider.Status) {
			one.Lock()
			defer one.Unlock()
			if now, known := p.Status(s.Function); known {
				fn(now)
			} else if s.Deleted {
				fn(s)
			}
		}))
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// Logs implements provider.Provider.
func (p *Provider) Logs(name string, tail int) ([]provider.LogLine, error) {
	at, next, _ := p.now(name)
	if at.Provider == nil {
		return nil, provider.ErrNotFound
	}
	lines, err := at.Logs(name, tail)
	if err != nil || next.Provider == nil {
		return lines, err
	}
	more, _ := next.Logs(name, tail)
	lines = append(lines, more...)
	slices.SortStableFunc(lines, func(a, b provider.LogLine) int { return a.Time.Compare(b.Time) })
	if tail > 0 && len(lines) > tail {
		lines = lines[len(lines)-tail:]
	}
	return lines, nil
}

// Go implements provider.Provider.
func (p *Provider) Go(name string, inv provider.Invocation, done func(provider.Result)) {
	p.mu.RLock()
	r := p.routes[name]
	if r == nil {
		p.mu.RUnlock()
		done(provider.Failure(provider.CodeNotFound, fmt.Sprintf("function %q is not provisioned", name)))
		return
	}
	// done may be called before Go returns and ask for the lock again: it is not
	// called with it held.
	early := &early{done: done}
	r.at.Go(name, inv, early.result)
	p.mu.RUnlock()
	early.release()
}

// early keeps a result until its caller holds no lock.
type early struct {
	done func(provider.Result)

	mu       sync.Mutex
	released bool
	kept     *provider.Result
}

func (e *early) result(r provider.Result) {
	e.mu.Lock()
	if !e.released {
		e.kept = &r
		e.mu.Unlock()
		return
	}
	e.mu.Unlock()
	e.done(r)
}

func (e *early) release() {
	e.mu.Lock()
	e.released = true
	kept := e.kept
	e.mu.Unlock()
	if kept != nil {
		e.done(*kept)
	}
}

// Invoke implements provider.Provider.
func (p *Provider) Invoke(ctx context.Context, name string, inv provider.Invocation) provider.Result {
	return provider.Wait(ctx, inv, func(inv provider.Invocation, done func(provider.Result)) {
		p.Go(name, inv, done)
	})
}

// Close implements provider.Provider.
func (p *Provider) Close(ctx context.Context) error {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.closing)
	}
	p.routes = map[string]*route{}
	p.mu.Unlock()
	errs := make([]error, len(p.all))
	var each sync.WaitGroup
	for i, n := range p.all {
		each.Go(func() {
			if err := n.Close(ctx); err != nil {
				errs[i] = fmt.Errorf("provider %s: %w", n.Name, err)
			}
		})
	}
	each.Wait()
	p.moves.Wait()
	return errors.Join(errs...)
}
