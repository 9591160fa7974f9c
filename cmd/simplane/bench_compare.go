package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"simplane/bench/baseline"
	"simplane/bench/compare"
	"simplane/bench/loadgen"
	"simplane/bench/progress"
)

type compareFlags struct {
	requestFlags
	a, b, aURL, bURL, backend string
	o                         compare.Options
	out                       string
}

func benchCompareCommand() *cobra.Command {
	var f compareFlags
	names := strings.Join(compare.SubjectNames(), ", ")
	cmd := &cobra.Command{
		Use:   "compare (--a NAME | --a-url URL) (--b NAME | --b-url URL)",
		Short: "Measure A against B, interleaved, as a ratio with a confidence interval",
		Long: "Measure A against B in one run. Rounds alternate between the two, and the\n" +
			"ratio's interval comes from the pairs, so a busy machine widens it instead of\n" +
			"favouring one side. Subjects that can be started here: " + names + ".",
		Example: "  simplane bench compare --a simplane-invoke --b fasthttp-echo\n" +
			"  simplane bench compare --a simplane-pool --b fasthttp-proxy --out out\n" +
			"  simplane bench compare --a-url http://127.0.0.1:9001/ --b-url http://127.0.0.1:9002/",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	fs := cmd.Flags()
	f.register(fs)
	fs.StringVar(&f.a, "a", "", "subject A to start: "+names)
	fs.StringVar(&f.b, "b", "", "subject B to start")
	fs.StringVar(&f.aURL, "a-url", "", "URL of a running A")
	fs.StringVar(&f.bURL, "b-url", "", "URL of a running B")
	fs.StringVar(&f.backend, "backend", "", "host:port that proxies forward to (default: an echo started here)")
	fs.IntVar(&f.o.Rounds, "rounds", 10, "measured pairs")
	fs.DurationVar(&f.o.Round, "round", 2*time.Second, "measured time of each side in a round")
	fs.DurationVar(&f.o.Warmup, "warmup", 300*time.Millisecond, "load before each measurement, not counted")
	fs.IntVar(&f.o.Connections, "connections", 64, "concurrent requests")
	fs.Float64Var(&f.o.Confidence, "confidence", 0.95, "of the intervals")
	fs.Float64Var(&f.o.OpenFraction, "open-fraction", 0.5, "then an open loop at this share of the slower side's throughput; 0 leaves it out")
	fs.StringVar(&f.out, "out", "", "directory for result.json and report.html")
	return cmd
}

func (f *compareFlags) run(cmd *cobra.Command) error {
	if (f.a == "") == (f.aURL == "") || (f.b == "") == (f.bURL == "") {
		return usageErrorf("name each side with one of --a or --a-url, and --b or --b-url")
	}
	for _, name := range []string{f.a, f.b} {
		if err := compare.CheckName(name); name != "" && err != nil {
			return usageErrorf("%w", err)
		}
	}
	d, err := f.defaults(cmd.Flags(), f.aURL == "" || f.bURL == "")
	if err != nil {
		return usageErrorf("%w", err)
	}
	f.o.Timeout, f.o.Seed = f.timeout, f.seed
	if err := f.o.Validate(); err != nil {
		return usageErrorf("%w", err)
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	l := &compare.Launcher{
		Executable: exe, Defaults: d, Backend: f.backend,
		BaselineArgs: func(kind, backend string) []string {
			return []string{"bench", "yardstick", "--kind", kind, "--backend", backend}
		},
	}
	ctx, stop := benchContext(cmd)
	defer stop()
	doc := newDocument(cmd, "compare")
	line := progress.On(os.Stderr)
	res, err := f.measure(ctx, l, line)
	line.Clear()
	if err != nil {
		return err
	}
	doc.Compare = res
	if res.Interrupted {
		doc.Misses = append(doc.Misses, "interrupted")
	}
	if res.ErrorShare > f.maxErrorRate {
		doc.Misses = append(doc.Misses, fmt.Sprintf("%.3g%% of one side's requests failed, allowed %.3g%%", 100*res.ErrorShare, 100*f.maxErrorRate))
	}
	return finish(cmd, doc, loadgen.Histograms{}, f.out)
}

func (f *compareFlags) measure(ctx context.Context, l *compare.Launcher, line *progress.Line) (*compare.Result, error) {
	start := func(name, url string) (*compare.Subject, error) {
		if url != "" {
			return l.FromURL(url), nil
		}
		line.Printf("starting %s", name)
		return l.Launch(ctx, name)
	}
	a, err := start(f.a, f.aURL)
	if err != nil {
		return nil, err
	}
	defer a.Stop()
	b, err := start(f.b, f.bURL)
	if err != nil {
		return nil, err
	}
	defer b.Stop()
	return compare.Run(ctx, a, b, f.o, func(what string) { line.Printf("%s", what) })
}

// benchYardstickCommand is what compare starts as a child.
func benchYardstickCommand() *cobra.Command {
	var kind, backend, addr string
	cmd := &cobra.Command{
		Use:    "yardstick",
		Short:  "Serve one of the yardstick servers of bench compare",
		Hidden: true,
		Args:   noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := benchContext(cmd)
			defer stop()
			err := baseline.ListenAndServe(ctx, kind, backend, addr, func(bound string) {
				fmt.Fprintf(cmd.OutOrStdout(), "%s listening on %s\n", kind, bound)
			})
			if errors.Is(err, baseline.ErrUsage) {
				return usageErrorf("%w", err)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&kind, "kind", baseline.FasthttpEcho, strings.Join(baseline.Kinds(), ", "))
	cmd.Flags().StringVar(&backend, "backend", "", "host:port a proxy forwards to")
	cmd.Flags().StringVar(&addr, "addr", "127.0.0.1:0", "address to listen on")
	return cmd
}
