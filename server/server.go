package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/internal/dispatch"
	"simplane/server/provider"
)

// Server is the control plane behind HTTP.
type Server struct {
	cfg      Config
	log      *slog.Logger
	core     *core.Core
	clock    *systemClock
	metrics  *metrics
	tracing  *tracing // nil without an exporter
	draining atomic.Bool
	runtime  runtimeConfig
	provider provider.Provider // nil without one
	scaler   *replicaScaler    // nil without a provider

	tokens       tokens
	completions  *completionTokens
	dispatcher   *dispatch.Dispatcher
	egress       *dispatch.Egress
	unauthorized *prometheus.CounterVec
	refusals     *refusalBudget
	certs        *certificates // nil without TLS

	functionsMu sync.Mutex // registering and deleting

	api, mgmt         *fasthttp.Server
	apiAddr, mgmtAddr net.Listener
	backlog           chan struct{}
}

// New builds a server and opens its listeners, so that a taken port is an
// error here and both addresses are known before Serve.
func New(cfg Config, log *slog.Logger) (_ *Server, err error) {
	s := &Server{
		cfg: cfg, log: log, clock: newSystemClock(), metrics: newMetrics(),
		backlog: make(chan struct{}, 1),
		runtime: runtimeConfig{revision: 1}, refusals: newRefusalBudget(log),
	}
	cfg.Core.OnBacklog = s.wakeScheduler
	if s.tokens, err = newTokens(cfg); err != nil {
		return nil, err
	}
	s.completions = newCompletionTokens()
	s.unauthorized = newUnauthorizedCounter(s.metrics.registry)
	if s.egress, err = dispatch.NewEgress(cfg.EndpointAllow); err != nil {
		return nil, err
	}
	if s.tracing, err = newTracing(cfg, s.clock, s.metrics.registry, log); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.tracing.shutdown()
		}
	}()
	var observer core.Observer = s.metrics
	if s.tracing != nil {
		observer = tracedMetrics{s.metrics}
	}
	if s.provider = s.newProvider(); s.provider != nil {
		s.scaler = newReplicaScaler(s.provider, log)
		cfg.Core.Scaler = s.scaler
	}
	s.dispatcher = s.newDispatcher()
	if s.core, err = core.New(cfg.Core, s.clock, randomIDs{}, s.dispatcher, observer); err != nil {
		return nil, err
	}
	if s.scaler != nil {
		s.scaler.core = s.core
	}
	s.metrics.registry.MustRegister(coreGauges{s.core})
	apiConns, mgmtConns := connectionBounds(cfg.MaxConnections, fileLimit())
	if apiConns < cfg.MaxConnections {
		log.Info("maxConnections is lowered to what the file limit leaves room for; raise it (ulimit -n)", "from", cfg.MaxConnections, "to", apiConns, "files", fileLimit())
	}
	if s.certs, err = newCertificates(cfg, log); err != nil {
		return nil, err
	}
	if s.certs != nil {
		s.certs.register(s.metrics.registry)
	}
	s.api, s.mgmt = s.httpServer(false, apiConns), s.httpServer(true, mgmtConns)
	refused := newRefusedCounter(s.metrics.registry)
	bounds := func(all int) connBounds {
		return connBounds{all, newSourceLimit(cfg.MaxConnectionsPerIP, log), refused}
	}
	if s.apiAddr, err = listen("addr", cfg.Addr, bounds(apiConns), cfg, s.certs, log); err != nil {
		return nil, err
	}
	if s.mgmtAddr, err = listen("mgmt-addr", cfg.MgmtAddr, bounds(mgmtConns), cfg, s.certs, log); err != nil {
		_ = s.apiAddr.Close()
		return nil, err
	}
	for _, what := range s.exposure() {
		log.Warn(what)
	}
	return s, nil
}

func (s *Server) httpServer(mgmt bool, connections int) *fasthttp.Server {
	return &fasthttp.Server{
		Name:               "simplane",
		Handler:            s.handler(mgmt),
		ErrorHandler:       s.refuseRequest,
		Concurrency:        2 * connections, // the listener refuses before
		ReadTimeout:        s.cfg.ReadTimeout,
		WriteTimeout:       s.cfg.WriteTimeout,
		IdleTimeout:        s.cfg.IdleTimeout,
		ReadBufferSize:     s.cfg.MaxHeaderBytes,
		MaxRequestBodySize: s.cfg.MaxBodyBytes,
		// Idle goroutines are for connections to come. What a flood leaves of
		// them is not kept for longer than this.
		MaxIdleWorkerDuration: 2 * time.Second,
		LazyRequestTime:       true, // nobody asks for it
		TCPKeepalive:          true,
		CloseOnShutdown:       true,
		Logger:                fasthttpLog{s.log},
		// A body is JSON whatever its Content-Type says.
		DisablePreParseMultipartForm: true,
		SecureErrorLogMessage:        true, // errors name no bytes of the request
		ExpectHandler:                s.expectContinue,
	}
}

// fasthttpLog passes fasthttp's messages (broken requests mostly) on as debug.
type fasthttpLog struct{ log *slog.Logger }

func (l fasthttpLog) Printf(format string, args ...any) { l.log.Debug(fmt.Sprintf(format, args...)) }

// newDispatcher makes what runs the tasks of core.
func (s *Server) newDispatcher() *dispatch.Dispatcher {
	hooks := dispatch.Hooks{
		Complete:          complete,
		AppendTraceParent: traceForwarding(s.tracing != nil).appendParent,
	}
	if s.tracing != nil {
		hooks.Called = called
	}
	if s.cfg.InternalToken != "" {
		hooks.CompletionToken = s.completions.of
	}
	return dispatch.New(dispatch.Options{
		Log: s.log, Egress: s.egress, Provider: s.provider,
		MaxConnections: s.cfg.PoolMaxConnections, MaxResponseBytes: s.cfg.MaxResponseBytes,
		Hooks: hooks,
	})
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

// wakeScheduler tells the scheduler goroutine that work is left.
func (s *Server) wakeScheduler() {
	select {
	case s.backlog <- struct{}{}:
	default: // it is awake
	}
}

// schedule pumps what callers left behind. It sleeps until signalled.
func (s *Server) schedule(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.backlog:
			for s.core.Pump(1024) {
			}
		}
	}
}

// watchClock follows steps of the machine's clock.
func (s *Server) watchClock(ctx context.Context) {
	warned := false
	every(ctx, 10*time.Second, func() {
		step := s.clock.rebase()
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
// ShutdownGrace, and what is left is reported as an error.
func (s *Server) Serve(ctx context.Context) error {
	background, stop := context.WithCancel(context.Background())
	var workers sync.WaitGroup
	defer workers.Wait()
	defer stop()
	workers.Go(func() { s.schedule(background) })
	workers.Go(func() { s.watchClock(background) })
	if s.scaler != nil {
		workers.Go(func() { s.scaler.run(background) })
	}
	if s.certs != nil {
		workers.Go(func() { s.certs.watch(background) })
	}

	failed := make(chan error, 2)
	go func() { failed <- s.api.Serve(s.apiAddr) }()
	go func() { failed <- s.mgmt.Serve(s.mgmtAddr) }()
	select {
	case err := <-failed:
		return errors.Join(fmt.Errorf("the server stopped: %w", err), s.close())
	case <-ctx.Done():
	}
	return errors.Join(s.drain(), s.close())
}

// drain waits until accepted work has ended or the grace period is over.
func (s *Server) drain() error {
	s.draining.Store(true)
	s.core.Drain()
	queued, inFlight := s.core.Unfinished()
	s.log.Info("shutting down", "queued", queued, "inFlight", inFlight, "grace", s.cfg.ShutdownGrace)
	deadline := time.Now().Add(s.cfg.ShutdownGrace)
	for {
		queued, inFlight = s.core.Unfinished()
		if inFlight == 0 && (queued == 0 || s.cfg.Core.SchedulerOff) {
			break
		}
		if !time.Now().Before(deadline) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if queued+inFlight > 0 {
		s.log.Error("accepted work is left behind", "queued", queued, "inFlight", inFlight)
		return fmt.Errorf("stopped with %d executions queued and %d running that had been accepted", queued, inFlight)
	}
	return nil
}

// close stops the function instances and both HTTP servers, and exports the
// last spans; answers being written get a moment.
func (s *Server) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if s.provider != nil {
		if err := s.provider.Close(ctx); err != nil {
			s.log.Warn("function instances were stopped by force", "error", err)
		}
	}
	err := errors.Join(s.api.ShutdownWithContext(ctx), s.mgmt.ShutdownWithContext(ctx))
	s.refusals.close()
	s.tracing.shutdown()
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // idle clients that do not hang up are no failure
	}
	return err
}
