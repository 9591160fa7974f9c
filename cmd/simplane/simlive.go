package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"simplane/bench/live"
	"simplane/bench/progress"
	"simplane/core/strictyaml"
)

func simLiveCommand() *cobra.Command {
	var (
		o      clientOptions
		opt    live.Options
		seed   uint64
		out    string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "live SCENARIO",
		Short: "Run a scenario in real time against a real server, beside its simulation",
		Long: "Run a scenario in real time: calls arrive over HTTP as the simulator draws them,\n" +
			"whatever becomes of earlier ones, and backends draw the scenario's own service\n" +
			"times, failures and cold starts. The server is started here with the scenario's\n" +
			"settings and has no data directory, or is the one on this machine that --server\n" +
			"names; that one is left as it was. What came of it is printed beside the\n" +
			"simulation of the same seed and the range of those of other seeds, with the\n" +
			"verdict whether the two part. 'settle' and 'expect' have no part in it.\n\n" +
			"Exit code 0: it ran, whatever the verdicts. 1: it did not. 2: wrong usage, or the\n" +
			"scenario has what cannot be carried out in real time; nothing was started.",
		Example: "  simplane sim live scenarios/live.yaml\n" +
			"  simplane sim live --seed 7 --out out scenarios/live.yaml\n" +
			"  simplane sim live --server 127.0.0.1:8080 --json scenarios/live.yaml",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageErrorf("%d scenarios given; run them one after the other, each for itself", len(args))
			}
			return someArgs("scenario")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if opt.Runs < live.MinRuns || opt.Runs > 10_000 {
				return usageErrorf("--runs %d: use %d to 10000; fewer tell no interval of 95 %%", opt.Runs, live.MinRuns)
			}
			scenarios, err := readScenarios(cmd, args)
			if err != nil {
				return err
			}
			sc := scenarios[0]
			if cmd.Flags().Changed("seed") {
				sc.Seed = seed
			}
			if cmd.Flags().Changed("server") {
				if opt.Server, err = o.connect(); err != nil {
					return err
				}
			}
			if opt.Executable, err = os.Executable(); err != nil {
				return err
			}
			ctx, stop := untilSignal(cmd)
			defer stop()
			line := progress.On(os.Stderr)
			opt.Progress = every(200*time.Millisecond, func(what string) { line.Printf("%s", what) })
			r, err := live.Run(ctx, sc, opt)
			line.Clear()
			var problems *strictyaml.Error
			switch {
			case errors.As(err, &problems):
				for _, p := range problems.Problems {
					fmt.Fprintln(cmd.ErrOrStderr(), p)
				}
				return silentExit(2)
			case ctx.Err() != nil:
				return errors.New("interrupted; nothing is left running")
			case err != nil:
				return err
			}
			if out != "" {
				if err := writeLive(out, r); err != nil {
					return err
				}
			}
			if asJSON {
				return r.WriteJSON(cmd.OutOrStdout())
			}
			return r.WriteText(cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.Uint64Var(&seed, "seed", 0, "use this seed instead of the scenario's")
	f.StringVar(&out, "out", "", "write the result into this `directory` as live.json and report.html")
	f.IntVar(&opt.Runs, "runs", live.DefaultRuns, "simulations of other seeds, for the intervals")
	f.BoolVar(&asJSON, "json", false, "print the result as JSON")
	f.StringVar(&o.server, "server", "", "`address` of a running server on this machine; without it one is started")
	o.bindAccess(f)
	return cmd
}

// every passes on what is said no more often than once in a while.
func every(pause time.Duration, say func(string)) func(string) {
	var last time.Time
	return func(what string) {
		if time.Since(last) >= pause {
			last = time.Now()
			say(what)
		}
	}
}

func writeLive(dir string, r *live.Result) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return errors.Join(
		writeFile(filepath.Join(dir, "live.json"), func(w *bufio.Writer) error { return r.WriteJSON(w) }),
		writeFile(filepath.Join(dir, "report.html"), func(w *bufio.Writer) error { return r.WriteHTML(w) }))
}

// simInstanceCommand is what a server of 'sim live' starts for scaled functions.
func simInstanceCommand() *cobra.Command {
	var backend string
	var startup time.Duration
	cmd := &cobra.Command{
		Use:    "live-instance",
		Short:  "Be an instance of a function of 'sim live'",
		Hidden: true,
		Args:   noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := untilSignal(cmd)
			defer stop()
			return live.ServeInstance(ctx, backend, startup)
		},
	}
	cmd.Flags().StringVar(&backend, "backend", "", "URL that calls are passed on to")
	cmd.Flags().DurationVar(&startup, "startup", 0, "time from the start until it is healthy")
	return cmd
}
