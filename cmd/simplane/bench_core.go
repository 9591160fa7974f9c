package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"simplane/bench/corebench"
	"simplane/bench/loadgen"
	"simplane/bench/progress"
)

func benchCoreCommand() *cobra.Command {
	var o corebench.Options
	var cases, sizes []string
	var goroutines []int
	var out string
	cmd := &cobra.Command{
		Use:   "core",
		Short: "Measure the engine in process: components, whole cycle, scaling, expiry",
		Example: "  simplane bench core --out out\n" +
			"  simplane bench core --case lookup --sizes 1e3,1e5,1e7",
		Args: noArgs,
	}
	fs := cmd.Flags()
	fs.StringSliceVar(&cases, "case", nil, "cases to measure (default all)")
	fs.IntSliceVar(&goroutines, "goroutines", []int{1, 2, 4, 8}, "numbers of goroutines")
	fs.StringSliceVar(&sizes, "sizes", []string{"1e3", "1e5", "1e6"}, "executions stored, for look-ups and expiry; at most 2e7")
	fs.DurationVar(&o.Duration, "duration", 500*time.Millisecond, "of one timed stretch")
	fs.IntVar(&o.Rounds, "rounds", 3, "stretches of each kind")
	fs.BoolVar(&o.Expiry, "expiry", true, "measure expiry and memory for each size")
	fs.StringVar(&out, "out", "", "directory for result.json and report.html")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var err error
		if o.Cases, err = corebench.Select(cases); err != nil {
			return usageErrorf("%w", err)
		}
		for _, text := range sizes {
			v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil || v != float64(int(v)) {
				return usageErrorf("size %q is not a whole number such as 1000 or 1e6", text)
			}
			o.Sizes = append(o.Sizes, int(v))
		}
		o.Goroutines = goroutines
		if err := o.Validate(); err != nil {
			return usageErrorf("%w", err)
		}
		ctx, stop := untilSignal(cmd)
		defer stop()
		d := newDocument(cmd, "core")
		line := progress.On(os.Stderr)
		res, err := corebench.Run(ctx, o, func(what string) { line.Printf("%s", what) })
		line.Clear()
		if err != nil {
			return err
		}
		d.Core = res
		if res.Interrupted {
			d.Misses = append(d.Misses, "interrupted")
		}
		if n := res.Unexpected(); n > 0 {
			d.Misses = append(d.Misses, fmt.Sprintf("%d calls did not do what their case is about", n))
		}
		return finish(cmd, d, loadgen.Histograms{}, out)
	}
	return cmd
}
