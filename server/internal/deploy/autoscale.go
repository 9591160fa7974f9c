package deploy

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"simplane/core"
	"simplane/server/provider"
)

// Scaler passes the replica counts of core's autoscaler to the provider, and the
// number of ready instances back to core. It keeps only the latest count of each
// function, so that a slow provider never gets an outdated one. All cores of a
// process share one.
type Scaler struct {
	provider provider.Provider
	log      *slog.Logger
	// coreOf is the core that a function of this name is in; nil = there is none.
	// It is set before the first function is registered.
	coreOf func(name string) *core.Core

	mu     sync.Mutex
	wanted map[*core.Function]int
	order  []*core.Function // of wanted, oldest first; none that is in calls
	calls  map[*core.Function]bool
	wake   chan struct{}
	held   int // by so many

	readyMu sync.Mutex
}

// scalerCalls is how many provider calls may be under way, so that one
// function's slow call does not hold up the others'.
const scalerCalls = 4

// NewScaler makes a Scaler for p; nil when that is nil. coreOf says in which core a
// function of a name is, nil when it is in none.
func NewScaler(p provider.Provider, coreOf func(name string) *core.Core, log *slog.Logger) *Scaler {
	if p == nil {
		return nil
	}
	return &Scaler{
		coreOf:   coreOf,
		provider: p, log: log,
		wanted: map[*core.Function]int{}, calls: map[*core.Function]bool{},
		wake: make(chan struct{}, scalerCalls),
	}
}

// SetReplicas implements core.Scaler.
func (s *Scaler) SetReplicas(fn *core.Function, n int) {
	s.mu.Lock()
	_, queued := s.wanted[fn]
	s.wanted[fn] = n
	if !queued && !s.calls[fn] {
		s.order = append(s.order, fn)
	}
	s.mu.Unlock()
	s.signal()
}

func (s *Scaler) signal() {
	select {
	case s.wake <- struct{}{}:
	default: // enough workers are awake
	}
}

// Run calls the provider until ctx ends. On nil it returns at once.
func (s *Scaler) Run(ctx context.Context) {
	if s == nil {
		return
	}
	stop := s.provider.Watch(func(st provider.Status) { s.tellReady(st.Function) })
	defer stop()
	var workers sync.WaitGroup
	for range scalerCalls {
		workers.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-s.wake:
					for s.step(ctx) {
					}
				}
			}
		})
	}
	workers.Wait()
}

// step makes one call; false when none is due.
func (s *Scaler) step(ctx context.Context) bool {
	s.mu.Lock()
	if len(s.order) == 0 || s.held > 0 || ctx.Err() != nil {
		s.mu.Unlock()
		return false
	}
	fn := s.order[0]
	s.order = s.order[1:]
	n := s.wanted[fn]
	delete(s.wanted, fn)
	s.calls[fn] = true
	s.mu.Unlock()

	s.call(ctx, fn, n)

	s.mu.Lock()
	delete(s.calls, fn)
	if _, again := s.wanted[fn]; again {
		s.order = append(s.order, fn)
	}
	s.mu.Unlock()
	return true
}

func (s *Scaler) call(ctx context.Context, fn *core.Function, n int) {
	if c := s.coreOf(fn.Name()); c == nil || c.Function(fn.Name()) != fn {
		return // deleted, or not here any more; the name may be another function's by now
	}
	ctx, cancel := context.WithTimeout(ctx, providerCallTimeout)
	defer cancel()
	err := s.provider.SetReplicas(ctx, fn.Name(), n)
	switch {
	case err == nil:
		s.log.Debug("scaled", "function", fn.Name(), "replicas", n)
	case errors.Is(err, provider.ErrNotFound) || errors.Is(err, provider.ErrClosed) || errors.Is(err, context.Canceled):
		// The function is being deleted.
	default:
		s.log.Warn("scaling failed; it is tried again", "function", fn.Name(), "replicas", n, "error", err)
	}
}

// hold delays calls until release. Core requests a new function's minimum
// when it registers it, before adopt can report that there are more
// instances.
func (s *Scaler) hold() { s.addHeld(1) }

func (s *Scaler) release() {
	s.addHeld(-1)
	s.signal()
}

func (s *Scaler) addHeld(n int) {
	s.mu.Lock()
	s.held += n
	s.mu.Unlock()
}

// adopt reports to core the instances that a newly registered function has
// already: a provider may take over instances that outlived the last run, and
// the autoscaler then continues from their number rather than from its
// minimum.
func (s *Scaler) adopt(fn *core.Function) {
	name := fn.Name()
	if st, _ := s.provider.Status(name); fn.Autoscaled() && st.Desired > fn.DesiredReplicas() {
		if err := s.coreOf(name).SetReplicas(name, st.Desired); err != nil {
			s.log.Warn("running instances were not taken over", "function", name, "replicas", st.Desired, "error", err)
		}
	}
	s.tellReady(name)
}

// tellReady reports to core how many instances of a function are ready. It
// reads the number under a lock and does not use the watcher's, so that the
// last of several concurrent calls reports the newest.
func (s *Scaler) tellReady(name string) {
	s.readyMu.Lock()
	defer s.readyMu.Unlock()
	if c := s.coreOf(name); c != nil {
		st, _ := s.provider.Status(name) // zero when the function is gone
		c.ReplicasReady(name, st.Ready)
	}
}
