package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"simplane/bench/arrival"
	"simplane/bench/loadgen"
	"simplane/bench/progress"
)

type httpFlags struct {
	requestFlags
	url, server, function, mode string
	targets                     []string
	functions                   int
	spread, pathsFile           string
	rate                        float64
	arrival                     string
	connections, backlog        int
	duration, warmup            time.Duration
	idempotency                 string
	insecure                    bool
	limits                      []string
	search                      bool
	searchStart, searchMax      float64
	searchPrecision             float64
	out                         string
}

func benchHTTPCommand() *cobra.Command {
	var f httpFlags
	cmd := &cobra.Command{
		Use:   "http (--url URL | --function NAME | --paths-file FILE | --target ...)",
		Short: "Load-test any HTTP server, open or closed loop",
		Long: "Load-test any HTTP server.\n\n" +
			"With --rate requests follow a schedule that does not wait for answers, and\n" +
			"latency counts from the intended send time: a stall shows in full. Without\n" +
			"--rate each connection sends its next request when the last one is back,\n" +
			"which measures the highest throughput.\n\n" +
			"A load of many functions: {n} in --url or --function stands for the numbers\n" +
			"below --functions, and --paths-file lists paths with their weights. What is\n" +
			"asked for, and in which order, follows from --seed.",
		Example: "  simplane bench http --url http://127.0.0.1:8080/x --rate 500 --limit p99=20ms\n" +
			"  simplane bench http --function echo --connections 64 --out out\n" +
			"  simplane bench http --target weight=9,name=echo,mode=invoke --target name=job,mode=enqueue --rate 2000 --arrival poisson\n" +
			"  simplane bench http --function f-{n} --functions 10000 --spread zipf\n" +
			"  simplane bench http --function echo --search --limit p99=5ms",
		Args: noArgs,
	}
	f.register(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return f.run(cmd) }
	return cmd
}

func (f *httpFlags) register(fs *pflag.FlagSet) {
	f.requestFlags.register(fs)
	fs.StringVar(&f.url, "url", "", "target URL")
	fs.StringVar(&f.server, "server", "http://127.0.0.1:8080", "simplane server for --function and --target name=")
	fs.StringVar(&f.function, "function", "", "target function of --server")
	fs.StringVar(&f.mode, "mode", "invoke", "how --function is called: invoke or enqueue")
	fs.StringArrayVar(&f.targets, "target", nil, "one part of a mix: key=value pairs with weight, name, mode, url, functions, spread, paths-file, method, body, body-file, expect-status (a|b), expect-body (repeatable)")
	fs.IntVar(&f.functions, "functions", 0, "numbers that {n} in --url or --function stands for, from 0 on; at most 100000")
	fs.StringVar(&f.spread, "spread", "uniform", "how often each of --functions is asked for: uniform, or zipf (the k-th 1/k times as often as the first)")
	fs.StringVar(&f.pathsFile, "paths-file", "", "file of paths of --server, or of whole URLs of one host, each with a space and its weight if that is not 1, one a line")
	fs.Float64Var(&f.rate, "rate", 0, "requests per second (open loop); 0 is a closed loop")
	fs.StringVar(&f.arrival, "arrival", "constant", "schedule of an open loop: constant or poisson")
	fs.IntVar(&f.connections, "connections", 64, "most requests in flight; in a closed loop the load itself")
	fs.IntVar(&f.backlog, "backlog", 0, "requests that may wait for a connection before they count as unsent (0: rate x timeout)")
	fs.DurationVar(&f.duration, "duration", 10*time.Second, "measured time; with --search of each step")
	fs.DurationVar(&f.warmup, "warmup", 2*time.Second, "load before the measured time, not counted")
	fs.StringVar(&f.idempotency, "idempotency", "none", "Idempotency-Key: none, fresh for each request, or a number of keys to draw from")
	fs.BoolVar(&f.insecure, "insecure", false, "accept any TLS certificate")
	fs.StringArrayVar(&f.limits, "limit", nil, "latency limit such as p99=5ms or max=1s; missing it fails the run (repeatable)")
	fs.BoolVar(&f.search, "search", false, "search for the highest rate that keeps the limits")
	fs.Float64Var(&f.searchStart, "search-start", 100, "first rate of a search")
	fs.Float64Var(&f.searchMax, "search-max", 0, "highest rate of a search (0: no bound)")
	fs.Float64Var(&f.searchPrecision, "search-precision", 0.05, "gap, as a share, at which a search stops")
	fs.StringVar(&f.out, "out", "", "directory for result.json, report.html and .hgrm files")
}

func (f *httpFlags) run(cmd *cobra.Command) error {
	o, limits, err := f.options(cmd.Flags())
	if err != nil {
		return usageErrorf("%w", err)
	}
	ctx, stop := benchContext(cmd)
	defer stop()
	line := progress.On(os.Stderr)
	show := func(p loadgen.Progress) {
		phase := ""
		if p.Warming {
			phase = " warming up"
		}
		line.Printf("%3.0f of %.0f s%s  %.0f/s  p50 %.2f ms  p99 %.2f ms  failed %d",
			p.Elapsed.Seconds(), p.Total.Seconds(), phase, p.Rate, p.P50Ms, p.P99Ms, p.Failed)
	}
	if f.search {
		return f.runSearch(ctx, cmd, o, limits, line, show)
	}
	d := newDocument(cmd, "http")
	res, h, err := loadgen.Run(ctx, o, show)
	line.Clear()
	if err != nil {
		return err
	}
	d.HTTP, d.Misses = res, loadgen.Misses(res, h, limits, f.maxErrorRate)
	if res.Interrupted {
		d.Misses = append(d.Misses, "interrupted")
	}
	return finish(cmd, d, h, f.out)
}

func (f *httpFlags) runSearch(ctx context.Context, cmd *cobra.Command, o loadgen.Options, limits []loadgen.Limit, line *progress.Line, show func(loadgen.Progress)) error {
	d := newDocument(cmd, "search")
	so := f.searchOptions(limits)
	var best loadgen.Histograms
	res, err := loadgen.Search(ctx, o, so, show, func(s loadgen.SearchStep, h loadgen.Histograms) {
		if s.Pass {
			best = h
		}
		line.Clear()
	})
	line.Clear()
	if err != nil {
		return err
	}
	d.Search = res
	switch {
	case res.Interrupted:
		d.Misses = append(d.Misses, "interrupted")
	case res.Rate == 0:
		d.Misses = append(d.Misses, res.String())
	}
	return finish(cmd, d, best, f.out)
}

func (f *httpFlags) searchOptions(limits []loadgen.Limit) loadgen.SearchOptions {
	return loadgen.SearchOptions{
		Limits: limits, MaxErrors: f.maxErrorRate, Start: f.searchStart, Max: f.searchMax, Precision: f.searchPrecision,
	}
}

// options turns the flags into a run.
func (f *httpFlags) options(fs *pflag.FlagSet) (o loadgen.Options, limits []loadgen.Limit, err error) {
	targets, err := f.mix(fs)
	if err != nil {
		return o, nil, err
	}
	keys, err := parseIdempotency(f.idempotency)
	if err != nil {
		return o, nil, err
	}
	for _, text := range f.limits {
		l, err := loadgen.ParseLimit(text)
		if err != nil {
			return o, nil, err
		}
		limits = append(limits, l)
	}
	o = loadgen.Options{
		Targets: targets, Connections: f.connections, Rate: f.rate, Arrival: arrival.Kind(f.arrival), Seed: f.seed,
		Warmup: f.warmup, Duration: f.duration, Timeout: f.timeout, Backlog: f.backlog,
		Idempotency: keys, Insecure: f.insecure, FullHistograms: !f.search,
	}
	probe := o
	if f.search {
		if fs.Changed("rate") {
			return o, nil, errors.New("--search chooses the rate itself: leave out --rate")
		}
		if err := f.searchOptions(limits).Validate(); err != nil {
			return o, nil, err
		}
		probe.Rate = 1
	} else if fs.Changed("rate") && f.rate <= 0 {
		return o, nil, errors.New("--rate wants more than 0 requests per second; leave it out for a closed loop")
	}
	return o, limits, probe.Validate()
}

// mix reads --url, --function, --paths-file or --target.
func (f *httpFlags) mix(fs *pflag.FlagSet) ([]loadgen.Target, error) {
	ways := 0
	for _, name := range []string{"url", "function", "paths-file", "target"} {
		if fs.Changed(name) {
			ways++
		}
	}
	if ways != 1 {
		return nil, errors.New("say what to load with one of --url, --function, --paths-file or --target")
	}
	numbered := fs.Changed("functions") || fs.Changed("spread")
	if numbered && f.url == "" && f.function == "" {
		return nil, errors.New("--functions and --spread are for --url and --function; in --target they are keys")
	}
	d, err := f.defaults(fs, f.url == "" && f.pathsFile == "")
	if err != nil {
		return nil, err
	}
	d.Server = f.server
	switch {
	case f.pathsFile != "":
		t, err := loadgen.PathsTarget(d, f.pathsFile)
		return []loadgen.Target{t}, err
	case f.url != "" || f.function != "":
		t := loadgen.URLTarget(d, f.url)
		if f.function != "" {
			t, err = loadgen.FunctionTarget(d, f.function, f.mode)
		}
		switch {
		case err == nil && numbered:
			t, err = t.Spread(f.functions, f.spread)
		case err == nil && strings.Contains(f.url+f.function, loadgen.Placeholder):
			err = fmt.Errorf("%s stands for many: say how many with --functions", loadgen.Placeholder)
		}
		return []loadgen.Target{t}, err
	}
	var out []loadgen.Target
	for _, text := range f.targets {
		t, err := loadgen.ParseTarget(text, d)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}
