package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"simplane/bench/arrival"
	"simplane/bench/loadgen"
	"simplane/bench/progress"
	"simplane/bench/report"
	"simplane/server/client"
)

type httpFlags struct {
	requestFlags
	url, server, function, mode string
	targets                     []string
	functions                   int
	spread, pathsFile, protocol string
	rate                        float64
	arrival                     string
	connections, backlog        int
	duration, warmup            time.Duration
	idempotency                 string
	insecure                    bool
	slos, limits                []string
	search                      bool
	searchStart, searchMax      float64
	searchPrecision             float64
	out, output                 string
	requests, data, stages      string

	stdin io.Reader // of --requests -
}

func benchHTTPCommand() *cobra.Command {
	var f httpFlags
	cmd := &cobra.Command{
		Use:   "http (URL | --function NAME | --requests FILE | --paths-file FILE | --target ...)",
		Short: "Load-test any HTTP server, open or closed loop",
		Long: "Load-test any HTTP server.\n\n" +
			"With --rate requests follow a schedule that does not wait for answers, and\n" +
			"latency counts from the intended send time: a stall shows in full. Without\n" +
			"--rate each connection sends its next request when the last one is back,\n" +
			"which measures the highest throughput.\n\n" +
			"A load of many functions: {n} in --url or --function stands for the numbers\n" +
			"below --functions, and --paths-file lists paths with their weights. What is\n" +
			"asked for, and in which order, follows from --seed.\n\n" +
			"--requests reads requests from a file or standard input, as JSON lines or in\n" +
			"vegeta's form. --data puts the rows of a CSV file into {{COLUMN}} of a URL, a\n" +
			"header or a body. --stages changes the rate: 10s:0..500,30s:500,5s:800.\n\n" +
			"Exit code 0: every --slo was kept. 1: one was missed, or too many requests\n" +
			"failed. 2: wrong usage; nothing was sent.",
		Example: "  simplane bench http http://127.0.0.1:8080/x --rate 500 --slo 'p99<200ms' --slo 'errors<1%'\n" +
			"  simplane bench http http://127.0.0.1:8080/x --stages 10s:0..500,30s:500,10s:..0 -o csv\n" +
			"  simplane bench http --requests requests.jsonl --rate 100\n" +
			"  simplane bench http --function greet --body '{\"name\": \"{{name}}\"}' --data people.csv\n" +
			"  simplane bench http --function echo --connections 64 --out out\n" +
			"  simplane bench http --target weight=9,name=echo,mode=invoke --target name=job,mode=enqueue --rate 2000 --arrival poisson\n" +
			"  simplane bench http --function f-{n} --functions 10000 --spread zipf\n" +
			"  simplane bench http --function echo --search --slo 'p99<5ms'",
	}
	f.register(cmd.Flags())
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) > 1:
			return usageErrorf("unexpected argument %q (see '%s --help')", args[1], cmd.CommandPath())
		case len(args) == 1 && cmd.Flags().Changed("url"):
			return usageErrorf("give %q or --url, not both", args[0])
		case len(args) == 1:
			return cmd.Flags().Set("url", args[0])
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		f.stdin = cmd.InOrStdin()
		return f.run(cmd)
	}
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(report.Formats(), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("arrival", cobra.FixedCompletions([]string{string(arrival.Constant), string(arrival.Poisson)}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("mode", cobra.FixedCompletions([]string{"invoke", "enqueue"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("protocol", cobra.FixedCompletions(loadgen.Protocols(), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("spread", cobra.FixedCompletions(loadgen.Spreads(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (f *httpFlags) register(fs *pflag.FlagSet) {
	f.requestFlags.register(fs)
	fs.StringVar(&f.url, "url", "", "target URL")
	fs.StringVar(&f.server, "server", "", "`address` of the simplane server for --function and --target name= (default $SIMPLANE_SERVER or 127.0.0.1:8080)")
	fs.StringVar(&f.function, "function", "", "target function of --server")
	fs.StringVar(&f.mode, "mode", "invoke", "how --function is called: invoke or enqueue")
	fs.StringArrayVar(&f.targets, "target", nil, "one part of a mix: key=value pairs with weight, name, mode, url, functions, spread, paths-file, method, body, body-file, expect-status (a|b), expect-body (repeatable)")
	fs.IntVar(&f.functions, "functions", 0, "numbers that {n} in --url or --function stands for, from 0 on; at most 100000")
	fs.StringVar(&f.spread, "spread", "uniform", "how often each of --functions is asked for: uniform, or zipf (the k-th 1/k times as often as the first)")
	fs.StringVar(&f.pathsFile, "paths-file", "", "file of paths of --server, or of whole URLs of one host, each with a space and its weight if that is not 1, one a line")
	fs.StringVar(&f.requests, "requests", "", "`file` of requests, or - for standard input: JSON lines, or vegeta's form")
	fs.StringVar(&f.data, "data", "", "CSV `file` whose rows fill {{COLUMN}} in URL, headers and body; each request draws a row")
	fs.StringVar(&f.stages, "stages", "", "open loop whose rate changes: `LENGTH:RATE` holds, LENGTH:FROM..TO ramps, commas between; no warm-up of its own")
	fs.Float64Var(&f.rate, "rate", 0, "requests per second (open loop); 0 is a closed loop")
	fs.StringVar(&f.arrival, "arrival", "constant", "schedule of an open loop: constant or poisson")
	fs.IntVar(&f.connections, "connections", 64, "most requests in flight; in a closed loop the load itself")
	fs.IntVar(&f.backlog, "backlog", 0, "requests that may wait for a connection before they count as unsent (0: rate x timeout)")
	fs.DurationVar(&f.duration, "duration", 10*time.Second, "measured time; with --search of each step")
	fs.DurationVar(&f.warmup, "warmup", 2*time.Second, "load before the measured time, not counted")
	fs.StringVar(&f.idempotency, "idempotency", "none", "Idempotency-Key: none, fresh for each request, or a number of keys to draw from")
	fs.StringVar(&f.protocol, "protocol", loadgen.HTTP1, "http1, http2 or grpc (unary; --body-file is the encoded message, the URL's path the method)")
	fs.BoolVar(&f.insecure, "insecure", false, "accept any TLS certificate")
	fs.StringArrayVar(&f.slos, "slo", nil, "`limit` that sets the exit code: p99<200ms, max<1s, mean<20ms, errors<1%, rate>=900 (repeatable)")
	fs.StringArrayVar(&f.limits, "limit", nil, "another name of --slo")
	fs.StringVarP(&f.output, "output", "o", "text", "form of what is printed: text, json, csv (the time series) or prometheus")
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
	ctx, stop := untilSignal(cmd)
	defer stop()
	line := progress.On(os.Stderr)
	show := liveLine(line)
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
	return finishAs(cmd, d, h, f.out, f.output)
}

// liveLine shows how a run goes: the last interval's figures, and charts of those
// before it.
func liveLine(line *progress.Line) func(loadgen.Progress) {
	const width = 16 // of a chart: with two of them the line has some 80 characters
	rates, tails := progress.Spark{Width: width}, progress.Spark{Width: width}
	failed := int64(0)
	return func(p loadgen.Progress) {
		if p.Warming {
			line.Printf("%3.0f of %.0f s  warming up", p.Elapsed.Seconds(), p.Total.Seconds())
			return
		}
		failed += p.Failed
		rates.Add(p.Rate)
		tails.Add(p.P99Ms)
		line.Printf("%.0f/%.0fs %7.0f/s %s p99 %.1f ms %s %d failed", p.Elapsed.Seconds(), p.Total.Seconds(), p.Rate, rates.String(), p.P99Ms, tails.String(), failed)
	}
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
	return finishAs(cmd, d, best, f.out, f.output)
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
	for _, text := range slices.Concat(f.slos, f.limits) {
		l, err := loadgen.ParseLimit(text)
		if err != nil {
			return o, nil, err
		}
		limits = append(limits, l)
		// A limit of errors is what the user wants to hear of them.
		if l.Figure == loadgen.FigureErrors && !fs.Changed("max-error-rate") {
			f.maxErrorRate = 1
		}
	}
	switch {
	case !slices.Contains(report.Formats(), f.output):
		return o, nil, fmt.Errorf("output %q is unknown: want %s", f.output, strings.Join(report.Formats(), ", "))
	case f.search && f.output != "text" && f.output != "json":
		return o, nil, fmt.Errorf("a search is printed as text or json, not %s", f.output)
	}
	var stages []arrival.Stage
	if fs.Changed("stages") {
		for _, other := range []string{"rate", "duration", "warmup", "search"} {
			if fs.Changed(other) {
				return o, nil, fmt.Errorf("--stages say the rate and how long: leave out --%s", other)
			}
		}
		if stages, err = arrival.ParseStages(f.stages); err != nil {
			return o, nil, err
		}
	}
	o = loadgen.Options{
		Targets: targets, Connections: f.connections, Rate: f.rate, Arrival: arrival.Kind(f.arrival), Seed: f.seed,
		Warmup: f.warmup, Duration: f.duration, Timeout: f.timeout, Backlog: f.backlog,
		Stages: stages, Idempotency: keys, Protocol: f.protocol, Insecure: f.insecure, FullHistograms: !f.search,
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
	for _, name := range []string{"url", "function", "requests", "paths-file", "target"} {
		if fs.Changed(name) {
			ways++
		}
	}
	if ways != 1 {
		return nil, errors.New("say what to load with one of --url (or a URL alone), --function, --requests, --paths-file or --target")
	}
	numbered := fs.Changed("functions") || fs.Changed("spread")
	if numbered && f.url == "" && f.function == "" {
		return nil, errors.New("--functions and --spread are for --url and --function; in --target they are keys")
	}
	d, err := f.defaults(fs, f.url == "" && f.pathsFile == "" && f.requests == "")
	if err != nil {
		return nil, err
	}
	server, err := client.New(firstOf(f.server, getenv("SIMPLANE_SERVER"), "127.0.0.1:8080"), "")
	if err != nil {
		return nil, err
	}
	d.Server, d.Template = server.Base(), f.data != ""
	if f.data != "" {
		rows, err := loadgen.ReadRows(f.data)
		if err != nil {
			return nil, err
		}
		targets, err := f.targetsOf(fs, d, numbered)
		for i := range targets {
			if err == nil {
				targets[i], err = targets[i].Fill(rows)
			}
		}
		return targets, err
	}
	return f.targetsOf(fs, d, numbered)
}

// targetsOf are the targets before data is filled in.
func (f *httpFlags) targetsOf(fs *pflag.FlagSet, d loadgen.Defaults, numbered bool) ([]loadgen.Target, error) {
	switch {
	case f.requests == "-":
		t, err := loadgen.RequestsTarget(d, "(standard input)", f.stdin, ".")
		return []loadgen.Target{t}, err
	case fs.Changed("requests"):
		file, err := os.Open(f.requests)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		t, err := loadgen.RequestsTarget(d, f.requests, file, filepath.Dir(f.requests))
		return []loadgen.Target{t}, err
	case f.pathsFile != "":
		t, err := loadgen.PathsTarget(d, f.pathsFile)
		return []loadgen.Target{t}, err
	case f.url != "" || f.function != "":
		var err error
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
