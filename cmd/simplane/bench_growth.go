package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"simplane/bench/growth"
	"simplane/bench/loadgen"
	"simplane/bench/progress"
)

func benchGrowthCommand() *cobra.Command {
	var o growth.Options
	var out string
	cmd := &cobra.Command{
		Use:   "growth",
		Short: "Measure how cost grows with functions, records, queues, keys, connections and payloads",
		Long: "Measure how cost grows with what the control plane holds. Each row starts a\n" +
			"server of its own and makes it grow in steps. Loads are measured in turns with a\n" +
			"bare echo that gets the same requests, and each size is put in relation to the\n" +
			"smallest one, so that a bend shows. The whole table takes some 20 minutes and\n" +
			"10 GB of memory; --scale 0.01 is a quick look.\n\n" +
			"Exit code 0: measured. 1: a row failed, or the run was interrupted. 2: wrong\n" +
			"command line. Limits that the report names are not part of it.",
		Example: "  simplane bench growth --out results/growth\n" +
			"  simplane bench growth --rows functions,queue --scale 0.1 --rounds 3",
		Args: noArgs,
	}
	fs := cmd.Flags()
	fs.StringSliceVar(&o.Rows, "rows", nil, "rows to measure (default all): "+strings.Join(growth.Names(), ", "))
	fs.Float64Var(&o.Scale, "scale", 1, "factor of all sizes, above 0, at most 1")
	fs.IntVar(&o.Rounds, "rounds", 5, "measured pairs of each load")
	fs.DurationVar(&o.Round, "round", time.Second, "measured time of each side in a round")
	fs.DurationVar(&o.Warmup, "warmup", 200*time.Millisecond, "load before each measurement, not counted")
	fs.IntVar(&o.Connections, "connections", 16, "connections of loads that are not about connections")
	fs.Uint64Var(&o.Seed, "seed", 1, "of what is asked for")
	fs.StringVar(&o.Launcher.Server, "binary", "", "simplane binary to measure (default: this one)")
	fs.StringVar(&out, "out", "", "directory for result.json and report.html")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := o.Validate(); err != nil {
			return usageErrorf("%w", err)
		}
		if o.Launcher.Server != "" {
			if _, err := exec.LookPath(o.Launcher.Server); err != nil {
				return usageErrorf("--binary: %w", err)
			}
		}
		var err error
		if o.Launcher.Executable, err = os.Executable(); err != nil {
			return err
		}
		o.Launcher.BaselineArgs = yardstickArgs
		ctx, stop := untilSignal(cmd)
		defer stop()
		d := newDocument(cmd, "growth")
		line := progress.On(os.Stderr)
		res, err := growth.Run(ctx, o, func(what string) { line.Printf("%s", what) })
		line.Clear()
		if err != nil {
			return err
		}
		d.Growth = res
		if res.Interrupted {
			d.Misses = append(d.Misses, "interrupted")
		}
		for _, failed := range res.Failed {
			d.Misses = append(d.Misses, fmt.Sprintf("row %s", failed))
		}
		return finish(cmd, d, loadgen.Histograms{}, out)
	}
	return cmd
}
