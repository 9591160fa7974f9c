// Command durable measures what a data directory costs, in rounds that take turns
// on one machine:
//
//	go run ./server/harness/durable --out results/durable.md
//
// Durable enqueues are held against a bare loop of as many Pebble appenders with
// sync on the same disk, against enqueues in memory, and, with --jetstream, against
// publishing to JetStream; the scheduler is off, so that an enqueue is one fact.
// Then it measures how long a start takes and, with --space, how large the
// directory is while executions come and go.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"simplane/server/harness/node"
	"simplane/server/harness/rounds"
)

type options struct {
	connections []int
	rounds      int
	round       time.Duration
	jetstream   string
	recover     []int
	space       int
	spaceTTL    time.Duration
	spaceReport string
	before      string
	out         string
}

func main() {
	var opt options
	connections := flag.String("connections", "1,16,256", "numbers of connections to enqueue with; empty for none")
	recoverAt := flag.String("recover", "100000,1000000", "numbers of facts to measure a start with; empty for none")
	flag.IntVar(&opt.rounds, "rounds", 3, "rounds of each")
	flag.DurationVar(&opt.round, "round", 2*time.Second, "length of a round")
	flag.StringVar(&opt.jetstream, "jetstream", "", "compare with this `program`, server/harness/jetstream built by make jetstream")
	flag.StringVar(&opt.before, "before", "", "compare with this simplane `binary` too, in the same rounds")
	flag.IntVar(&opt.space, "space", 0, "look at the directory while so many executions come and go; 0 = not")
	flag.DurationVar(&opt.spaceTTL, "space-ttl", 10*time.Second, "how long each is kept then")
	flag.StringVar(&opt.spaceReport, "space-report", "", "write curves of that to this `file`, an HTML page")
	flag.StringVar(&opt.out, "out", "", "write the tables to this `file` too")
	flag.Parse()
	var err error
	if opt.connections, err = rounds.Numbers(*connections); err != nil {
		err = fmt.Errorf("--connections: %w", err)
	} else if opt.recover, err = rounds.Numbers(*recoverAt); err != nil {
		err = fmt.Errorf("--recover: %w", err)
	}
	if err == nil && (flag.NArg() > 0 || opt.rounds < 1 || opt.round <= 0 || opt.space < 0 || opt.spaceTTL < time.Second) {
		err = fmt.Errorf("no arguments are taken; --rounds and --round must be above 0, --space not below, --space-ttl at least 1s")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "durable:", err)
		os.Exit(2)
	}
	if err := run(context.Background(), opt); err != nil {
		fmt.Fprintln(os.Stderr, "durable:", err)
		os.Exit(1)
	}
}

// measurement is one run: where it takes place, and where its tables go.
type measurement struct {
	options
	dir, binary string
	page        strings.Builder
}

func (m *measurement) say(format string, args ...any) {
	fmt.Printf(format, args...)
	fmt.Fprintf(&m.page, format, args...)
}

func run(ctx context.Context, opt options) error {
	dir, err := os.MkdirTemp(".", "durable-") // on this disk: /tmp may be memory
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	m := &measurement{options: opt, dir: dir}
	if m.binary, err = node.BuildPlain(ctx, dir); err != nil {
		return err
	}
	for _, part := range []func() error{m.enqueues, m.starts, m.comings} {
		if err := part(); err != nil {
			return err
		}
	}
	if opt.out == "" {
		return nil
	}
	return os.WriteFile(opt.out, []byte(m.page.String()), 0o644)
}

// enqueues compares durable enqueues with what they are held against.
func (m *measurement) enqueues() error {
	if len(m.connections) == 0 {
		return nil
	}
	m.say("| connections | bare Pebble/s | durable 202/s | ratio | memory 202/s | p50, p99 of a durable 202, ms | server CPU beyond memory, µs | JetStream/s | durable, times that | CPU beyond memory of the binary before, µs |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, connections := range m.connections {
		if err := m.enqueuesOf(connections); err != nil {
			return err
		}
	}
	return nil
}

func (m *measurement) enqueuesOf(connections int) error {
	var bare, ratio, durable, memory, extra, p50, p99, jet, times, before []float64
	for round := range m.rounds {
		at := filepath.Join(m.dir, fmt.Sprintf("%d-%d", connections, round))
		b, err := appenders(at+"-bare", connections, m.round)
		if err != nil {
			return err
		}
		d, err := enqueue(m.binary, at+"-data", connections, m.round)
		if err != nil {
			return err
		}
		r, err := enqueue(m.binary, "", connections, m.round)
		if err != nil {
			return err
		}
		bare, durable, memory = append(bare, b), append(durable, d.rate), append(memory, r.rate)
		ratio, extra = append(ratio, d.rate/b), append(extra, d.cpu-r.cpu)
		p50, p99 = append(p50, d.p50), append(p99, d.p99)
		if m.before != "" {
			d, err := enqueue(m.before, at+"-before", connections, m.round)
			if err != nil {
				return err
			}
			r, err := enqueue(m.before, "", connections, m.round)
			if err != nil {
				return err
			}
			before = append(before, d.cpu-r.cpu)
		}
		if m.jetstream != "" {
			j, err := jetStream(m.jetstream, at+"-jet", connections, m.round)
			if err != nil {
				return err
			}
			jet, times = append(jet, j.Rate), append(times, d.rate/j.Rate)
		}
	}
	m.say("| %d | %.0f | %.0f | %s | %.0f | %.2f, %.2f | %s | %s | %s | %s |\n", connections, rounds.Median(bare), rounds.Median(durable), rounds.Spread("%.2f", ratio),
		rounds.Median(memory), rounds.Median(p50), rounds.Median(p99), rounds.Spread("%.1f", extra), rounds.Spread("%.0f", jet), rounds.Spread("%.0f", times), rounds.Spread("%.1f", before))
	return nil
}

// starts measures how long a start takes.
func (m *measurement) starts() error {
	if len(m.recover) == 0 {
		return nil
	}
	m.say("\n| facts | start until ready, s | its CPU, s | directory before the kill, MB | the same with the binary before, s, CPU s |\n|---|---|---|---|---|\n")
	for _, facts := range m.recover {
		r, err := recovery(m.binary, m.before, filepath.Join(m.dir, fmt.Sprint("recover-", facts)), facts, m.rounds)
		if err != nil {
			return err
		}
		m.say("| %d | %s | %s | %.0f | %s, %s |\n", facts, rounds.Spread("%.2f", r.took), rounds.Spread("%.2f", r.cpu), float64(r.bytes)/1e6, rounds.Spread("%.2f", r.tookBefore), rounds.Spread("%.2f", r.cpuBefore))
	}
	return nil
}

// comings measures the space while executions come and go.
func (m *measurement) comings() error {
	if m.space == 0 {
		return nil
	}
	s, err := comeAndGo(m.binary, filepath.Join(m.dir, "space"), m.options.space, m.spaceTTL)
	if err != nil {
		return err
	}
	m.say("\n%s", s)
	if m.spaceReport == "" {
		return nil
	}
	return s.report(m.spaceReport)
}
