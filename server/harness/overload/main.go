// Command overload offers a real simplane more than its function can do, and
// shows what comes of it: goodput, latency and what was refused for which
// reason; then how long it takes to recover from an outage while clients
// retry.
//
//	go run ./server/harness/overload
//
// It exits with 1 when less than --keep of the function's runs are of use to a
// caller, when goodput falls below half of that share of the capacity, or when
// it does not come back after the outage.
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
	opt := options{Progress: os.Stderr}
	flag.IntVar(&opt.Slots, "concurrency", 4, "the function's concurrency")
	flag.DurationVar(&opt.Service, "service", 40*time.Millisecond, "its service time")
	flag.DurationVar(&opt.Step, "step", 8*time.Second, "how long each load is offered")
	flag.DurationVar(&opt.Before, "before", 5*time.Second, "how long before the outage goodput is watched")
	flag.DurationVar(&opt.Outage, "outage", 8*time.Second, "how long the function is out")
	flag.DurationVar(&opt.After, "after", 20*time.Second, "how long the recovery is watched")
	flag.Float64Var(&opt.Keep, "keep", 0.8, "share of the function's runs that must be of use to a caller")
	out := flag.String("out", "", "also write the report as JSON to this `file`")
	flag.Parse()
	if flag.NArg() > 0 || opt.Slots < 1 || opt.Service <= 0 || opt.Step < time.Second || opt.Keep < 0 || opt.Keep > 1 {
		fmt.Fprintln(os.Stderr, "overload: no arguments are taken; --concurrency at least 1, --service above 0, --step at least 1s, --keep within 0 and 1")
		return 2
	}
	return node.Program("overload", *out, func(ctx context.Context) (*report, error) { return overload(ctx, opt) },
		func(r *report) bool { return len(r.Broken) == 0 })
}
