package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"simplane/server/harness/node"
)

type options struct {
	Slots                       int
	Service                     time.Duration
	Step, Before, Outage, After time.Duration
	Keep                        float64
	Only                        string    // the one setting to run; empty for all
	Progress                    io.Writer `json:"-"`
}

// setting is how the server sheds load, and how long the callers wait.
type setting struct {
	name     string
	patience time.Duration // the function's timeout too
	args     []string
	// control shows what the others are compared with; nothing is promised.
	control bool
}

// settings to compare. A full queue takes 100 / capacity to work off: shorter
// than the callers' patience at first, then twice as long, which is when
// a queue in strict order of arrival works for callers who have just left.
func settings(opt options) []setting {
	full := time.Duration(queueSize / opt.nominal() * float64(time.Second))
	short := full / 2
	limit := []string{"--rate-max-per-second", fmt.Sprint(int(rateLimit * opt.nominal()))}
	return []setting{
		{name: "patient callers", patience: 2 * full, args: limit},
		{name: "impatient callers", patience: short, args: append([]string{"--pass-over-late=false"}, limit...), control: true},
		{name: passOver, patience: short, args: append([]string{"--pass-over-late=true"}, limit...)},
		{name: "patient callers, sync admission at its defaults", patience: 2 * full, args: append([]string{"--sync-queue-enabled"}, limit...)},
		// Its defaults allow waits of 2 s, which these callers do not wait.
		{name: "impatient callers, sync admission at its defaults", patience: short, args: append([]string{"--sync-queue-enabled"}, limit...), control: true},
		{name: "impatient callers, sync admission within their patience", patience: short, args: append([]string{
			"--sync-queue-enabled", "--sync-queue-max-estimated-wait", (short / 2).String(), "--sync-queue-max-queue-wait", (short * 3 / 4).String(),
		}, limit...)},
	}
}

// passOver is the setting that the short test runs.
const passOver = "impatient callers, --pass-over-late"

const (
	queueSize = 100
	rateLimit = 7 // times the capacity
)

// nominal is the capacity by arithmetic.
func (o options) nominal() float64 { return float64(o.Slots) / o.Service.Seconds() }

// overload makes the table for each setting, then the storm.
func overload(ctx context.Context, opt options) (*report, error) {
	dir, err := os.MkdirTemp("", "simplane-overload-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	binary, err := node.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	r := &report{Options: opt}
	for _, set := range settings(opt) {
		if opt.Only != "" && opt.Only != set.name {
			continue
		}
		if err := r.measure(ctx, opt, set, binary); err != nil {
			return nil, err
		}
	}
	r.judge()
	return r, nil
}

// measure runs one setting on a server of its own.
func (r *report) measure(ctx context.Context, opt options, set setting, binary string) error {
	w := newWorkload(opt.Service)
	defer w.Close()
	n, err := node.Start(node.Options{Binary: binary, Args: append([]string{"--log-level", "warn"}, set.args...)})
	if err != nil {
		return err
	}
	defer n.Kill()
	spec := fmt.Sprintf(`{"name":"work","image":"none","executionMode":"POOL","endpointUrl":%q,"concurrency":%d,"queueSize":%d,"maxRetries":0,"timeoutMillis":%d}`,
		w.URL, opt.Slots, queueSize, set.patience.Milliseconds())
	a, err := node.Call(http.DefaultClient, "POST", n.API+"/v1/functions", strings.NewReader(spec))
	if err != nil || a.Status != http.StatusCreated {
		return fmt.Errorf("register: status %d, %w", a.Status, err)
	}

	during := func(d time.Duration, f func(context.Context)) {
		part, stop := context.WithTimeout(ctx, d)
		defer stop()
		f(part)
	}
	if r.Capacity == 0 { // one yardstick for all settings
		full := newDriver(n.API, set.patience)
		during(opt.Step, func(ctx context.Context) { full.saturate(ctx, 2*opt.Slots) })
		r.Capacity = float64(full.count()["success"]) / opt.Step.Seconds()
		say(opt, "capacity %.0f/s (by arithmetic %.0f/s)", r.Capacity, opt.nominal())
	}
	capacity := r.Capacity

	for _, times := range []float64{0.5, 1, 2, 5, 10} {
		d := newDriver(n.API, set.patience)
		began, before := time.Now(), w.started.Load()
		during(opt.Step, func(ctx context.Context) { d.open(ctx, times*capacity) })
		r.add(set, times, capacity, began, opt.Step, w.started.Load()-before, d)
		say(opt, "%s: %gx done", set.name, times)
	}
	say(opt, "%s: outage of %v under retries", set.name, opt.Outage)
	r.Storms = append(r.Storms, storm(ctx, opt, set, n.API, capacity, w))
	if err := ctx.Err(); err != nil {
		return err
	}
	return n.Stop()
}

func say(opt options, format string, args ...any) {
	if opt.Progress != nil {
		fmt.Fprintf(opt.Progress, format+"\n", args...)
	}
}
