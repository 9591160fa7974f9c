package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"simplane/bench/progress"
	"simplane/sim"
	"simplane/sim/swarm"
)

// runScenario replays one of the swarm's scenarios.
var runScenario = sim.Run

func simSwarmCommand() *cobra.Command {
	var (
		o      swarm.Options
		out    string
		shrink bool
	)
	cmd := &cobra.Command{
		Use:   "swarm",
		Short: "Try random scenarios and faults, and shrink one that breaks an invariant",
		Long: `Try random scenarios and faults, and shrink one that breaks an invariant.

A seed that fails is printed at once, and its scenario is written once it has been made
smaller. That takes a bounded number of simulated events, and ends at SIGINT or SIGTERM with what
has been found so far. Exit 0: no seed fails. 1: one does, or a signal came first. 2: usage.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case o.Seeds < 1:
				return usageErrorf("--seeds %d: use 1 or more", o.Seeds)
			case o.Duration < time.Second || o.Duration > 24*time.Hour:
				return usageErrorf("--duration %v: use 1s to 24h", o.Duration)
			}
			o.Whole, o.Run = !shrink, runScenario
			ctx, stop := untilSignal(cmd)
			defer stop()
			o.Stopped = func() bool { return ctx.Err() != nil }
			told := swarmOutput{w: cmd.OutOrStdout(), line: progress.On(os.Stderr), dir: out, seeds: o.Seeds, shrinks: shrink}
			o.Progress, o.Found, o.Shrinking, o.Failed = told.progress, told.found, told.shrinking, told.failed
			started := time.Now()
			sum, err := swarm.Run(o)
			told.line.Clear()
			if err != nil {
				return err
			}
			fmt.Fprintf(told.w, "%d seeds from %d, %d events in %v: %d failed\n",
				sum.Runs, o.Start, sum.Events, time.Since(started).Round(time.Millisecond), len(sum.Failures))
			switch {
			case told.err != nil:
				return told.err
			case sum.Runs < o.Seeds && ctx.Err() != nil:
				return fmt.Errorf("stopped by a signal after %d of %d seeds; go on with --start-seed %d", sum.Runs, o.Seeds, sum.Next)
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
	f.BoolVar(&shrink, "shrink", true, "make the scenario of a seed that fails smaller")
	return cmd
}

// swarmOutput prints what a swarm does while it goes on. It is told one thing at a time.
type swarmOutput struct {
	w       io.Writer
	line    *progress.Line
	dir     string // of scenario files
	seeds   int
	shrinks bool
	err     error // the first file that could not be written
}

func (s *swarmOutput) progress(done int, events int64) {
	s.line.Printf("%d of %d seeds, %d events", done, s.seeds, events)
}

// found prints a failure before anything is done about it, which may take minutes.
func (s *swarmOutput) found(seed uint64, v *sim.Violation) {
	s.line.Clear()
	then := ""
	if s.shrinks {
		then = "; making its scenario smaller"
	}
	fmt.Fprintf(s.w, "seed %d fails at %v: %s%s\n", seed, v.At, v.Headline(), then)
}

func (s *swarmOutput) shrinking(seed uint64, runs, lines int) {
	s.line.Printf("seed %d: making its scenario smaller, %d lines after %d runs", seed, lines, runs)
}

// failed writes a failure's scenario.
func (s *swarmOutput) failed(f *swarm.Failure) {
	path := filepath.Join(s.dir, fmt.Sprintf("swarm-%d.yaml", f.Seed))
	err := os.MkdirAll(s.dir, 0o755)
	if err == nil {
		err = os.WriteFile(path, f.File, 0o644)
	}
	s.line.Clear()
	fmt.Fprintf(s.w, "seed %d: %v\n", f.Seed, f.Violation)
	if err != nil {
		if s.err == nil {
			s.err = err
		}
	} else {
		fmt.Fprintf(s.w, "written: %s (run it with 'simplane sim run')%s\n", path, cutShort(f))
	}
	fmt.Fprintln(s.w, "the event log ends:")
	for _, l := range f.Violation.Tail {
		fmt.Fprintf(s.w, "  %s\n", l)
	}
}

// cutShort says why a scenario may not be as small as it can be.
func cutShort(f *swarm.Failure) string {
	switch f.Cut {
	case swarm.CutStopped:
		return fmt.Sprintf("; stopped after %d runs to make it smaller", f.Runs)
	case swarm.CutBudget:
		return fmt.Sprintf("; after %d runs to make it smaller, as many as it may take", f.Runs)
	}
	return ""
}
