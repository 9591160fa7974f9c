// Command clusterbench measures three replicas on one machine, each a process with
// the engine embedded, in rounds that take turns:
//
//	go run ./server/harness/clusterbench --out results/cluster.md
//
// Durable enqueues over all replicas are held against publishing alone to the same
// kind of stream (--publish, the program of server/harness/publish), calls that are forwarded to their owner against calls that the owner
// takes itself. Then it measures how long a function is not served when a replica
// leaves or is killed, and what an idle one costs.
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
	"simplane/server/harness/replicas"
	"simplane/server/harness/rounds"
)

type options struct {
	connections []int
	rounds      int
	round       time.Duration
	publish     string
	takeovers   int
	parts       []string
	out         string
}

func main() {
	var opt options
	connections := flag.String("connections", "1,16,256", "numbers of connections")
	parts := flag.String("parts", "enqueues,calls,leaves,kills", "what is measured, comma-separated")
	flag.IntVar(&opt.rounds, "rounds", 3, "rounds of each")
	flag.DurationVar(&opt.round, "round", 3*time.Second, "length of a round")
	flag.StringVar(&opt.publish, "publish", "", "compare with this `program`, server/harness/publish built")
	flag.IntVar(&opt.takeovers, "takeovers", 5, "how often a replica leaves, and is killed")
	flag.StringVar(&opt.out, "out", "", "write the tables to this `file` too")
	flag.Parse()
	var err error
	if opt.connections, err = rounds.Numbers(*connections); err != nil {
		fmt.Fprintln(os.Stderr, "clusterbench: --connections:", err)
		os.Exit(2)
	}
	for part := range strings.SplitSeq(*parts, ",") {
		if opt.parts = append(opt.parts, part); !slices.Contains([]string{"enqueues", "calls", "leaves", "kills"}, part) {
			fmt.Fprintf(os.Stderr, "clusterbench: --parts: there is no %q\n", part)
			os.Exit(2)
		}
	}
	if flag.NArg() > 0 || len(opt.connections) == 0 || opt.rounds < 1 || opt.round <= 0 || opt.takeovers < 0 {
		fmt.Fprintln(os.Stderr, "clusterbench: no arguments are taken; --rounds and --round must be above 0, --takeovers not below")
		os.Exit(2)
	}
	if err := run(context.Background(), opt); err != nil {
		fmt.Fprintln(os.Stderr, "clusterbench:", err)
		os.Exit(1)
	}
}

// measurement is one run: what is measured, and where its tables go.
type measurement struct {
	options
	dir, binary string
	group       *replicas.Group
	owners      map[string]int // by function
	page        strings.Builder
}

func (m *measurement) say(format string, args ...any) {
	fmt.Printf(format, args...)
	fmt.Fprintf(&m.page, format, args...)
}

func run(ctx context.Context, opt options) error {
	dir, err := os.MkdirTemp(".", "clusterbench-") // on this disk: /tmp may be memory
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	m := &measurement{options: opt, dir: dir, owners: map[string]int{}}
	if m.binary, err = node.BuildPlain(ctx, dir); err != nil {
		return err
	}
	for _, part := range opt.parts {
		do := map[string]func(context.Context) error{
			"enqueues": m.enqueues, "calls": m.calls,
			"leaves": func(ctx context.Context) error { return m.handOvers(ctx, "leaves (SIGTERM)", m.stop) },
			"kills":  func(ctx context.Context) error { return m.handOvers(ctx, "killed (SIGKILL)", m.kill) },
		}
		if err := do[part](ctx); err != nil {
			return err
		}
	}
	if opt.out == "" {
		return nil
	}
	return os.WriteFile(opt.out, []byte(m.page.String()), 0o644)
}

// begin starts the replicas, with flags of all.
func (m *measurement) begin(ctx context.Context, dir string, args ...string) (err error) {
	m.group, err = replicas.Start(ctx, replicas.Options{Binary: m.binary, Dir: filepath.Join(m.dir, dir), Nodes: 3,
		Args: append([]string{"--rate-max-per-second", "0"}, args...)})
	return err
}

// enqueues compares durable enqueues with publishing alone.
func (m *measurement) enqueues(ctx context.Context) error {
	m.say("## Durable enqueues\n\n512-byte facts to three replicas, R3, every server syncs each write.\n\n")
	m.say("| connections | publishing alone/s | enqueues/s | ratio | p50, p99, p99.9, max of an enqueue, ms |\n|---|---|---|---|---|\n")
	for _, n := range m.connections {
		var alone, rates, ratios []float64
		var times [][]float64
		for round := range m.rounds {
			if m.publish != "" {
				p, err := publishAlone(m.publish, filepath.Join(m.dir, fmt.Sprintf("publish-%d-%d", n, round)), n, m.round)
				if err != nil {
					return err
				}
				alone = append(alone, p)
			}
			f, err := m.enqueuesOnce(ctx, fmt.Sprintf("enqueue-%d-%d", n, round), n)
			if err != nil {
				return err
			}
			rates, times = append(rates, f.rate), append(times, f.times)
			if m.publish != "" {
				ratios = append(ratios, f.rate/alone[round])
			}
		}
		m.say("| %d | %s | %s | %s | %s |\n", n, rounds.Spread("%.0f", alone), rounds.Spread("%.0f", rates), rounds.Spread("%.2f", ratios), tails(slices.Concat(times...)))
	}
	return nil
}

func (m *measurement) enqueuesOnce(ctx context.Context, dir string, connections int) (figures, error) {
	if err := m.begin(ctx, dir, "--scheduler", "off"); err != nil {
		return figures{}, err
	}
	defer m.group.Close()
	const queues = 12
	if _, err := m.registerAll("q", queues, `{"executionMode":"LOCAL","queueSize":1000000}`); err != nil {
		return figures{}, err
	}
	return load(connections, m.round, func(w int) (url string) {
		return fmt.Sprintf("%s/v1/functions/q%d:enqueue", m.group.URL(w%3), w/3%queues)
	}, 202)
}

// calls compares calls by way of another replica with calls of the owner.
func (m *measurement) calls(ctx context.Context) error {
	if err := m.begin(ctx, "calls"); err != nil {
		return err
	}
	defer m.group.Close()
	m.say("\n## Forwarded calls\n\n`:invoke` of LOCAL functions, at the owner and at another replica.\n\n")
	m.say("| connections | at the owner/s | forwarded/s | ratio | p50, p99, p99.9, max at the owner, ms | forwarded, ms |\n|---|---|---|---|---|---|\n")
	names, err := m.registerAll("c", 12, `{"executionMode":"LOCAL","concurrency":1000}`)
	if err != nil {
		return err
	}
	if err := m.whoOwns(names); err != nil {
		return err
	}
	for _, n := range m.connections {
		var local, away, ratios []float64
		var localTimes, awayTimes [][]float64
		for range m.rounds {
			for _, hop := range []int{0, 1} {
				f, err := load(n, m.round, func(w int) string {
					name := names[w%len(names)]
					return fmt.Sprintf("%s/v1/functions/%s:invoke", m.group.URL((m.owners[name]+hop)%3), name)
				}, 200)
				if err != nil {
					return err
				}
				if hop == 0 {
					local, localTimes = append(local, f.rate), append(localTimes, f.times)
				} else {
					away, awayTimes = append(away, f.rate), append(awayTimes, f.times)
				}
			}
			ratios = append(ratios, away[len(away)-1]/local[len(local)-1])
		}
		m.say("| %d | %s | %s | %s | %s | %s |\n", n, rounds.Spread("%.0f", local), rounds.Spread("%.0f", away), rounds.Spread("%.2f", ratios), tails(slices.Concat(localTimes...)), tails(slices.Concat(awayTimes...)))
	}
	return m.idle(ctx)
}

// idle measures what replicas cost that nobody asks for anything.
func (m *measurement) idle(ctx context.Context) error {
	const span = 20 * time.Second
	pause(ctx, 5*time.Second)
	before := make([]time.Duration, 3)
	for i := range before {
		before[i] = node.CPUTime(m.group.Node(i).PID())
	}
	pause(ctx, span)
	m.say("\n## An idle replica\n\n| replica | CPU, %% of one core | resident memory, MB |\n|---|---|---|\n")
	for i := range before {
		pid := m.group.Node(i).PID()
		memory, err := node.MemoryOf(pid)
		if err != nil {
			return err
		}
		m.say("| %s | %.1f | %.0f |\n", replicas.Name(i), 100*(node.CPUTime(pid)-before[i]).Seconds()/span.Seconds(), float64(memory.Resident)/1e6)
	}
	return ctx.Err()
}

func (m *measurement) stop(i int) error { return m.group.Stop(i) }

func (m *measurement) kill(i int) error {
	m.group.Kill(i)
	return nil
}

// handOvers measures how long functions are not served when a replica ends, and as
// long as it takes to be back.
func (m *measurement) handOvers(ctx context.Context, kind string, end func(i int) error) error {
	if m.takeovers == 0 {
		return nil
	}
	if err := m.begin(ctx, "handovers-"+kind[:6]); err != nil {
		return err
	}
	defer m.group.Close()
	names, err := m.registerAll("h", 48, `{"executionMode":"LOCAL","concurrency":1000}`)
	if err != nil {
		return err
	}
	m.say("\n## Hand-over: one %s\n\nThe longest time in which a function was not answered, over %d functions called by way of the replicas that stay.\n\n", kind, len(names))
	m.say("| functions that moved, all rounds | longest as it goes, s (median over rounds, range) | as it comes back | calls that failed |\n|---|---|---|---|\n")
	var gaps, back []float64
	moved, failed := 0, 0
	for round := range m.takeovers {
		i := round % 3
		if err := m.whoOwns(names); err != nil {
			return err
		}
		for _, name := range names {
			if m.owners[name] == i {
				moved++
			}
		}
		watch := watchGaps(m.group, names, i)
		pause(ctx, time.Second)
		if err := end(i); err != nil {
			return err
		}
		pause(ctx, 10*time.Second)
		gap, bad := watch()
		gaps, failed = append(gaps, gap.Seconds()), failed+bad
		watch = watchGaps(m.group, names, i)
		if err := m.group.Launch(i); err != nil {
			return err
		}
		if err := m.group.Ready(ctx, i); err != nil {
			return err
		}
		pause(ctx, 2*time.Second)
		gap, bad = watch()
		back, failed = append(back, gap.Seconds()), failed+bad
	}
	m.say("| %d | %s | %s | %d |\n", moved, rounds.Spread("%.2f", gaps), rounds.Spread("%.2f", back), failed)
	return nil
}

// tails are the percentiles that show who waits for long.
func tails(times []float64) string {
	if len(times) == 0 {
		return "–"
	}
	slices.Sort(times)
	at := func(q float64) float64 { return times[min(int(q*float64(len(times))), len(times)-1)] }
	return fmt.Sprintf("%.2f, %.1f, %.1f, %.0f", at(0.5), at(0.99), at(0.999), times[len(times)-1])
}
