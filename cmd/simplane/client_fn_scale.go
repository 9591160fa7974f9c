package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"simplane/server/client"
)

func fnScaleCommand(o *clientOptions) *cobra.Command {
	return &cobra.Command{
		Use: "scale NAME REPLICAS", Short: "Set how many instances a DEPLOYMENT function has", Args: exactArgs("NAME", "REPLICAS"),
		Long: "Set how many instances a DEPLOYMENT function has. Where simplane scales it by\n" +
			"load, that goes on from there.",
		ValidArgsFunction: completeFunction(o),
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
			n, err := strconv.Atoi(args[1])
			if err != nil || n < 0 {
				return usageErrorf("REPLICAS: must be a whole number from 0, not %q", args[1])
			}
			a, err := c.SetReplicas(ctx, args[0], n)
			if err != nil {
				return err
			}
			if done, err := o.structured(cmd.OutOrStdout(), a.Raw); done {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s scaled to %d\n", args[0], n)
			return err
		}),
	}
}
