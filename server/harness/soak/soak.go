package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"simplane/server/harness/node"
)

//go:embed worker.py
var worker []byte

// options say how long and how hard.
type options struct {
	Duration time.Duration `json:"-"`
	Share    float64       `json:"share"`   // of the measured capacity
	MaxRate  float64       `json:"maxRate"` // jobs a second, whatever the capacity; 0 = no such bound
	Pace     float64       `json:"pace"`    // 1 = the usual frequency of trouble
	Seed     uint64        `json:"seed"`
	// TTL of ended executions: short, so that the stores are turned over many
	// times, but longer than any execution is followed.
	TTL      time.Duration `json:"-"`
	Progress io.Writer     `json:"-"`
}

// soak runs the whole thing. The error says that it could not be run; what it
// found is in the report.
func soak(ctx context.Context, opt options) (*report, error) {
	dir, err := os.MkdirTemp("", "simplane-soak-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	script, config := filepath.Join(dir, "worker.py"), filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(script, worker, 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(config, []byte("rateMaxPerSecond: 0\n"), 0o600); err != nil {
		return nil, err
	}
	say(opt, "building")
	binary, err := node.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	// Collections at the runtime's own pace: while memory is to spare simplane
	// puts them off, and resident memory then follows the largest of many peaks
	// for minutes, in which a leak would hide.
	n, err := node.Start(node.Options{Binary: binary, Env: []string{"GOGC=100"}, Args: []string{
		"--config", config, "--internal-token", internalToken, "--log-level", "warn",
		"--ttl", opt.TTL.String(), "--cleanup-ttl", (opt.TTL / 2).String(), "--stale-ttl", "60s", "--idempotency-ttl", (opt.TTL / 4 * 3).String(),
		"--record", filepath.Join(dir, "record"),
	}})
	if err != nil {
		return nil, err
	}
	defer n.Kill()

	b := newBackend()
	defer b.Close()
	b.internal = n.API
	c, l := newClient(n.API, n.Mgmt), newLedger()
	fns := functions(b.URL, script)
	for _, f := range fns {
		if err := c.register(f); err != nil {
			return nil, err
		}
	}
	if !ready(ctx, c, fns, script) {
		return nil, fmt.Errorf("the functions did not get ready; log of simplane:\n%s", n.Log())
	}
	before, err := c.reading(time.Now())
	if err != nil {
		return nil, err
	}

	t := newTracker(c, l)
	g := &load{c: c, l: l, fns: fns, follow: t.follow}
	r := &report{Options: opt, Duration: opt.Duration.String()}
	began := time.Now()
	v := &vitals{c: c, l: l, began: began}
	x := &chaos{n: n, c: c, l: l, script: script, config: config, pace: opt.Pace, crash: g.crash}
	for _, f := range fns {
		switch f.name {
		case "churn":
			x.churn = f
		case "pool":
			x.redriven = func(id string, j job) { l.accept(f, j, id, false); t.follow(id) }
		}
	}

	say(opt, "measuring what this machine gives")
	if r.Capacity, r.Steps, err = g.capacity(ctx, opt.Duration/100+time.Second, opt.Seed); err != nil {
		return nil, err
	}
	r.Rate = r.Capacity * opt.Share
	if opt.MaxRate > 0 {
		r.Rate = min(r.Rate, opt.MaxRate)
	}
	x.rate = r.Rate
	say(opt, "capacity %.0f jobs/s; %.0f jobs/s for %v", r.Capacity, r.Rate, opt.Duration)
	calibrated := g.sent.Load()
	loaded := time.Now()

	running, stop := context.WithTimeout(ctx, opt.Duration)
	defer stop()
	background := make(chan struct{})
	go func() {
		defer close(background)
		x.run(running, opt.Seed)
	}()
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		v.watch(running, max(opt.Duration/300, 250*time.Millisecond))
	}()
	go progress(running, opt, g, l)
	g.open(running, r.Rate, 512, opt.Seed)
	r.achieved(g.sent.Load()-calibrated, time.Since(loaded))
	<-background
	<-watching
	say(opt, "settling")
	g.wg.Wait()
	t.wg.Wait()
	reconcile(c, l, fns)
	// The first half is warm-up: the stores fill, and resident memory climbs to
	// where the largest peaks of the heap leave it. A leak goes on after that.
	r.Trends = v.trends(opt.Duration / 2)
	if opt.Duration >= steady {
		for _, trend := range r.Trends {
			if !trend.flat() {
				l.violate("not flat: %s", trend)
			}
		}
	}
	if _, err := c.must("DELETE", c.mgmt+"/v1/functions/pool/dead-letters", nil, 204); err != nil {
		l.violate("%v", err)
	}
	b.CloseClientConnections() // else kept alive for a while
	r.Before, r.After = before, forgotten(c, l, before, opt.Duration >= steady)
	farewell(n, l, script)
	say(opt, "replaying")
	if r.Replayed, err = node.Replay(ctx, binary, filepath.Join(dir, "record")); err != nil {
		l.violate("%v", err)
	}
	r.fill(g, t, l, v, x, time.Since(began))
	r.Log = n.Log()
	return r, nil
}

// steady is the shortest soak whose trends mean anything: the stores have
// filled and turned over.
const steady = 3 * time.Minute

func say(opt options, format string, args ...any) {
	if opt.Progress != nil {
		fmt.Fprintf(opt.Progress, format+"\n", args...)
	}
}

func progress(ctx context.Context, opt options, g *load, l *ledger) {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	began := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l.mu.Lock()
			broken := l.broken
			l.mu.Unlock()
			say(opt, "%4.0f s of %.0f: %d jobs sent, %d violations", time.Since(began).Seconds(), opt.Duration.Seconds(), g.sent.Load(), broken)
		}
	}
}

func mustJSON(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps and structs of plain values
	}
	return raw
}
