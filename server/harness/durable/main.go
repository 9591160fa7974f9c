// Command durable measures what a data directory costs, in rounds that take turns
// on one machine:
//
//	go run ./server/harness/durable --out results/durable.md
//
// Durable enqueues are held against a bare loop of as many Pebble appenders with
// sync on the same disk, and against enqueues in memory; the scheduler is off, so
// that an enqueue is one fact. Then it measures how long a start takes.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"simplane/server/harness/node"
)

type options struct {
	connections []int
	rounds      int
	round       time.Duration
	recover     []int
	out         string
}

func main() {
	opt := options{connections: []int{1, 16, 256}}
	recoverAt := flag.String("recover", "100000,1000000", "numbers of facts to measure a start with; empty for none")
	flag.IntVar(&opt.rounds, "rounds", 3, "rounds of each")
	flag.DurationVar(&opt.round, "round", 2*time.Second, "length of a round")
	flag.StringVar(&opt.out, "out", "", "write the tables to this `file` too")
	flag.Parse()
	for _, text := range strings.FieldsFunc(*recoverAt, func(r rune) bool { return r == ',' }) {
		n := 0
		if _, err := fmt.Sscan(text, &n); err != nil || n < 1 {
			fmt.Fprintf(os.Stderr, "durable: --recover: %q is no number of facts\n", text)
			os.Exit(2)
		}
		opt.recover = append(opt.recover, n)
	}
	if err := run(context.Background(), opt); err != nil {
		fmt.Fprintln(os.Stderr, "durable:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, opt options) error {
	dir, err := os.MkdirTemp(".", "durable-") // on this disk: /tmp may be memory
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary, err := node.BuildPlain(ctx, dir)
	if err != nil {
		return err
	}
	var page strings.Builder
	say := func(format string, args ...any) {
		fmt.Printf(format, args...)
		fmt.Fprintf(&page, format, args...)
	}
	say("| connections | bare Pebble/s | durable 202/s | ratio | memory 202/s | p50, p99 of a durable 202, ms | server CPU beyond memory, µs |\n|---|---|---|---|---|---|---|\n")
	for _, connections := range opt.connections {
		var bare, ratio, durable, memory, extra, p50, p99 []float64
		for round := range opt.rounds {
			at := filepath.Join(dir, fmt.Sprintf("%d-%d", connections, round))
			b, err := appenders(at+"-bare", connections, opt.round)
			if err != nil {
				return err
			}
			d, err := enqueue(binary, at+"-data", connections, opt.round)
			if err != nil {
				return err
			}
			m, err := enqueue(binary, "", connections, opt.round)
			if err != nil {
				return err
			}
			bare, durable, memory = append(bare, b), append(durable, d.rate), append(memory, m.rate)
			ratio, extra = append(ratio, d.rate/b), append(extra, d.cpu-m.cpu)
			p50, p99 = append(p50, d.p50), append(p99, d.p99)
		}
		say("| %d | %.0f | %.0f | %.2f (%.2f to %.2f) | %.0f | %.2f, %.2f | %.1f |\n", connections, median(bare), median(durable),
			median(ratio), slices.Min(ratio), slices.Max(ratio), median(memory), median(p50), median(p99), median(extra))
	}
	if len(opt.recover) > 0 {
		say("\n| facts | start until ready, s | its CPU, s | directory before the kill, MB |\n|---|---|---|---|\n")
	}
	for _, facts := range opt.recover {
		took, cpu, bytes, err := recovery(binary, filepath.Join(dir, fmt.Sprint("recover-", facts)), facts)
		if err != nil {
			return err
		}
		say("| %d | %.2f | %.2f | %.0f |\n", facts, took.Seconds(), cpu.Seconds(), float64(bytes)/1e6)
	}
	if opt.out == "" {
		return nil
	}
	return os.WriteFile(opt.out, []byte(page.String()), 0o644)
}

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}
