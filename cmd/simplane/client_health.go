package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"simplane/server/client"
)

// healthCommand is for health checks of containers, which may have no other program.
func healthCommand(o *clientOptions) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "health", Short: "Ask whether the server takes work", Args: noArgs,
		Long: "Ask whether the server takes work. The exit code is 0 if it does, and 1 if it does\n" +
			"not answer, is starting, or is shutting down. No token is needed, and the management\n" +
			"address answers too.",
		Example: "  simplane health --server 127.0.0.1:8081",
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, _ []string) error {
			if timeout <= 0 {
				return usageErrorf("--timeout: must be positive, not %s", timeout)
			}
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			a, err := c.Readiness(ctx)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), a.Value.Status)
			return err
		}),
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Second, "how long to wait for the answer")
	return cmd
}
