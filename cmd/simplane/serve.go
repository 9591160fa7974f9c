package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"simplane/server"
)

func serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the control plane",
		Long: "Run the control plane until SIGTERM or SIGINT.\n\n" +
			"Every flag is also an environment variable (--rate-max-per-second is\n" +
			"SIMPLANE_RATE_MAX_PER_SECOND) and a config file key (rateMaxPerSecond).\n" +
			"A flag wins over the environment, the environment over the file.",
		Args: noArgs,
	}
	settings := server.NewSettings(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		closed := notDumpable() // before any token is read from a file
		if err := settings.Load(lookupEnv); err != nil {
			return usageErrorf("%w", err)
		}
		cfg := settings.Config
		cfg.Version, cfg.Commit = version, buildCommit()
		log := newLogger(cfg, cmd.ErrOrStderr())
		if err := errors.Join(secretsShown, closed); err != nil {
			log.Warn("secrets are less well kept than they could be", "error", err)
		}
		if err := connectCluster(&cfg, log); err != nil {
			return err
		}
		server.TuneGC()
		s, err := server.New(cfg, log)
		var exposed *server.ExposedError
		switch {
		case errors.As(err, &exposed):
			return usageErrorf("%w", err)
		case err != nil:
			return err
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		ends := make(chan os.Signal, 2)
		signal.Notify(ends, syscall.SIGTERM, syscall.SIGINT)
		go endOnSignals(ends, cancel)
		// Both before the ready line: whoever waits for it may signal at once.
		hangup := make(chan os.Signal, 1)
		signal.Notify(hangup, syscall.SIGHUP)
		outliveBrokenPipe()
		go reloadOnHangup(ctx, hangup, s, settings, log)
		dumps := make(chan os.Signal, 1)
		signal.Notify(dumps, syscall.SIGUSR2)
		go dumpOnSignal(ctx, dumps, s)
		if cfg.DataDir == "" {
			log.Info("functions, queued work and configuration are kept in memory only and end with this process; --data-dir DIR keeps them")
		} else {
			log.Info("reading the data directory", "directory", cfg.DataDir, "addr", s.Addr(), "mgmt-addr", s.MgmtAddr())
		}
		s.WhenReady(func() {
			fmt.Fprintf(cmd.OutOrStdout(), "simplane ready addr=%s mgmt-addr=%s\n", s.Addr(), s.MgmtAddr())
		})
		return s.Serve(ctx)
	}
	return cmd
}

// endOnSignals begins the shutdown at the first signal and dies of the second
// at once, however soon it follows.
func endOnSignals(ends chan os.Signal, shutDown func()) {
	<-ends
	shutDown()
	again := <-ends
	signal.Reset(again)
	if sig, ok := again.(syscall.Signal); ok {
		_ = syscall.Kill(os.Getpid(), sig)
	}
}

// reloadOnHangup reads the TLS files and the configuration again on SIGHUP and
// applies what can be changed at run time. A broken file changes nothing.
func reloadOnHangup(ctx context.Context, hangup chan os.Signal, s *server.Server, settings *server.Settings, log *slog.Logger) {
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			s.ReloadCertificates()
			cfg, err := settings.Reread(lookupEnv)
			if err != nil {
				log.Error("configuration not reloaded; the old one stays in force", "error", err)
				continue
			}
			s.Reload(cfg)
		}
	}
}

// dumpOnSignal writes what the flight recorder holds into a file on SIGUSR2.
func dumpOnSignal(ctx context.Context, dumps chan os.Signal, s *server.Server) {
	defer signal.Stop(dumps)
	for {
		select {
		case <-ctx.Done():
			return
		case <-dumps:
			s.DumpFlightRecorder("SIGUSR2")
		}
	}
}

// outliveBrokenPipe keeps the server alive when what reads its log goes away.
// By default a write to a broken stderr ends a Go program. Ignoring the signal
// would be inherited by function processes; catching it is not.
func outliveBrokenPipe() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

func newLogger(cfg server.Config, w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.LogLevel)) // checked with the config
	opts := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
