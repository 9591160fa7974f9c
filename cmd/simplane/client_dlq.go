package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"simplane/server/client"
)

func dlqCommand(o *clientOptions) *cobra.Command {
	return group("dlq", "Look at a function's dead letters and submit them again",
		dlqListCommand(o), dlqGetCommand(o), dlqRedriveCommand(o), dlqPurgeCommand(o))
}

func dlqListCommand(o *clientOptions) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "list NAME", Short: "List the executions that ran out of retries", Args: exactArgs("NAME"),
		Annotations:       namesToo,
		ValidArgsFunction: completeFunction(o),
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
			if limit < 1 {
				return usageErrorf("--limit: must be at least 1, not %d", limit)
			}
			a, err := c.DeadLetters(ctx, args[0], limit)
			if err != nil {
				return err
			}
			var ids []string
			for _, e := range a.Value.DeadLetters {
				ids = append(ids, e.ExecutionID)
			}
			if done, err := o.structured(cmd.OutOrStdout(), a.Raw, ids...); done {
				return err
			}
			t := newTable("ID", "STATUS", "ATTEMPT", "FINISHED", "INPUT", "ERROR").cut("ERROR")
			for _, e := range a.Value.DeadLetters {
				why := "-"
				if e.Error != nil {
					why = clipText(e.Error.Code+": "+e.Error.Message, 60)
				}
				t.row(e.ExecutionID, e.Status, strconv.Itoa(e.Attempt), o.when(e.FinishedAtMillis), byteSize(e.InputBytes), why)
			}
			if err := t.print(cmd.OutOrStdout()); err != nil {
				return err
			}
			if a.Value.Truncated {
				fmt.Fprintf(cmd.OutOrStdout(), "(there are older ones: --limit shows more)\n")
			}
			if n := a.Value.Dropped; n > 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "(%d older ones were dropped)\n", n)
			}
			return nil
		}),
	}
	cmd.Flags().IntVar(&limit, "limit", 100, "at most so many")
	return cmd
}

func dlqGetCommand(o *clientOptions) *cobra.Command {
	return &cobra.Command{
		Use: "get NAME ID", Short: "Show a dead letter with its input", Args: exactArgs("NAME", "ID"),
		ValidArgsFunction: completeDeadLetters(o),
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
			a, found, err := c.DeadLetter(ctx, args[0], args[1])
			switch {
			case err != nil:
				return err
			case found:
				if done, err := o.structured(cmd.OutOrStdout(), a.Raw); done {
					return err
				}
				return printExecution(cmd.OutOrStdout(), a.Value)
			}
			return fmt.Errorf("%s has no dead letter %s", args[0], args[1])
		}),
	}
}

func dlqPurgeCommand(o *clientOptions) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "purge NAME --yes", Short: "Drop all dead letters of a function", Args: exactArgs("NAME"),
		ValidArgsFunction: completeFunction(o),
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
			if !yes {
				return usageErrorf("this drops every dead letter of %s for good; confirm with --yes", args[0])
			}
			if err := c.Purge(ctx, args[0]); err != nil {
				return err
			}
			if done, err := o.structuredValue(cmd.OutOrStdout(), map[string]string{"purged": args[0]}); done {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "dead letters of %s dropped\n", args[0])
			return err
		}),
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "confirm")
	return cmd
}
