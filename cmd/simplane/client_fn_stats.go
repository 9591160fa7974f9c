package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"simplane/server/client"
)

func fnStatsCommand(o *clientOptions) *cobra.Command {
	return &cobra.Command{
		Use: "stats [NAME]", Short: "Show what functions have done and do now, in figures", Args: upToArgs("NAME"),
		Long: "Show the figures of one function, or of all: what was accepted and how it ended\n" +
			"since the function was registered or the server was started, and what waits and\n" +
			"runs now. `top` shows rates.",
		Annotations:       namesToo,
		ValidArgsFunction: completeFunction(o),
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
			raw, functions, err := figures(ctx, c, args)
			if err != nil {
				return err
			}
			names := slices.Sorted(maps.Keys(functions))
			if done, err := o.structured(cmd.OutOrStdout(), raw, names...); done {
				return err
			}
			t := newTable("FUNCTION", "ACCEPTED", "OK", "ERRORS", "TIMEOUTS", "RETRIES", "REFUSED", "QUEUED", "RUNNING", "DEAD").cut("FUNCTION")
			number := func(n int64) string { return strconv.FormatInt(n, 10) }
			for _, name := range names {
				f := functions[name]
				t.row(name, number(f.Enqueued), number(f.Success), number(f.Error), number(f.Timeout), number(f.Retries), number(f.Rejected),
					fmt.Sprintf("%d/%d", f.QueueDepth, f.QueueSize), fmt.Sprintf("%d/%d", f.InFlight, f.EffectiveConcurrency), number(f.DeadLetters))
			}
			return t.print(cmd.OutOrStdout())
		}),
	}
}

// figures are those of one function, or of all.
func figures(ctx context.Context, c *client.Client, args []string) ([]byte, map[string]client.FunctionStats, error) {
	if len(args) == 0 {
		a, err := c.Stats(ctx)
		return a.Raw, a.Value.Functions, err
	}
	a, err := c.FunctionStats(ctx, args[0])
	return a.Raw, map[string]client.FunctionStats{args[0]: a.Value}, err
}
