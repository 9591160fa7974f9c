package growth

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"simplane/bench/baseline"
	"simplane/bench/compare"
	"simplane/bench/epollload"
	"simplane/bench/latency"
	"simplane/bench/loadgen"
)

const echoName = baseline.FasthttpEcho

// load is a closed loop that simplane and the echo get in turns.
type load struct {
	name        string // of the figures; "" in a row with one load
	target      loadgen.Target
	connections int // 0: the run's
	keys        int // as loadgen.Options.Idempotency
	limit       float64
	short       bool // rounds of a quarter, for a load that changes the size
}

// invocation is a call of a function of the node by its name, which may hold
// loadgen.Placeholder.
func (n *node) invocation(name, mode string, input []byte) (loadgen.Target, error) {
	return loadgen.FunctionTarget(loadgen.Defaults{Server: n.api, Body: input}, name, mode)
}

// measure compares a load with the echo under the same requests and adds the
// figures to the row, at the given size.
func (r *runner) measure(ctx context.Context, n *node, l load, size float64) error {
	o := r.o.compare(r.o.Connections)
	if l.connections > 0 {
		o.Connections = []int{l.connections}
	}
	if o.Idempotency = l.keys; l.short {
		o.Round, o.Warmup = o.Round/4, o.Warmup/4
	}
	var err error
	if r.echo.Target, err = elsewhere(l.target, r.echo.Target.URL); err != nil {
		return err
	}
	r.say("%s at %.0f", l.name, size)
	res, err := compare.Run(ctx, n.subject(l.target), r.echo, o, func(string) {})
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if res.ErrorShare > 0 {
		r.find("%s at %.0f: %.2g of the requests failed: %s", l.name, size, res.ErrorShare, strings.Join(res.Findings, "; "))
	}
	r.figures(res.Phases[0], l, size)
	return nil
}

// figures turns a phase into points.
func (r *runner) figures(p compare.Phase, l load, size float64) {
	prefix := ""
	if l.name != "" {
		prefix = l.name + ", "
	}
	for _, row := range p.Rows {
		f := Figure{Name: prefix + row.Name + " of the echo's", Higher: row.Higher}
		switch row.Figure {
		case "throughput":
			f.Limit, f.Slack = l.limit, 1.1
		case "cpu":
			f.Slack = 1.1
		case "p50", "max", "p99.9":
			continue
		}
		if row.Ratio == nil {
			r.find("%s%s at %.0f: %s", prefix, row.Name, size, row.Problem)
			continue
		}
		at := Point{Size: size, Value: row.Ratio.Ratio, Low: row.Ratio.Low, High: row.Ratio.High, Raw: row.A, RawEcho: row.B}
		if row.Figure != "cpu" { // which counts the server's time alone
			at.Doubt = p.Withheld
		}
		r.row.add(f, at)
	}
}

// elsewhere is the same load for another server, which answers anything.
func elsewhere(t loadgen.Target, server string) (loadgen.Target, error) {
	from, err := url.Parse(t.URL)
	if err != nil {
		return t, err
	}
	to, err := url.Parse(server)
	if err != nil {
		return t, err
	}
	t.ExpectBody, t.ExpectStatus = "", nil
	return t.At(from.Scheme+"://"+from.Host, to.Scheme+"://"+to.Host)
}

// errStill says that a load no longer adds to what is counted.
var errStill = errors.New("it stands still")

// fill loads the target until count is within a hundredth of want: for a moment
// at first, and then in stretches that the rate so far makes long enough. It returns the last count.
func (r *runner) fill(ctx context.Context, t loadgen.Target, keys int, want float64, count func() (float64, error)) (float64, error) {
	const shortest, longest = 20 * time.Millisecond, 5 * time.Second
	have, err := count()
	for rate := math.Inf(1); err == nil && have < 0.99*want; {
		r.say("filling, %.0f of %.0f", have, want)
		took := max(shortest, min(longest, time.Duration((want-have)/rate*1e9)))
		o := loadgen.Options{
			Targets: []loadgen.Target{t}, Connections: min(64, max(1, int(want-have))), Duration: took,
			Timeout: 30 * time.Second, Idempotency: keys, Seed: r.o.Seed + uint64(have),
		}
		res, err := epollload.Run(ctx, o, nil)
		if err != nil {
			return have, err
		}
		if ctx.Err() != nil {
			return have, ctx.Err()
		}
		if res.Failed > 0 {
			return have, fmt.Errorf("filling up to %.0f: %s: %s", want, res.Failures[0].Kind, res.Failures[0].Sample)
		}
		before := have
		if have, err = count(); err != nil {
			return have, err
		}
		if have <= before {
			return have, fmt.Errorf("filling up to %.0f: %w at %.0f", want, errStill, have)
		}
		rate = (have - before) / took.Seconds()
	}
	return have, err
}

// meanwhile asks the target at a steady rate, before and while do runs, and
// returns the latencies of both stretches.
func (r *runner) meanwhile(ctx context.Context, t loadgen.Target, do func() error) (quiet, busy *latency.Histogram, err error) {
	o := loadgen.Options{
		Targets: []loadgen.Target{t}, Connections: 8, Rate: 500, Arrival: "poisson", Seed: r.o.Seed,
		Duration: max(200*time.Millisecond, r.o.Round), Timeout: 30 * time.Second,
	}
	first, err := epollload.Run(ctx, o, nil)
	if err != nil {
		return nil, nil, err
	}
	while, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	o.Duration = 10 * time.Minute
	go func() {
		err := do()
		time.Sleep(50 * time.Millisecond) // for answers that it held up
		done <- err
		stop()
	}()
	second, err := epollload.Run(while, o, nil)
	if failed := <-done; failed != nil {
		return nil, nil, failed
	}
	if err != nil {
		return nil, nil, err
	}
	if bad := first.Failed + second.Failed; bad > 0 {
		r.find("%d look-ups failed while others were measured", bad)
	}
	return first.Latency, second.Latency, nil
}

// median of some values; NaN of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	return slices.Sorted(slices.Values(values))[len(values)/2]
}
