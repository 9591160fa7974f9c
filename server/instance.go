package server

import (
	"context"

	"simplane/core"
	"simplane/server/internal/admin"
	"simplane/server/internal/api"
	"simplane/server/internal/deploy"
	"simplane/server/internal/dispatch"
)

// instance is one core and what asks it: the registrar that keeps it and the
// provider in step, and the handlers. A server has one; one of several in a cluster
// has one for each partition that it owns.
type instance struct {
	core      *core.Core
	registrar *deploy.Registrar
	admin     *admin.Admin
	routes    []api.Route // all of the API, by this core
	answers   *api.API
	backlog   chan struct{}
}

// instanceOptions are what instances differ in.
type instanceOptions struct {
	config     core.Config
	clock      core.Clock
	ids        core.IDSource
	dispatcher *dispatch.Dispatcher
	// stored waits until a fact is durable, lag is the number of those that are not.
	// nil without a journal.
	stored func(core.LSN) error
	lag    func() int64
	// inert says that nothing may be started any more; lost is closed then. nil
	// without a cluster.
	inert func() bool
	lost  <-chan struct{}
	given <-chan struct{} // is closed when what is durable is another node's
}

// newInstance makes a core with what belongs to it.
func (s *Server) newInstance(o instanceOptions) (*instance, error) {
	n := &instance{backlog: make(chan struct{}, 1)}
	o.config.OnBacklog = n.wakeScheduler
	if s.scaler != nil {
		o.config.Scaler = s.scaler
	}
	var dispatcher core.Dispatcher = o.dispatcher
	if o.inert != nil {
		dispatcher = partitionDispatcher{o.dispatcher, o.inert}
	}
	var err error
	if n.core, err = core.New(o.config, o.clock, o.ids, dispatcher, s.observer); err != nil {
		return nil, err
	}
	cores := func() []*core.Core { return []*core.Core{n.core} }
	n.registrar = deploy.NewRegistrar(s.deploying, n.core, o.stored)
	n.admin = admin.New(admin.Options{
		Core: n.core, Cores: cores, Log: s.log, Guard: s.guard, Lists: s.lists, MetricsError: n.registrar.MetricsError, LimitsError: n.registrar.LimitsError,
		NowMillis: func() int64 { return s.clock.Now().WallMillis() },
		Stored:    o.stored, Lag: o.lag, Flight: s.flight, FollowsStored: s.member != nil,
		Past: s.past.samples, Marks: s.past.marks, State: s.stateOf, Instances: s.instancesOf, ProviderOf: s.deploying.ProviderOf,
		Version: s.cfg.Version, Providers: s.cfg.Providers(), ProviderHealth: s.providerHealth, Journal: s.durable.state(),
	})
	n.answers = api.New(api.Options{
		Core: n.core, Log: s.log, Guard: s.guard, Audit: s.audit, Registrar: n.registrar, Dashboard: admin.Dashboard,
		Cores: func() []api.Source { return []api.Source{{Core: n.core, Stored: o.stored}} }, CoreOf: func(core.ID) *core.Core { return n.core },
		Rollout: n.registrar.Rollout, Trouble: n.registrar.Trouble, ProviderHealth: s.providerHealth,
		Lists: s.lists, Profiles: s.profiles.Serve, Run: o.dispatcher.Run, Pass: o.dispatcher.Pass,
		Tracing: s.tracing, CheckEndpoint: s.egress.CheckHost, Draining: s.draining.Load, Stored: o.stored, Lost: o.lost, Given: o.given,
		AsyncEnabled: s.cfg.AsyncEnabled, CancelOnDisconnect: s.cfg.CancelOnDisconnect, AccessLogSample: s.cfg.AccessLogSample,
		Panicked:           s.flight.Panicked,
		InternalOnMgmtOnly: s.cfg.InternalOnMgmtOnly, ManageOnMgmtOnly: s.cfg.ManageOnMgmtOnly, MetricsOnMgmtOnly: s.cfg.MetricsOnMgmtOnly,
	})
	n.routes = routes(n.answers, n.admin, s.metrics.Scraper())
	return n, nil
}

// wakeScheduler wakes the scheduler goroutine.
func (n *instance) wakeScheduler() {
	select {
	case n.backlog <- struct{}{}:
	default: // it is awake
	}
}

// schedule serves what callers left in the ready list. It sleeps until it is
// woken.
func (n *instance) schedule(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.backlog:
			for n.core.Pump(1024) {
			}
		}
	}
}
