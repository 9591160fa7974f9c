package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"simplane/bench/progress"
	"simplane/sim/swarm"
)

func simSwarmCommand() *cobra.Command {
	var (
		o   swarm.Options
		out string
	)
	cmd := &cobra.Command{
		Use:   "swarm",
		Short: "Try random scenarios and faults, and shrink one that breaks an invariant",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case o.Seeds < 1:
				return usageErrorf("--seeds %d: use 1 or more", o.Seeds)
			case o.Duration < time.Second || o.Duration > 24*time.Hour:
				return usageErrorf("--duration %v: use 1s to 24h", o.Duration)
			}
			line := progress.On(os.Stderr)
			var mu sync.Mutex
			o.Progress = func(done int, events int64) {
				mu.Lock()
				defer mu.Unlock()
				line.Printf("%d of %d seeds, %d events", done, o.Seeds, events)
			}
			ctx, stop := untilSignal(cmd)
			defer stop()
			o.Stopped = func() bool { return ctx.Err() != nil }
			started := time.Now()
			sum, err := swarm.Run(o)
			line.Clear()
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			for _, f := range sum.Failures {
				path := filepath.Join(out, fmt.Sprintf("swarm-%d.yaml", f.Seed))
				if err := os.MkdirAll(out, 0o755); err != nil {
					return err
				}
				if err := os.WriteFile(path, f.File, 0o644); err != nil {
					return err
				}
				fmt.Fprintf(w, "seed %d: %v\nwritten: %s (run it with 'simplane sim run')\nthe event log ends:\n", f.Seed, f.Violation, path)
				for _, l := range f.Violation.Tail {
					fmt.Fprintf(w, "  %s\n", l)
				}
			}
			fmt.Fprintf(w, "%d seeds from %d, %d events in %v: %d failed\n",
				sum.Runs, o.Start, sum.Events, time.Since(started).Round(time.Millisecond), len(sum.Failures))
			switch {
			case sum.Runs < o.Seeds && ctx.Err() != nil:
				return fmt.Errorf("stopped by a signal after %d of %d seeds; go on with --start-seed %d", sum.Runs, o.Seeds, o.Start+uint64(sum.Runs))
			case len(sum.Failures) > 0:
				return silentExit(1)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.Seeds, "seeds", 100, "how many seeds")
	f.Uint64Var(&o.Start, "start-seed", 1, "the first seed")
	f.DurationVar(&o.Duration, "duration", time.Minute, "virtual time of each")
	f.BoolVar(&o.Nodes, "nodes", false, "scenarios with several control planes, their network and their engine")
	f.StringVar(&out, "out", ".", "directory for minimized scenario files")
	return cmd
}
