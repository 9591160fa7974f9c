// Command loadtesters holds load testers against a server whose latencies are known,
// and writes what each of them reports: figures.md and results.json.
//
//	make results-loadtesters
//
// The server answers at once, except that it stands still for 200 ms in every 2 s. A
// request that is due while it stands still waits for the rest of that time, so that
// the latencies of users who come at a steady rate are known exactly. The testers run
// in turns, round by round, on the same machine.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"simplane/bench/baseline"
	"simplane/bench/child"
)

type options struct {
	simplane, vegeta string
	rate             int
	connections      int
	duration         time.Duration
	rounds           int
	out              string
}

func main() {
	var o options
	flag.StringVar(&o.simplane, "simplane", "bin/simplane", "simplane's own `file`")
	flag.StringVar(&o.vegeta, "vegeta", "bin/vegeta", "`file` of the module vegeta beside this one")
	flag.IntVar(&o.rate, "rate", 1000, "requests a `second` of the open loops")
	flag.IntVar(&o.connections, "connections", 256, "connections; more than what comes due in a stall, so that none is missing")
	flag.DurationVar(&o.duration, "duration", 20*time.Second, "of each run; a multiple of 2s")
	flag.IntVar(&o.rounds, "rounds", 5, "runs of each tester")
	flag.StringVar(&o.out, "out", "results/load-testers", "`directory` for the results")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// measurement is one run of one tester.
type measurement struct {
	Tester string  `json:"tester"`
	Round  int     `json:"round"`
	Report figures `json:"report"`
}

func run(ctx context.Context, o options) error {
	if o.duration < 2*time.Second || o.duration%baseline.StallEvery != 0 || o.rounds < 1 || o.rate < 1 || o.connections < 1 {
		return fmt.Errorf("--duration must be a multiple of %v, and rounds, rate and connections above 0", baseline.StallEvery)
	}
	server, err := child.Start(ctx, "server", 1, o.simplane, "bench", "yardstick", "--kind", baseline.StallingEcho)
	if err != nil {
		return err
	}
	defer server.Stop()
	all := testers(o, "http://"+server.Addrs[0]+"/")
	var done []measurement
	for round := range o.rounds {
		for i := range all {
			t := all[(i+round)%len(all)] // none is always the first
			report, err := t.run(ctx)
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			if err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			fmt.Fprintf(os.Stderr, "round %d of %d: %s: %+v\n", round+1, o.rounds, t.name, report)
			done = append(done, measurement{t.name, round, report})
		}
	}
	return write(o, all, done)
}

// tester is one way to measure.
type tester struct {
	name string
	loop string // open or closed
	argv []string
	read func(out []byte) (figures, error)
}

func (t tester) run(ctx context.Context) (figures, error) {
	cmd := exec.CommandContext(ctx, t.argv[0], t.argv[1:]...) // #nosec G204 -- the testers are named by the user
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return figures{}, err
	}
	return t.read(out)
}

// testers are those that this machine has.
func testers(o options, url string) []tester {
	load := []string{o.simplane, "bench", "http", url, "--connections", fmt.Sprint(o.connections), "--duration", o.duration.String(), "--warmup", "0s", "-o", "json"}
	list := []tester{
		{"simplane bench http --rate", "open", append(load[:len(load):len(load)], "--rate", fmt.Sprint(o.rate)), readSimplane},
		{"simplane bench http", "closed", load, readSimplane},
	}
	if file, err := filepath.Abs(o.vegeta); err == nil {
		if _, err := os.Stat(file); err == nil {
			list = append(list, tester{"vegeta", "open", []string{file, "-url", url, "-rate", fmt.Sprint(o.rate), "-duration", o.duration.String(), "-connections", fmt.Sprint(o.connections)}, readJSON})
		}
	}
	if file, err := exec.LookPath("wrk"); err == nil {
		list = append(list, tester{"wrk", "closed", []string{file, "-t1", fmt.Sprintf("-c%d", o.connections), "-d" + fmt.Sprint(int(o.duration.Seconds())) + "s", "--latency", url}, readWrk})
	}
	return list
}

// readJSON reads figures as the vegeta program prints them.
func readJSON(out []byte) (f figures, err error) {
	return f, json.Unmarshal(out, &f)
}
