// Command fidelity runs a grid of scenarios for real and as simulations, and writes
// how far the two are apart: figures.md, results.json and report.html.
//
//	go run ./bench/harness/fidelity --binary bin/simplane --out results/fidelity
//
// The runs come one after the other, so the machine waits most of the time.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"simplane/bench/live"
)

func main() {
	binary := flag.String("binary", "bin/simplane", "simplane's own `file`")
	out := flag.String("out", "results/fidelity", "`directory` for the results")
	duration := flag.Duration("duration", 25*time.Second, "load of each run, 1s to 10m")
	only := flag.String("only", "", "run settings whose name begins with this again, and keep the others of --out")
	redraw := flag.Bool("redraw", false, "run nothing; write figures.md and report.html anew from results.json")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := measure(ctx, *binary, *out, *only, *duration, *redraw); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// point is one run of the grid.
type point struct {
	Setting string       `json:"setting"`
	Service string       `json:"service"` // distribution of service times
	Load    float64      `json:"load"`    // of the capacity
	Result  *live.Result `json:"result"`
}

func measure(ctx context.Context, binary, out, only string, duration time.Duration, redraw bool) error {
	if duration < time.Second || duration > 10*time.Minute {
		return fmt.Errorf("--duration %v: use 1s to 10m", duration)
	}
	binary, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	var points []point
	if redraw || only != "" { // the others stay
		raw, err := os.ReadFile(filepath.Join(out, "results.json"))
		if err == nil {
			err = json.Unmarshal(raw, &points)
		}
		if err != nil && (redraw || !errors.Is(err, fs.ErrNotExist)) {
			return err
		}
	}
	if redraw {
		return write(out, points)
	}
	all, err := grid(duration)
	if err != nil {
		return err
	}
	place := map[string]int{}
	for i := range all {
		place[all[i].scenario.Name] = i
	}
	found := false
	for i := range all {
		c := &all[i]
		if !strings.HasPrefix(c.scenario.Name, only) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%d of %d: %s\n", i+1, len(all), c.scenario.Name)
		r, err := live.Run(ctx, c.scenario, live.Options{Executable: binary, Runs: live.DefaultRuns})
		if err != nil {
			return fmt.Errorf("%s: %w", c.scenario.Name, err)
		}
		c.Result, found = r, true
		points = slices.DeleteFunc(points, func(p point) bool { return p.Result.Scenario == r.Scenario })
		points = append(points, c.point)
		slices.SortStableFunc(points, func(a, b point) int { return cmp.Compare(place[a.Result.Scenario], place[b.Result.Scenario]) })
		// What there is, also if the next run fails.
		if err := write(out, points); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("--only %s: no setting begins so", only)
	}
	return nil
}

func write(out string, points []point) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(points, "", " ")
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(out, "results.json"), append(raw, '\n'), 0o644),
		os.WriteFile(filepath.Join(out, "figures.md"), figures(points), 0o644),
		writePage(filepath.Join(out, "report.html"), points))
}
