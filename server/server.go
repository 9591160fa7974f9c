package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/internal/admin"
	"simplane/server/internal/api"
	"simplane/server/internal/auth"
	"simplane/server/internal/deploy"
	"simplane/server/internal/dispatch"
	"simplane/server/internal/flight"
	"simplane/server/internal/http1"
	"simplane/server/internal/httpjson"
	"simplane/server/internal/machine"
	"simplane/server/internal/sock"
	"simplane/server/internal/telemetry"
	"simplane/server/provider"
)

// Server is the control plane with its HTTP listeners.
type Server struct {
	cfg       Config
	log       *slog.Logger
	network   Network     // nil = the machine's
	only      *instance   // the one that answers all; nil in a cluster
	member    *membership // nil without a cluster
	clock     *machine.Clock
	metrics   *telemetry.Metrics
	tracing   *telemetry.Tracing // nil without an exporter
	draining  atomic.Bool
	provider  provider.Provider // of all providers; nil without one
	providers []provider.Named
	durable   *durability      // nil without a data directory
	flight    *flight.Recorder // nil when nothing is recorded

	// What all instances share.
	guard      *auth.Guard
	audit      *admin.Audit
	profiles   *admin.Profiles
	lists      *httpjson.Lists
	observer   core.Observer
	scaler     *deploy.Scaler // nil without a provider
	deploying  deploy.Options
	dispatcher *dispatch.Dispatcher
	egress     *dispatch.Egress
	certs      *auth.Certificates // nil without TLS
	lookPace   time.Duration      // between checks of the TLS files: three stat calls
	past       past
	traceFlush time.Duration // how long a shutdown waits for the export of the last spans

	routes            []api.Route
	api, mgmt         *http1.Server
	apiAddr, mgmtAddr net.Listener
	ready             func() // nil, or WhenReady's
}

// WhenReady has f called by Serve when requests are answered.
func (s *Server) WhenReady(f func()) { s.ready = f }

// New builds a server and opens its listeners, so that a taken port is an
// error here and both addresses are known before Serve.
func New(cfg Config, log *slog.Logger) (*Server, error) { return NewOn(nil, cfg, log) }

// NewOn is New on a network that stands in for the machine's, for tests; nil = that. A
// server of a cluster has only that.
func NewOn(network Network, cfg Config, log *slog.Logger) (_ *Server, err error) {
	s := &Server{
		cfg: cfg, log: log, network: network, clock: machine.NewClock(), metrics: telemetry.NewMetrics(), profiles: admin.NewProfiles(),
		lists: httpjson.NewLists(), past: newPast(), lookPace: 10 * time.Second, traceFlush: 5 * time.Second,
	}
	if err = cfg.checkCluster(); err != nil {
		return nil, err
	}
	if s.certs, err = auth.LoadCertificates(cfg.TLSCert, cfg.TLSKey, cfg.TLSClientCA, log); err != nil {
		return nil, err
	}
	if s.certs != nil {
		s.certs.Register(s.metrics.Registry)
	}
	if s.guard, err = auth.NewGuard(cfg.tokens(), cfg.AllowedHosts, s.certs, s.metrics.Registry); err != nil {
		return nil, err
	}
	s.audit = admin.NewAudit(s.guard, log)
	s.audit.OnChange = s.mark
	if s.egress, err = dispatch.NewEgress(cfg.EndpointAllow); err != nil {
		return nil, err
	}
	if network != nil {
		s.egress.Dial = network.Dial
	}
	if s.tracing, err = telemetry.NewTracing(cfg.tracesURL(), cfg.TraceSampleRatio, s.clock.WallTime, s.metrics.Registry, log); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.tracing.Shutdown(s.traceFlush)
		}
	}()
	if err = s.newProviders(); err != nil {
		return nil, err
	}
	s.scaler = deploy.NewScaler(s.provider, s.coreOf, log)
	s.deploying = deploy.Options{Provider: s.provider, Providers: s.providers, Scaler: s.scaler, Room: deploy.NewSpecRoom(cfg.MaxSpecBytes), Holders: &deploy.Holders{}, Log: log}
	s.observer = telemetry.Observer(s.metrics, s.tracing)
	if cfg.inCluster() {
		err = s.buildMember(&cfg)
	} else {
		err = s.buildAlone(&cfg)
	}
	if err != nil {
		return nil, err
	}
	if err = s.checkExposure(s.Addr(), s.MgmtAddr()); err != nil {
		s.flight.Close()
		return nil, errors.Join(err, s.apiAddr.Close(), s.mgmtAddr.Close(), s.durable.close(), s.member.closeEarly())
	}
	return s, nil
}

// buildMember builds a server that is one of several.
func (s *Server) buildMember(cfg *Config) (err error) {
	s.openFlightRecorder(cfg)
	s.dispatcher = s.newDispatcher()
	s.metrics.LogStale(s.log)
	if s.member, err = s.newMembership(); err != nil {
		return err
	}
	answers, front, forMembers := s.member.front()
	s.routes = front
	if err = s.beginRecording(cfg); err != nil {
		return errors.Join(err, s.member.addr.Close())
	}
	s.watchMetrics(s.member.admin)
	largest := max(cfg.MaxBodyBytes, cfg.MaxResponseBytes+outcomeRoom) // outcomes, too, come from members
	bodies := newBodies(max(cfg.MaxReadingBytes, int64(largest)), s.metrics.Registry)
	s.member.server = s.httpServer(s.member.whileJoining(answers.Handler(forMembers, true)), answers, bodies)
	s.member.server.MaxBodyBytes = largest
	if err = s.listenAll(answers, s.member.whileJoining, bodies); err != nil {
		return errors.Join(err, s.member.addr.Close())
	}
	return nil
}

// watchMetrics adds the metrics of all cores, and of the configuration in force.
func (s *Server) watchMetrics(a *admin.Admin) {
	s.metrics.WatchCores(s.cores)
	s.metrics.WatchRollouts(s.cores, s.deploying.RolloutState)
	s.metrics.Registry.MustRegister(a.RuntimeMetrics()...)
}

// buildAlone builds a server with one core for all.
func (s *Server) buildAlone(cfg *Config) (err error) {
	if err = s.openJournal(cfg); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.durable.close())
		}
	}()
	s.openFlightRecorder(cfg)
	s.dispatcher = s.newDispatcher()
	s.metrics.LogStale(s.log)
	if s.only, err = s.newInstance(instanceOptions{
		config: cfg.Core, clock: coreClock{s.clock, s.guarded}, ids: machine.RandomIDs{}, dispatcher: s.dispatcher,
		stored: s.durable.stored(), lag: s.durable.lag(),
	}); err != nil {
		return err
	}
	if err = s.beginRecording(cfg); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	defer func() {
		if err != nil {
			s.flight.Close()
		}
	}()
	s.watchMetrics(s.only.admin)
	s.routes = s.only.routes
	return s.listenAll(s.only.answers, s.durable.whileRecovering, newBodies(cfg.MaxReadingBytes, s.metrics.Registry))
}

// listenAll makes the servers of both addresses, and opens those. until answers until
// the server has what it is to serve.
func (s *Server) listenAll(answers *api.API, until func(fasthttp.RequestHandler) fasthttp.RequestHandler, bodies *http1.Budget) (err error) {
	cfg := &s.cfg
	files := 0 // connections of another network are no files
	if s.network == nil {
		files = sock.FileLimit()
	}
	apiConns, mgmtConns := sock.DivideFiles(cfg.MaxConnections, files)
	if apiConns < cfg.MaxConnections {
		s.log.Info("maxConnections is lowered to what the file limit leaves room for; raise it (ulimit -n)", "from", cfg.MaxConnections, "to", apiConns, "files", files)
	}
	s.api = s.httpServer(until(answers.Handler(s.routes, false)), answers, bodies)
	s.mgmt = s.httpServer(until(answers.Handler(s.ownScrapes(s.routes), true)), answers, bodies)
	refused := newRefusedCounter(s.metrics.Registry)
	if s.apiAddr, err = s.listen("addr", cfg.Addr, apiConns, refused); err != nil {
		return err
	}
	if s.mgmtAddr, err = s.listen("mgmt-addr", cfg.MgmtAddr, mgmtConns, refused); err != nil {
		_ = s.apiAddr.Close()
	}
	return err
}

// ownScrapes are routes whose metrics have readers of their own: who reads slowly at one
// address leaves the other as it is.
func (s *Server) ownScrapes(list []api.Route) []api.Route {
	list = slices.Clone(list)
	for i := range list {
		if list[i].Metrics {
			list[i].Handle = api.NoArg(s.metrics.Scraper())
		}
	}
	return list
}

func (s *Server) httpServer(handler fasthttp.RequestHandler, answers *api.API, bodies *http1.Budget) *http1.Server {
	return &http1.Server{
		Name:           "simplane",
		Handler:        handler,
		Refuse:         answers.RefuseUnread,
		ReadTimeout:    s.cfg.ReadTimeout,
		WriteTimeout:   s.cfg.WriteTimeout,
		IdleTimeout:    s.cfg.IdleTimeout,
		MaxHeaderBytes: s.cfg.MaxHeaderBytes,
		MaxBodyBytes:   s.cfg.MaxBodyBytes,
		Bodies:         bodies,
	}
}

// newDispatcher makes core's dispatcher.
func (s *Server) newDispatcher() *dispatch.Dispatcher {
	hooks := dispatch.Hooks{
		Complete:          s.complete(),
		AppendTraceParent: s.tracing.ForwardParent(),
	}
	if s.tracing != nil {
		hooks.Called = telemetry.Called
	}
	if s.cfg.InternalToken != "" {
		hooks.CompletionToken = s.guard.CompletionToken
	}
	return dispatch.New(dispatch.Options{
		Log: s.log, Egress: s.egress, Provider: s.provider,
		MaxConnections: s.cfg.PoolMaxConnections, MaxResponseBytes: s.cfg.MaxResponseBytes,
		Hooks: hooks,
	})
}

// complete is how the answer to a call comes to core.
func (s *Server) complete() func(core.Task, core.Outcome) {
	if s.flight == nil {
		return telemetry.Complete
	}
	return func(t core.Task, o core.Outcome) {
		fine := false
		defer s.flight.OnPanic(&fine)
		telemetry.Complete(t, o)
		fine = true
	}
}

// LocalHandler runs a LOCAL function in this process. Its output must be valid
// JSON.
type LocalHandler = dispatch.LocalHandler

// HandleLocal sets the handler of LOCAL functions with this name; without one
// they answer with their input.
func (s *Server) HandleLocal(name string, h LocalHandler) { s.dispatcher.HandleLocal(name, h) }

// Addr is the bound address of the API, MgmtAddr that of management.
func (s *Server) Addr() string     { return s.apiAddr.Addr().String() }
func (s *Server) MgmtAddr() string { return s.mgmtAddr.Addr().String() }

// cores are those of all instances.
func (s *Server) cores() []*core.Core {
	if s.member != nil {
		return s.member.cores()
	}
	return []*core.Core{s.only.core}
}

// coreOf is the core that functions of this name are in; nil when it is at another
// node.
func (s *Server) coreOf(name string) *core.Core {
	if s.member != nil {
		return s.member.coreOf(core.PartitionOf(name))
	}
	return s.only.core
}

// watchClock follows steps of the machine's clock.
func (s *Server) watchClock(ctx context.Context) {
	warned := false
	every(ctx, 10*time.Second, func() {
		step := s.clock.Rebase()
		switch {
		case step > time.Second:
			s.log.Warn("the machine's clock was set forward; followed", "by", step)
		case step < -time.Second && !warned:
			s.log.Warn("the machine's clock was set back; timestamps run ahead of it until restart", "by", -step)
		}
		warned = step < -time.Second
	})
}

// Serve answers requests until ctx ends, then shuts down gracefully: readiness
// goes down and new work is refused, accepted work may finish within
// ShutdownGrace, and what is left is reported as an error, unless a data
// directory keeps it. With one, requests are answered with 503 until what it
// holds is back.
func (s *Server) Serve(ctx context.Context) error {
	background, stop := context.WithCancel(context.Background())
	var workers sync.WaitGroup
	defer workers.Wait()
	defer stop()
	failed := make(chan error, 3)
	go func() { failed <- s.api.Serve(s.apiAddr) }()
	go func() { failed <- s.mgmt.Serve(s.mgmtAddr) }()
	begin := s.recoverAll
	if s.member != nil {
		go func() { failed <- s.member.server.Serve(s.member.addr) }()
		begin = s.member.join
	}
	if err := begin(ctx); err != nil {
		if ctx.Err() != nil { // asked to stop before all was back
			err = nil
		}
		return errors.Join(err, s.close())
	}
	s.providersRestored()
	stopped := make(chan error)
	if s.member == nil {
		workers.Go(s.guarded(func() { s.only.schedule(background) }))
	} else {
		workers.Go(func() { s.member.shareRate(background) })
		stopped = s.member.fatal
	}
	workers.Go(func() { s.watchClock(background) })
	workers.Go(func() { s.keepPast(background) })
	workers.Go(s.guarded(func() { s.scaler.Run(background) }))
	workers.Go(s.guarded(func() { tendMemory(background, s.cores) }))
	if s.certs != nil {
		workers.Go(func() { s.certs.Watch(background, s.lookPace) })
	}
	if s.ready != nil {
		s.ready()
	}
	select {
	case err := <-failed:
		return errors.Join(fmt.Errorf("the server stopped: %w", err), s.close())
	case err := <-stopped:
		return errors.Join(fmt.Errorf("cluster: %w: choose another --cluster-name, or stop the other one", err), s.close())
	case <-ctx.Done():
	}
	return errors.Join(s.drain(), s.close())
}

// drain waits until accepted work has ended or the grace period is over.
func (s *Server) drain() error {
	s.draining.Store(true)
	s.api.Retire()
	s.profiles.Close()
	if s.member != nil {
		s.log.Info("leaving the cluster", "grace", s.cfg.ShutdownGrace)
		return s.member.leave()
	}
	s.only.core.Drain()
	queued, inFlight := s.only.core.Unfinished()
	s.log.Info("shutting down", "queued", queued, "inFlight", inFlight, "grace", s.cfg.ShutdownGrace)
	deadline := time.Now().Add(s.cfg.ShutdownGrace)
	kept := 0 // of them, by the data directory
	for {
		queued, inFlight = s.only.core.Unfinished()
		if s.durable != nil {
			kept = min(s.only.core.UnfinishedDurable(), queued+inFlight)
		}
		if inFlight == 0 && (queued <= kept || s.cfg.Core.SchedulerOff) {
			break
		}
		if !time.Now().Before(deadline) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if kept > 0 {
		s.log.Info("the next start goes on with accepted work", "executions", kept)
	}
	if queued+inFlight > kept {
		s.log.Error("accepted work is left behind", "queued", queued, "inFlight", inFlight)
		return fmt.Errorf("stopped with %d executions queued and %d running that had been accepted", queued, inFlight)
	}
	return nil
}

// close stops the function instances and both HTTP servers, and exports the
// last spans; responses being written have up to 5 s.
func (s *Server) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if s.provider != nil {
		if err := s.provider.Close(ctx); err != nil {
			s.log.Warn("function instances were stopped by force", "error", err)
		}
	}
	err := errors.Join(s.api.Shutdown(ctx), s.mgmt.Shutdown(ctx))
	if s.member != nil {
		err = errors.Join(err, s.member.server.Shutdown(ctx), s.member.close())
	}
	if failed := s.durable.close(); failed != nil {
		return errors.Join(failed, err)
	}
	s.flight.Close()
	s.audit.Close()
	s.tracing.Shutdown(s.traceFlush)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // idle clients that keep their connections open are no failure
	}
	return err
}

// Reload applies the runtime part of a newly read configuration and its tokens,
// as SIGHUP does. Values that need a restart are not changed.
func (s *Server) Reload(cfg Config) {
	s.reloadTokens(cfg)
	if s.durable.recovering() {
		s.log.Warn("configuration not reloaded: what the data directory holds is not back yet")
		return
	}
	if s.member == nil {
		s.only.admin.Reload(cfg.Core.RateMaxPerSecond, cfg.Core.SyncQueue)
	} else {
		s.log.Info("tokens reloaded; the runtime configuration of a cluster is changed with PATCH /v1/admin/runtime-config only")
	}
}

func (s *Server) reloadTokens(cfg Config) {
	replaced, left, err := s.guard.Replace(cfg.tokens())
	if err != nil {
		s.log.Error("tokens not reloaded; the old ones stay in force", "error", err)
	}
	for _, sc := range replaced {
		s.log.Info("tokens replaced", "scope", sc.String(), "because", auth.WhoReload)
	}
	for _, sc := range left {
		s.log.Warn("a scope is opened or closed by a restart only", "scope", sc.String(), "open", s.guard.Open(sc))
	}
	for _, problem := range cfg.readableTokenFiles() {
		s.log.Warn(problem)
	}
}

// ReloadCertificates loads the TLS files again, as SIGHUP does. Without TLS it
// does nothing.
func (s *Server) ReloadCertificates() {
	if s.certs != nil {
		s.certs.Reload(auth.WhoReload)
	}
}
