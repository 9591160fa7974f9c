package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"simplane/bench/baseline"
	"simplane/bench/compare"
	"simplane/bench/loadgen"
	"simplane/bench/progress"
)

type compareFlags struct {
	requestFlags
	a, b, aURL, bURL, backend string
	aBinary, bBinary          string
	o                         compare.Options
	expect                    []string
	expected                  []compare.Expectation
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
			"favouring one side. For each number of connections there is a closed loop, which\n" +
			"saturates the server, and an open loop at a rate that both sides can keep. A\n" +
			"phase that was saturated elsewhere than in the servers gets no verdict. The load\n" +
			"client needs Linux and speaks plain http/1.1 to servers that send Content-Length.\n" +
			"Subjects that can be started here: " + names + ".\n\n" +
			"Exit code 0: measured, all expectations met. 1: an expectation missed or not to\n" +
			"be judged, failed requests, interrupted. 2: wrong command line.",
		Example: "  simplane bench compare --a simplane-invoke --b fasthttp-echo --connections 2,16,64,256\n" +
			"  simplane bench compare --a simplane-pool --b fasthttp-proxy --out out\n" +
			"  simplane bench compare --a simplane-invoke --b simplane-invoke --b-binary bin/simplane-before\n" +
			"  simplane bench compare --a simplane-invoke --b fasthttp-echo --expect 'throughput>=0.92' --expect 'p99<=1.2'\n" +
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
	fs.StringVar(&f.aBinary, "a-binary", "", "simplane binary that runs A, for a before and after (default: this one)")
	fs.StringVar(&f.bBinary, "b-binary", "", "simplane binary that runs B")
	fs.StringVar(&f.backend, "backend", "", "host:port that proxies forward to (default: an echo started here)")
	fs.IntVar(&f.o.Rounds, "rounds", 10, "measured pairs")
	fs.DurationVar(&f.o.Round, "round", 2*time.Second, "measured time of each side in a round")
	fs.DurationVar(&f.o.Warmup, "warmup", 300*time.Millisecond, "load before each measurement, not counted")
	fs.IntSliceVar(&f.o.Connections, "connections", []int{64}, "numbers of connections, such as 2,16,64,256; each is measured on its own")
	fs.Float64Var(&f.o.Confidence, "confidence", 0.95, "of the intervals")
	fs.Float64Var(&f.o.OpenFraction, "open-fraction", 0.5, "then an open loop at this share of the slower side's throughput; 0 leaves it out")
	fs.StringArrayVar(&f.expect, "expect", nil, "bound of a ratio A/B in the closed loop, such as 'throughput>=0.92' or 'p99@16,64<=1.2'; figures are "+strings.Join(compare.Figures(), ", ")+" (repeatable)")
	fs.StringVar(&f.out, "out", "", "directory for result.json and report.html")
	return cmd
}

func (f *compareFlags) run(cmd *cobra.Command) error {
	d, err := f.check(cmd.Flags())
	if err != nil {
		return usageErrorf("%w", err)
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	l := compare.Launcher{
		Executable: exe, Defaults: d, Backend: f.backend,
		BaselineArgs: yardstickArgs,
	}
	ctx, stop := untilSignal(cmd)
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
	doc.Misses = append(doc.Misses, res.Misses(f.expected)...)
	return finish(cmd, doc, loadgen.Histograms{}, f.out)
}

// check reports what is wrong with the command line, before anything starts.
func (f *compareFlags) check(fs *pflag.FlagSet) (loadgen.Defaults, error) {
	d, err := f.defaults(fs, f.aURL == "" || f.bURL == "")
	if err != nil {
		return d, err
	}
	f.o.Timeout, f.o.Seed = f.timeout, f.seed
	if (f.a == "") == (f.aURL == "") || (f.b == "") == (f.bURL == "") {
		return d, errors.New("name each side with one of --a or --a-url, and --b or --b-url")
	}
	if err := f.o.Validate(); err != nil {
		return d, err
	}
	for _, side := range []struct{ flag, name, url, binary string }{{"a", f.a, f.aURL, f.aBinary}, {"b", f.b, f.bURL, f.bBinary}} {
		if side.url != "" {
			if err := f.o.Check(loadgen.URLTarget(d, side.url)); err != nil {
				return d, err
			}
		} else if err := compare.CheckName(side.name); err != nil {
			return d, err
		}
		if side.binary == "" {
			continue
		}
		if !compare.RunsSimplane(side.name) {
			return d, fmt.Errorf("--%s-binary needs a subject that runs simplane", side.flag)
		}
		if _, err := exec.LookPath(side.binary); err != nil {
			return d, fmt.Errorf("--%s-binary: %w", side.flag, err)
		}
	}
	for _, text := range f.expect {
		e, err := compare.ParseExpectation(text)
		if err == nil {
			err = e.Validate(f.o)
		}
		if err != nil {
			return d, err
		}
		f.expected = append(f.expected, e)
	}
	return d, nil
}

func (f *compareFlags) measure(ctx context.Context, l compare.Launcher, line *progress.Line) (*compare.Result, error) {
	start := func(name, url, binary string) (*compare.Subject, error) {
		if url != "" {
			return l.FromURL(url), nil
		}
		line.Printf("starting %s", name)
		l.Server = binary
		return l.Launch(ctx, name)
	}
	a, err := start(f.a, f.aURL, f.aBinary)
	if err != nil {
		return nil, err
	}
	defer a.Stop()
	b, err := start(f.b, f.bURL, f.bBinary)
	if err != nil {
		return nil, err
	}
	defer b.Stop()
	return compare.Run(ctx, a, b, f.o, func(what string) { line.Printf("%s", what) })
}

// yardstickArgs is the command line of a yardstick.
func yardstickArgs(kind, backend string) []string {
	return []string{"bench", "yardstick", "--kind", kind, "--backend", backend}
}

// benchYardstickCommand is what compare starts as a child.
func benchYardstickCommand() *cobra.Command {
	var kind, backend, addr string
	cmd := &cobra.Command{
		Use:   "yardstick",
		Short: "Serve one of the plain servers that bench compare measures against",
		Long: "Serve one of the plain servers that `bench compare` and `bench growth` measure\n" +
			"simplane against, until it is interrupted: it prints the address and answers.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := untilSignal(cmd)
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
