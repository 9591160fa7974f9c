package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"simplane/bench/loadgen"
	"simplane/bench/machine"
	"simplane/bench/report"
)

func benchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Load-test a server, compare two, or measure the engine",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(benchCoreCommand(), benchHTTPCommand(), benchCompareCommand(), benchGrowthCommand(), benchCheckCommand(), benchYardstickCommand())
	return cmd
}

// untilSignal ends on the first interrupt, so that a partial result can
// still be reported; a second one kills.
func untilSignal(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	parent := cmd.Context()
	if parent == nil {
		parent = context.Background()
	}
	ctx, stop := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// newDocument fills in what every report says about its origin.
func newDocument(cmd *cobra.Command, kind string) *report.Document {
	d := &report.Document{
		Schema: report.Schema, Kind: kind, Started: time.Now(), Version: version, Commit: buildCommit(),
		Machine: machine.Read(), Settings: make(map[string]string),
	}
	args := strings.Fields(cmd.CommandPath())
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" {
			return
		}
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			if f.Changed {
				args = append(args, "--"+f.Name+"="+v)
			}
		}
		d.Settings[f.Name] = report.SettingText(f.Name, values)
	})
	d.Command = report.Command(args)
	return d
}

// finish prints and writes the report and turns broken promises into exit
// code 1.
func finish(cmd *cobra.Command, d *report.Document, h loadgen.Histograms, out string) error {
	return finishAs(cmd, d, h, out, "text")
}

// finishAs is finish with the form in which the report is printed, one of
// report.Formats. Other forms than text have standard output for themselves.
func finishAs(cmd *cobra.Command, d *report.Document, h loadgen.Histograms, out, format string) error {
	d.Passed = len(d.Misses) == 0
	if err := d.Print(cmd.OutOrStdout(), format); err != nil {
		return err
	}
	if out != "" {
		if err := report.Write(out, d, h); err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
		if format == "text" {
			fmt.Fprintf(cmd.OutOrStdout(), "report: %s/report.html\n", strings.TrimRight(out, "/"))
		}
	}
	if !d.Passed {
		return fmt.Errorf("%s", strings.Join(d.Misses, "; "))
	}
	return nil
}
