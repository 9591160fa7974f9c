// Command killtest kills a simplane with a data directory under mixed load at
// random moments, starts it again, and holds what comes back against every
// answer that the one before gave:
//
//	go run ./server/harness/killtest --lives 200
//
// It exits with 1 when something acknowledged was lost, run too often, or came
// back different.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(run()) }

func run() int {
	opt := options{Progress: os.Stderr}
	flag.IntVar(&opt.Lives, "lives", 200, "how many times to kill it")
	flag.IntVar(&opt.Answers, "answers", 400, "answers after which a life ends at the latest; the number is drawn")
	flag.IntVar(&opt.Workers, "workers", 16, "requests at once")
	flag.Uint64Var(&opt.Seed, "seed", 1, "seed of the load and of the moments")
	flag.StringVar(&opt.Fsync, "fsync", "always", "of serve")
	flag.Parse()
	if flag.NArg() > 0 || opt.Lives < 1 || opt.Answers < 2 || opt.Workers < 1 {
		fmt.Fprintln(os.Stderr, "killtest: no arguments are taken; --lives and --workers must be at least 1, --answers at least 2")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, err := killtest(ctx, opt)
	if err != nil {
		fmt.Fprintln(os.Stderr, "killtest:", err)
		return 1
	}
	fmt.Print(r)
	if len(r.Wrong) > 0 {
		return 1
	}
	return 0
}
