package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"simplane/server/client"
)

func clusterCommand(o *clientOptions) *cobra.Command {
	return group("cluster", "Look at a cluster of simplanes", clusterStatusCommand(o))
}

func clusterStatusCommand(o *clientOptions) *cobra.Command {
	var partitions bool
	cmd := &cobra.Command{
		Use: "status", Short: "Show the nodes and who owns what", Args: noArgs,
		Long: "Show the nodes of a cluster and how many partitions each owns, as the node that is\n" +
			"asked knows it. Where nodes tell different things, one of them has not heard the latest.",
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, _ []string) error {
			a, err := c.Cluster(ctx)
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if done, err := o.structured(w, a.Raw); done {
				return err
			}
			if partitions {
				t := newTable("PARTITION", "OWNER", "EPOCH", "HERE", "LAG")
				for _, p := range a.Value.Partitions {
					t.row(strconv.Itoa(p.Partition), firstOf(p.Owner, "-"), strconv.FormatUint(p.Epoch, 10), p.State, strconv.FormatInt(p.LagFacts, 10))
				}
				if err := t.print(w); err != nil {
					return err
				}
				return printClosed(w, a.Value.Partitions)
			}
			t := newTable("NODE", "STATE", "PARTITIONS", "LAST SEEN", "PEER", "VERSION")
			for _, m := range a.Value.Members {
				state := "alive"
				switch {
				case !m.Alive:
					state = "gone"
				case m.Leaving:
					state = "leaving"
				}
				seen := (time.Duration(m.AgeMillis) * time.Millisecond).Round(100 * time.Millisecond)
				t.row(m.Name, state, strconv.Itoa(m.Partitions), seen.String()+" ago", m.Peer, m.Version)
			}
			if err := t.print(w); err != nil {
				return err
			}
			serving := "serves"
			if !a.Value.Serving {
				serving = "does not serve: " + a.Value.Reason
			}
			if _, err = fmt.Fprintf(w, "\nNode %s %s. Of %d partitions %d have an owner; %d facts of this node are not stored yet.\n",
				oneLine(a.Value.Node), serving, a.Value.Total, a.Value.Owned, a.Value.LagFacts); err != nil {
				return err
			}
			return printClosed(w, a.Value.Partitions)
		}),
	}
	cmd.Flags().BoolVar(&partitions, "partitions", false, "list the partitions, each with its owner and epoch")
	return cmd
}

// printClosed says why the node that was asked keeps partitions closed.
func printClosed(w io.Writer, partitions []client.ClusterPartition) error {
	for _, p := range partitions {
		if p.Error == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "\nClosed: %s.\n", oneLine(p.Error)); err != nil {
			return err
		}
	}
	return nil
}
