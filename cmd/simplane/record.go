package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"

	"github.com/spf13/cobra"

	"simplane/server/client"
)

func recordCommand() *cobra.Command {
	cmd := group("record", "Get recordings of what a server decided, and look into them", recordDumpCommand(), recordInfoCommand())
	cmd.Long = "A recording has every decision about executions, with times and lengths, and no\n" +
		"content. The flight recorder of a server keeps the latest ones in memory\n" +
		"(serve --flight-recorder-bytes); serve --record DIR writes all into files."
	return cmd
}

func recordDumpCommand() *cobra.Command {
	o := &clientOptions{outputOptions: outputOptions{output: formatTable}}
	file := ""
	cmd := &cobra.Command{
		Use: "dump", Short: "Save what the flight recorder of a running server holds", Args: noArgs,
		Long: "Save what the flight recorder of a running server holds, in a new file that this\n" +
			"user alone can read. It needs an internal token, if the server has any.",
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, _ []string) error {
			dump, name, err := c.DumpFlightRecorder(ctx)
			if err != nil {
				return err
			}
			if file == "-" {
				_, err := cmd.OutOrStdout().Write(dump)
				return err
			}
			to := file
			if to == "" {
				if to = name; !plainFileName.MatchString(to) {
					return errors.New("the server has no name for the file; give one with -o")
				}
			}
			if err := writeNew(to, dump); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", to, byteSize(int64(len(dump))))
			return err
		}),
	}
	cmd.Flags().StringVar(&o.server, "server", "", serverUsage)
	o.bindAccess(cmd.Flags())
	cmd.Flags().StringVarP(&file, "output", "o", "", "new `file`, or - for standard output (default: a name with the time, here)")
	return cmd
}

// plainFileName is what a server may name a file.
var plainFileName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,200}$`)

// writeNew writes a file that did not exist, for this user alone.
func writeNew(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return usageErrorf("%s exists already; give another name with -o", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}
