// Command soak runs simplane for minutes under mixed load with injected
// faults, and checks the outcome of every accepted request:
//
//	go run ./server/harness/soak --duration 10m
//
// It exits with 1 when a check failed.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"simplane/server/harness/node"
)

func main() { os.Exit(run()) }

func run() int {
	opt := options{Progress: os.Stderr, Pace: 1, TTL: 25 * time.Second}
	flag.DurationVar(&opt.Duration, "duration", 10*time.Minute, "how long to send load")
	flag.Float64Var(&opt.Share, "share", 0.7, "share of the measured capacity to send")
	flag.Float64Var(&opt.MaxRate, "max-rate", 0, "most jobs a second, whatever the capacity; 0 = only --share counts")
	flag.Uint64Var(&opt.Seed, "seed", 1, "seed of the load and the trouble")
	out := flag.String("out", "", "also write the report as JSON to this `file`")
	flag.Parse()
	if flag.NArg() > 0 || opt.Duration <= 0 || opt.Share <= 0 || opt.Share > 1 || opt.MaxRate < 0 {
		fmt.Fprintln(os.Stderr, "soak: no arguments are taken; --duration must be above 0, --share above 0 and at most 1, --max-rate at least 0")
		return 2
	}
	return node.Program("soak", *out, func(ctx context.Context) (*report, error) { return soak(ctx, opt) }, func(r *report) bool {
		if !r.ok() {
			fmt.Fprintf(os.Stderr, "end of simplane's log:\n%s", r.Log[max(len(r.Log)-4000, 0):])
		}
		return r.ok()
	})
}
