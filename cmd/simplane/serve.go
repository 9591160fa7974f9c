package main

import (
	"context"
	"fmt"
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
		if err := settings.Load(os.LookupEnv); err != nil {
			return usageErrorf("%w", err)
		}
		cfg := settings.Config
		s, err := server.New(cfg, newLogger(cfg))
		if err != nil {
			return err
		}
		// The second signal kills at once: the first restores the default.
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		go func() {
			<-ctx.Done()
			stop()
		}()
		go reloadOnHangup(ctx, s, settings)
		fmt.Fprintf(cmd.OutOrStdout(), "simplane ready addr=%s mgmt-addr=%s\n", s.Addr(), s.MgmtAddr())
		return s.Serve(ctx)
	}
	return cmd
}

// reloadOnHangup reads the configuration again on SIGHUP and applies what can
// be changed at run time. A broken file changes nothing.
func reloadOnHangup(ctx context.Context, s *server.Server, settings *server.Settings) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			cfg, err := settings.Reread(os.LookupEnv)
			if err != nil {
				slog.Error("configuration not reloaded; the old one stays in force", "error", err)
				continue
			}
			s.Reload(cfg)
		}
	}
}

func newLogger(cfg server.Config) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.LogLevel)) // checked with the config
	opts := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, opts))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, opts))
}
