package server

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/internal/httpjson"
	"simplane/server/internal/journal"
)

// codeRecovering is the answer to all requests but those for health until what
// the data directory holds is back.
const codeRecovering = "RECOVERING"

// durability is what a server with a data directory has. Its methods work on nil,
// which is a server without one.
type durability struct {
	journal  *journal.Journal
	log      journal.Log
	progress journal.Progress
	done     atomic.Bool // all is back
	took     atomic.Int64
}

func (d *durability) recovering() bool { return d != nil && !d.done.Load() }

// stored is what handlers wait with; nil without a journal.
func (d *durability) stored() func(core.LSN) error {
	if d == nil {
		return nil
	}
	return func(at core.LSN) error { return d.journal.Wait(context.Background(), at) }
}

func (d *durability) lag() func() int64 {
	if d == nil {
		return nil
	}
	return d.journal.Lag
}

// state is how the journal does, and the last start did; nil without a journal.
func (d *durability) state() func() any {
	if d == nil {
		return nil
	}
	return func() any {
		return struct {
			journal.State
			RecoveredFacts int64   `json:"recoveredFacts"`
			RecoverySecs   float64 `json:"recoverySeconds"`
		}{d.journal.State(), int64(d.progress.Facts()), time.Duration(d.took.Load()).Seconds()}
	}
}

func (d *durability) register(r prometheus.Registerer) {
	r.MustRegister(d.journal.Metrics()...)
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "simplane_journal_recovery_seconds", Help: "How long the last start took to bring everything back."},
		func() float64 { return time.Duration(d.took.Load()).Seconds() }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "simplane_journal_recovered_facts", Help: "Facts that the last start has read."},
			func() float64 { return float64(d.progress.Facts()) }))
}

// openJournal opens the data directory, if there is one, and has the journal go
// into core's configuration.
func (s *Server) openJournal(cfg *Config) error {
	if cfg.DataDir == "" {
		return nil
	}
	fatal := cfg.onFatal
	if fatal == nil {
		fatal = endProcess(s.log)
	}
	log, err := openDataDir(cfg, s.log, fatal)
	if err != nil {
		return err
	}
	key, err := completionKey(cfg.DataDir)
	if err != nil {
		_ = log.Close()
		return err
	}
	s.guard.UseCompletionKey(key)
	s.durable = &durability{log: log}
	s.durable.journal = journal.Start(journal.Options{
		Log: log, Timeout: cfg.JournalTimeout, MaxBytes: cfg.JournalMaxBytes, Fatal: fatal, Logger: s.log,
		Advanced: func(at core.LSN) {
			if s.durable.done.Load() { // before that, nothing may leave: who would run it is not known yet
				s.guarded(func() { s.only.core.JournalAdvanced(at) })()
			}
		},
	})
	cfg.Core.Journal, cfg.Core.Specs = s.durable.journal, storedSpecs{}
	s.durable.register(s.metrics.Registry)
	s.metrics.Registry.MustRegister(log.Collectors()...)
	return nil
}

// recoverAll brings back what the data directory holds: functions, work,
// configuration. Nothing is dispatched before the provider knows its functions.
func (s *Server) recoverAll(ctx context.Context) error {
	d := s.durable
	if d == nil {
		return nil
	}
	began := time.Now()
	r := s.only.core.Restore()
	if err := journal.Read(ctx, d.log, &d.progress, r.Apply); err != nil {
		return fmt.Errorf("data directory %s: %w", s.cfg.DataDir, err)
	}
	s.clock.NotBefore(r.NewestWall())
	defer s.only.registrar.Hold()()
	if err := r.Done(s.clock.Now(), s.only.registrar.Died); err != nil {
		return fmt.Errorf("data directory %s: %w", s.cfg.DataDir, err)
	}
	if err := s.only.admin.RestoreRuntime(r.Config()); err != nil {
		return fmt.Errorf("data directory %s: %w", s.cfg.DataDir, err)
	}
	if err := s.only.registrar.Restored(); err != nil {
		return fmt.Errorf("data directory %s: %w", s.cfg.DataDir, err)
	}
	d.took.Store(int64(time.Since(began)))
	d.done.Store(true)
	s.only.core.JournalAdvanced(d.journal.Durable())
	queued, inFlight := s.only.core.Unfinished()
	s.log.Info("recovered", "directory", s.cfg.DataDir, "facts", d.progress.Facts(), "bytes", d.progress.Bytes(), "took", time.Since(began).Round(time.Millisecond),
		"functions", len(s.only.core.Functions()), "queued", queued, "inFlight", inFlight)
	return nil
}

// whileRecovering answers in place of next until everything is back.
func (d *durability) whileRecovering(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	if d == nil {
		return next
	}
	return func(ctx *fasthttp.RequestCtx) {
		if d.done.Load() {
			next(ctx)
			return
		}
		switch path := string(ctx.Path()); {
		case path == "/actuator/health" || path == "/actuator/health/liveness":
			httpjson.WriteJSON(ctx, fasthttp.StatusOK, map[string]string{"status": "UP"})
		case path == "/actuator/health/readiness":
			httpjson.WriteJSON(ctx, fasthttp.StatusServiceUnavailable, map[string]any{"status": "OUT_OF_SERVICE",
				"recovery": map[string]int64{"facts": d.progress.Facts(), "bytes": d.progress.Bytes()}})
		default:
			ctx.Response.Header.Set("Retry-After", "1")
			ctx.SetConnectionClose() // the body, if there is one, was not read
			httpjson.WriteError(ctx, fasthttp.StatusServiceUnavailable, codeRecovering,
				fmt.Sprintf("what the data directory holds is being brought back, %d facts so far; retry", d.progress.Facts()))
		}
	}
}

// close commits what is left and closes the files.
func (d *durability) close() error {
	if d == nil {
		return nil
	}
	return d.journal.Close()
}
