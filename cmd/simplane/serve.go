package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"simplane/server"
)

func serveCommand() *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the control plane",
		Long: "Run the control plane until SIGTERM or SIGINT.\n\n" +
			"Every flag is also an environment variable (--rate-max-per-second is\n" +
			"SIMPLANE_RATE_MAX_PER_SECOND) and a config file key (rateMaxPerSecond).\n" +
			"A flag wins over the environment, the environment over the file.\n" +
			"`simplane config effective` shows what comes of them.",
		Args: noArgs,
	}
	settings := server.NewSettings(cmd.Flags())
	cmd.Flags().BoolVar(&check, "check", false, "check the configuration and the files it names, and exit: 0, or 2 when something is wrong")
	completeSettingFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		closed := notDumpable() // before any token is read from a file
		err := loadSettings(settings)
		cfg := settings.Config
		cfg.Version, cfg.Commit = version, buildCommit()
		log := newLogger(cfg, cmd.ErrOrStderr())
		slog.SetDefault(log) // and with it the standard log package, which libraries use
		switch {
		case err != nil:
		case check:
			err = checkConfig(cmd, cfg, log)
		default:
			err = runServer(cmd, settings, cfg, log, errors.Join(secretsShown, closed))
		}
		if err != nil && cfg.LogFormat == "json" {
			return loggedError(log, err)
		}
		return err
	}
	return cmd
}

// loadSettings reads flags, environment and file, and refuses variables that are
// no settings.
func loadSettings(settings *server.Settings) error {
	if err := errors.Join(settings.CheckEnvironment(os.Environ()), settings.Load(lookupEnv)); err != nil {
		return usageErrorf("%w", err)
	}
	return nil
}

// loggedError has an error be a line of the log in place of one of text.
func loggedError(log *slog.Logger, err error) error {
	log.Error("simplane ends", "error", err)
	code := 1
	var coded *exitError
	if errors.As(err, &coded) {
		code = coded.code
	}
	return silentExit(code)
}

func checkConfig(cmd *cobra.Command, cfg server.Config, log *slog.Logger) error {
	if err := server.Check(cfg, log); err != nil {
		return usageErrorf("%w", err)
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), "the configuration is valid")
	return err
}

// runServer runs the server until a signal ends it. closed says which secrets other
// processes can read; nil for none.
func runServer(cmd *cobra.Command, settings *server.Settings, cfg server.Config, log *slog.Logger, closed error) error {
	if closed != nil {
		log.Warn("secrets are less well kept than they could be", "error", closed)
	}
	if err := makeProviders(&cfg, log); err != nil {
		return err
	}
	server.TuneGC()
	s, err := server.New(cfg, log)
	var exposed *server.ExposedError
	var wrong *server.SettingsError
	switch {
	case errors.As(err, &exposed), errors.As(err, &wrong):
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
		scheme := "http"
		if cfg.TLSCert != "" {
			scheme = "https"
		}
		log.Info("simplane is ready", "version", cfg.Version, "commit", cfg.Commit, "addr", s.Addr(), "mgmt-addr", s.MgmtAddr(),
			"page", scheme+"://"+s.MgmtAddr()+"/ui", "data-dir", firstOf(cfg.DataDir, "none"), "provider", cfg.Provider)
		fmt.Fprintf(cmd.OutOrStdout(), "simplane ready addr=%s mgmt-addr=%s\n", s.Addr(), s.MgmtAddr())
	})
	return s.Serve(ctx)
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
			again, err := settings.Reread(lookupEnv)
			if err != nil {
				log.Error("configuration not reloaded; the old one stays in force", "error", err)
				continue
			}
			s.Reload(again.Config)
			if keys := settings.NeedRestart(again); len(keys) > 0 {
				log.Warn("changed settings that a restart puts in force", "settings", strings.Join(keys, ", "))
			}
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
