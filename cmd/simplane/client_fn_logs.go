package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"simplane/server/client"
)

func fnLogsCommand(o *clientOptions) *cobra.Command {
	var tail int
	var follow bool
	var since time.Duration
	cmd := &cobra.Command{
		Use: "logs NAME", Short: "Show the last lines that a DEPLOYMENT function's instances wrote", Args: exactArgs("NAME"),
		Long: "Show the last lines that a DEPLOYMENT function's instances wrote: each with its time,\n" +
			"instance and stream. With --follow it goes on with those to come, until it is\n" +
			"interrupted, the function is deleted, or the server cannot be reached 8 times in\n" +
			"succession; with -o json that is one JSON object a line.",
		Annotations:       jsonOnly,
		ValidArgsFunction: completeFunction(o),
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
			if tail < 1 || tail > client.MaxLogTail {
				return usageErrorf("--tail: must be 1 to %d, not %d", client.MaxLogTail, tail)
			}
			from := time.Time{}
			if cmd.Flags().Changed("since") {
				if since <= 0 {
					return usageErrorf("--since: must be a positive duration such as 5m, not %v", since)
				}
				from = time.Now().Add(-since)
				if !cmd.Flags().Changed("tail") {
					tail = client.MaxLogTail
				}
			}
			w := cmd.OutOrStdout()
			if follow {
				f := &client.LogFollower{
					Client: c, Name: args[0], Since: from, Tail: tail,
					Note: func(text string) { fmt.Fprintln(cmd.ErrOrStderr(), "simplane: "+text) },
					Lines: func(lines []string) error {
						if !o.json() {
							_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
							return err
						}
						for _, line := range lines {
							raw, err := json.Marshal(map[string]string{"function": args[0], "log": line})
							if err == nil {
								err = printLine(w, raw)
							}
							if err != nil {
								return err
							}
						}
						return nil
					},
				}
				return f.Follow(ctx)
			}
			text, err := c.Logs(ctx, args[0], tail, from)
			if err != nil {
				return err
			}
			if done, err := o.structuredValue(w, map[string]string{"function": args[0], "logs": string(text)}); done {
				return err
			}
			_, err = w.Write(text)
			return err
		}),
	}
	cmd.Flags().IntVar(&tail, "tail", 200, "number of `lines`; with --since all of them by default")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with the lines to come")
	cmd.Flags().DurationVar(&since, "since", 0, "only lines of the last `duration`, such as 5m, by this machine's clock")
	return cmd
}
