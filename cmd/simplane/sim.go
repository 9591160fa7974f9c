package main

import (
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"simplane/sim"
)

// simCommand groups the simulator's commands.
func simCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Replay scenarios through the core under a virtual clock",
		Args:  noArgs,
		PersistentPreRun: func(*cobra.Command, []string) {
			// Runs allocate steadily and hold little: fewer collections. With many fewer, what
			// is new to the process costs more than they do: 1000 takes 1.4 times as long.
			if os.Getenv("GOGC") == "" {
				debug.SetGCPercent(300)
			}
			// Up to here, so that a run with very many functions fits.
			if os.Getenv("GOMEMLIMIT") == "" {
				debug.SetMemoryLimit(3 << 30)
			}
			sim.LargePages()
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	cmd.AddCommand(simRunCommand(), simLiveCommand(), simInstanceCommand(), simVerifyCommand(), simSwarmCommand(), simImportCommand(), simReplayCommand(), simSweepCommand(), simCompareCommand())
	return cmd
}

// someArgs demands at least one positional argument.
func someArgs(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usageErrorf("no %s given (see '%s --help')", what, cmd.CommandPath())
		}
		return nil
	}
}
