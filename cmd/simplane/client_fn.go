package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"simplane/server/client"
	"simplane/server/client/specfile"
	"simplane/server/funcspec"
)

func fnCommand(o *clientOptions) *cobra.Command {
	return group("fn", "Create, change, look at and delete functions",
		fnInitCommand(), fnApplyCommand(o), fnListCommand(o), fnDescribeCommand(o), fnGetCommand(o), fnEditCommand(o), fnScaleCommand(o), fnRevisionsCommand(o),
		fnRollbackCommand(o), fnStatsCommand(o), fnExportCommand(o), fnRmCommand(o), fnLogsCommand(o))
}

func fnListCommand(o *clientOptions) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the functions", Args: noArgs,
		Annotations: namesToo,
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, _ []string) error {
			a, err := c.Functions(ctx)
			if err != nil {
				return err
			}
			var names []string
			for _, s := range a.Value {
				names = append(names, s.Name)
			}
			if done, err := o.structured(cmd.OutOrStdout(), a.Raw, names...); done {
				return err
			}
			columns := []string{"NAME", "MODE", "RUNTIME", "CONCURRENCY", "QUEUE", "RETRIES", "TIMEOUT"}
			if o.wide() {
				columns = append(columns, "GENERATION", "IMAGE", "ENDPOINT")
			}
			rolling := slices.ContainsFunc(a.Value, func(s funcspec.Spec) bool { return s.Rollout != nil })
			if rolling {
				columns = append(columns, "ROLLOUT")
			}
			t := newTable(columns...).cut("ROLLOUT", "IMAGE", "ENDPOINT", "NAME")
			for _, s := range a.Value {
				row := []string{s.Name, s.ExecutionMode, s.RuntimeMode, strconv.Itoa(s.Concurrency), strconv.Itoa(s.QueueSize),
					strconv.Itoa(s.MaxRetries), functionTimeout(s)}
				if o.wide() {
					row = append(row, strconv.FormatUint(s.Generation, 10), orDash(s.Image), orDash(s.EndpointURL))
				}
				if rolling {
					row = append(row, rolloutText(s.Rollout))
				}
				t.row(row...)
			}
			return t.print(cmd.OutOrStdout())
		}),
	}
}

func rolloutText(r *funcspec.Rollout) string {
	switch {
	case r == nil:
		return "-"
	case r.Message == "":
		return r.State
	}
	return r.State + ": " + clipText(oneLine(r.Message), 60)
}

func functionTimeout(s funcspec.Spec) string {
	return (time.Duration(s.TimeoutMillis) * time.Millisecond).String()
}

func fnGetCommand(o *clientOptions) *cobra.Command {
	return &cobra.Command{
		Use: "get NAME", Short: "Show a function's spec with its defaults filled in", Args: exactArgs("NAME"),
		ValidArgsFunction: completeFunction(o),
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
			a, err := c.Function(ctx, args[0])
			if err != nil {
				return err
			}
			if done, err := o.structured(cmd.OutOrStdout(), a.Raw); done {
				return err
			}
			return specfile.WriteYAML(cmd.OutOrStdout(), a.Raw)
		}),
	}
}

func fnRmCommand(o *clientOptions) *cobra.Command {
	return &cobra.Command{
		Use: "rm NAME...", Short: "Delete functions; their queued work ends in error", Args: atLeastArgs("NAME"),
		Annotations:       namesToo,
		ValidArgsFunction: completeFunctions(o),
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
			return forEach(ctx, args, "deleted", func(name string) error {
				if err := c.Delete(ctx, name); err != nil {
					return err
				}
				if done, err := o.structuredValue(cmd.OutOrStdout(), map[string]string{"deleted": name}, name); done {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s deleted\n", name)
				return err
			})
		}),
	}
}
