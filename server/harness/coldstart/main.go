// Command coldstart measures what simplane adds to the start of a function
// process. In turns it starts the same function
//
//   - bare: fork, exec, wait until it is ready, one invocation, all done by this
//     program with as little as possible, and
//   - through the process provider: an invocation of a function scaled to zero,
//
// and prints the ratio of the two.
//
//	go run ./server/harness/coldstart
//
// It exits with 1 when the provider's share is above --limit for any function.
// (The last line, where the guard process has yet to start, is not judged.)
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"simplane/bench/machine"
	"simplane/server/provider"
)

func main() { os.Exit(run()) }

func run() int {
	rounds := flag.Int("rounds", 200, "pairs of starts of each function, 3 to 100000")
	limit := flag.Float64("limit", 0, "greatest share of the provider in a cold start, such as 0.05; 0 for none")
	pause := flag.Duration("pause", 20*time.Millisecond, "time between starts, so that the end of one does not run into the next, 0 to 1s")
	only := flag.String("only", "", "only functions whose name contains this")
	first := flag.Int("first", 0, "in place of that, first calls of this many functions, 16 to 4000")
	atOnce := flag.Int("at-once", 16, "first calls at the same time, 1 to 256")
	flag.Parse()
	if flag.NArg() > 0 || *rounds < 3 || *rounds > 100_000 || *limit < 0 || *limit > 1 || *pause < 0 || *pause > time.Second {
		fmt.Fprintln(os.Stderr, "coldstart: no arguments are taken; --rounds within 3 and 100000, --limit within 0 and 1, --pause within 0 and 1s")
		return 2
	}
	if *first != 0 && (*first < 16 || *first > 4000) || *atOnce < 1 || *atOnce > 256 {
		fmt.Fprintln(os.Stderr, "coldstart: --first within 16 and 4000, --at-once within 1 and 256")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *first > 0 {
		if err := compareBursts(ctx, *first, *atOnce, *rounds); err != nil {
			fmt.Fprintln(os.Stderr, "coldstart:", err)
			return 1
		}
		return 0
	}
	subjects, cleanUp, err := functions(ctx)
	if err == nil {
		defer cleanUp()
		var above bool
		if above, err = compareAll(ctx, subjects, *only, *rounds, *pause, *limit); err == nil && above {
			return 1
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "coldstart:", err)
		return 1
	}
	return 0
}

// subject is a function to start.
type subject struct {
	name    string
	mode    provider.RuntimeMode
	command []string
	first   bool // by a provider that has started nothing yet
}

// functions builds and lists what is started.
func functions(ctx context.Context) (all []subject, cleanUp func(), err error) {
	gomod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	root := filepath.Dir(strings.TrimSpace(string(gomod)))
	examples := filepath.Join(root, "scenarios", "functions")
	if _, missing := os.Stat(examples); err != nil || missing != nil {
		return nil, nil, fmt.Errorf("no example functions in %s; run this inside the repository", examples)
	}
	dir, err := os.MkdirTemp("", "coldstart-")
	if err != nil {
		return nil, nil, err
	}
	cleanUp = func() { os.RemoveAll(dir) }
	binary := filepath.Join(dir, "roman-numeral")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./scenarios/functions/go/roman-numeral")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		cleanUp()
		return nil, nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	// The interpreter itself: what is called python3 may be a script of a
	// version manager, which would take most of the time.
	python, err := exec.CommandContext(ctx, "python3", "-c", "import sys; print(sys.executable, end='')").Output()
	if err != nil {
		cleanUp()
		return nil, nil, fmt.Errorf("python3: %w", err)
	}
	script := filepath.Join(examples, "python", "roman_numeral.py")
	return []subject{
		{"Go, STDIO", provider.STDIO, []string{binary}, false},
		{"Go, HTTP", provider.HTTP, []string{binary}, false},
		{"Python, STDIO", provider.STDIO, []string{string(python), script}, false},
		{"Python, HTTP", provider.HTTP, []string{string(python), script}, false},
		{"Go, HTTP, called as soon as registered, the first of all", provider.HTTP, []string{binary}, true},
	}, cleanUp, nil
}

func compareAll(ctx context.Context, subjects []subject, only string, rounds int, pause time.Duration, limit float64) (above bool, err error) {
	m := machine.Read()
	fmt.Printf("%s, %d cores, %s, %s, load average before: %s. %d pairs of each, %v apart.\n\n", m.CPU, m.Cores, m.Kernel, m.Go, m.LoadAverage, rounds, pause)
	fmt.Println("| function | bare ms (median) | provider ms (median) | provider / bare, 95 % interval | median of the ratios | share of the provider |")
	fmt.Println("|---|--:|--:|--:|--:|--:|")
	for _, s := range subjects {
		if !strings.Contains(s.name, only) {
			continue
		}
		r, err := compare(ctx, s, rounds, pause)
		if err != nil {
			return above, fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Println(r)
		above = above || limit > 0 && r.share() > limit && !s.first
	}
	return above, nil
}
