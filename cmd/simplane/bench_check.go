package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"simplane/bench/guard"
	"simplane/bench/progress"
)

func benchCheckCommand() *cobra.Command {
	var o guard.Options
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Compare the Go benchmarks of the working tree with a base commit",
		Long: "Builds the base commit in a temporary directory, runs its benchmarks and the\n" +
			"working tree's in turns and fails when one got slower, or allocates more, by a\n" +
			"Mann-Whitney U test. Run it in a source checkout.",
		Example: "  simplane bench check --base main --rounds 10",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Validate(); err != nil {
				return usageErrorf("%w", err)
			}
			ctx, stop := untilSignal(cmd)
			defer stop()
			line := progress.On(os.Stderr)
			res, err := guard.Run(ctx, o, func(what string) { line.Printf("%s", what) })
			line.Clear()
			if errors.Is(err, guard.ErrUsage) {
				return usageErrorf("%w", err)
			}
			if err != nil {
				return err
			}
			if err := res.Text(cmd.OutOrStdout()); err != nil {
				return err
			}
			if n := res.Regressions(); n > 0 {
				return fmt.Errorf("%d of %d figures got worse than at %.12s", n, len(res.Rows), res.Base)
			}
			return nil
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&o.Repo, "repo", ".", "source checkout")
	fs.StringVar(&o.Base, "base", "HEAD", "revision to compare with")
	fs.StringVar(&o.Package, "package", "./bench/corebench", "package with the benchmarks")
	fs.StringVar(&o.Bench, "bench", ".", "regular expression of benchmark names")
	fs.StringVar(&o.BenchTime, "benchtime", "50ms", "as of go test")
	fs.IntVar(&o.Rounds, "rounds", 10, "runs of each side")
	fs.Float64Var(&o.Alpha, "alpha", 0.05, "chance of a false alarm over the whole check")
	fs.Float64Var(&o.Threshold, "threshold", 0.10, "growth of time or bytes, as a share, that is let pass")
	return cmd
}
