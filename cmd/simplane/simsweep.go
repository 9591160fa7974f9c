package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"simplane/bench/progress"
	"simplane/sim/report"
	"simplane/sim/scenario"
	"simplane/sim/sweep"
)

// sweepFlags are those of sim sweep and sim compare.
type sweepFlags struct {
	set, slo []string
	seeds    int
	html     string
	json     bool
}

func (f *sweepFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.IntVar(&f.seeds, "seeds", 5, "runs of each, with the scenario's seed, the next one, and so on")
	fl.StringVar(&f.html, "html", "", "write a page into this file")
	fl.BoolVar(&f.json, "json", false, "print one JSON object; times are in seconds")
}

// checkPage is an error if the page could not be written: better told before hours
// of runs than after them. A file that is there stays as it is.
func (f *sweepFlags) checkPage() error {
	if f.html == "" {
		return nil
	}
	_, absent := os.Stat(f.html)
	file, err := os.OpenFile(f.html, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return usageErrorf("--html: %v", err)
	}
	if err := file.Close(); absent == nil {
		return err
	}
	return os.Remove(f.html)
}

// page writes the HTML page, if one is asked for.
func (f *sweepFlags) page(write func(*bufio.Writer) error) error {
	if f.html == "" {
		return nil
	}
	return writeFile(f.html, write)
}

// print writes a result in the form that is asked for.
func (f *sweepFlags) print(cmd *cobra.Command, result interface {
	WriteJSON(io.Writer) error
	WriteText(io.Writer) error
}) error {
	if f.json {
		return result.WriteJSON(cmd.OutOrStdout())
	}
	return result.WriteText(cmd.OutOrStdout())
}

func (f *sweepFlags) check() error {
	if f.seeds < 1 || f.seeds > sweep.MaxSeeds {
		return usageErrorf("--seeds %d: use 1 to %d", f.seeds, sweep.MaxSeeds)
	}
	return f.checkPage()
}

func simSweepCommand() *cobra.Command {
	var f sweepFlags
	cmd := &cobra.Command{
		Use:   "sweep SCENARIO --set SETTING=VALUES...",
		Short: "Run a scenario with many settings, and find the cheapest that keeps an SLO",
		Long: "Run a scenario with each of the values of one setting or several, with some seeds each,\n" +
			"on all processors. VALUES are separated by commas and may be ranges: 1,2,4..16:4 or\n" +
			"10ms..50ms:10ms. Settings are functions.NAME.KEY, load.NAME.KEY and core.KEY; KEY is as\n" +
			"in a scenario file, with points: behavior.latency.p99.\n\n" +
			"Exit 0; 1 if no setting keeps --slo, or a run breaks an invariant; 2 if the settings\n" +
			"cannot be.",
		Args: oneArg("scenario"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			all, err := readScenarios(cmd, args)
			if err != nil {
				return err
			}
			return f.sweep(cmd, all[0])
		},
	}
	f.add(cmd)
	cmd.Flags().StringArrayVar(&f.set, "set", nil, "a setting and its values, such as functions.NAME.concurrency=1..8; may be repeated, for a grid")
	cmd.Flags().StringArrayVar(&f.slo, "slo", nil, "what must be kept: [FUNCTION:]FIGURE<=VALUE, such as e2e.p99<=200ms, or success.share>=99.9%; may be repeated. Unless one says how many calls must succeed, 99 % must")
	return cmd
}

func (f *sweepFlags) sweep(cmd *cobra.Command, sc *scenario.Scenario) error {
	o := sweep.Options{Seeds: f.seeds}
	var axes []sweep.Axis
	for _, s := range f.set {
		a, err := sweep.ParseAxis(s)
		if err != nil {
			return &exitError{code: 2, err: err}
		}
		axes = append(axes, a)
	}
	for _, s := range f.slo {
		slo, err := sweep.ParseSLO(s, sc)
		if err != nil {
			return &exitError{code: 2, err: err}
		}
		o.SLOs = append(o.SLOs, slo)
	}
	if len(o.SLOs) > 0 {
		o.SLOs = sweep.Served(o.SLOs)
	}
	ctx, stop := untilSignal(cmd)
	defer stop()
	line := progress.On(os.Stderr)
	o.Progress = runsDone(line)
	r, err := sweep.Run(ctx, sc, axes, o)
	line.Clear()
	if err != nil {
		return sweepError(err)
	}
	page := f.page(func(w *bufio.Writer) error { return report.WriteSweep(w, r) })
	return errors.Join(page, f.print(cmd, r), verdict(cmd, r.Broken(), len(o.SLOs) > 0 && r.Cheapest == nil))
}

// verdict is exit 1 for a broken invariant, which it tells, or for what was missed.
func verdict(cmd *cobra.Command, broken string, missed bool) error {
	if broken != "" {
		fmt.Fprintln(cmd.ErrOrStderr(), broken)
	}
	if broken != "" || missed {
		return silentExit(1)
	}
	return nil
}

func sweepError(err error) error {
	if errors.Is(err, context.Canceled) {
		return errors.New("stopped by a signal, with nothing to show")
	}
	return &exitError{code: 2, err: err}
}

func simCompareCommand() *cobra.Command {
	var f sweepFlags
	cmd := &cobra.Command{
		Use:   "compare A [B] [--set SETTING=VALUE,...]...",
		Short: "Run two scenarios, or one with two settings, side by side",
		Long: "Run two scenarios with the same seeds, or one as it is and with --set, or with two --set,\n" +
			"and print their figures, and the differences seed by seed, with intervals.\n\n" +
			"Exit 0; 1 if a run breaks an invariant; 2 if the scenarios or settings cannot be.",
		Args: someArgs("scenario"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			return f.compare(cmd, args)
		},
	}
	f.add(cmd)
	cmd.Flags().StringArrayVar(&f.set, "set", nil, "settings of one scenario, such as functions.NAME.concurrency=8,functions.NAME.queueSize=20: one is compared with the scenario as it is, two with each other")
	return cmd
}

func (f *sweepFlags) compare(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) > 2:
		return usageErrorf("%d scenarios; give two, or one and --set", len(args))
	case len(args) == 2 && len(f.set) > 0:
		return usageErrorf("--set goes with one scenario")
	case len(args) == 1 && len(f.set) == 0:
		return usageErrorf("nothing to compare with; give a second scenario, or --set")
	case len(f.set) > 2:
		return usageErrorf("%d --set; give one or two", len(f.set))
	}
	all, err := readScenarios(cmd, args)
	if err != nil {
		return err
	}
	names := args
	if len(args) == 1 {
		if all, names, err = variants(all[0], f.set); err != nil {
			return &exitError{code: 2, err: err}
		}
	}
	ctx, stop := untilSignal(cmd)
	defer stop()
	line := progress.On(os.Stderr)
	c, err := sweep.Compare(ctx, all[0], all[1], names[0], names[1], sweep.Options{Seeds: f.seeds, Progress: runsDone(line)})
	line.Clear()
	if err != nil {
		return sweepError(err)
	}
	page := f.page(func(w *bufio.Writer) error { return report.WriteComparison(w, c) })
	return errors.Join(page, f.print(cmd, c), verdict(cmd, c.Broken, false))
}

// variants are a scenario with each of two settings, or as it is and with one.
func variants(sc *scenario.Scenario, set []string) (all []*scenario.Scenario, names []string, err error) {
	if len(set) == 1 {
		all, names = append(all, sc), append(names, "as it is")
	}
	for _, s := range set {
		changed, err := sweep.Changed(sc, s)
		if err != nil {
			return nil, nil, err
		}
		all, names = append(all, changed), append(names, strings.TrimSpace(s))
	}
	return all, names, nil
}

func runsDone(line *progress.Line) func(done, of int) {
	var mu sync.Mutex
	var last time.Time
	return func(done, of int) {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(last) > 200*time.Millisecond {
			last = time.Now()
			line.Printf("%d of %d runs", done, of)
		}
	}
}

// oneArg demands one positional argument.
func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usageErrorf("no %s given (see '%s --help')", what, cmd.CommandPath())
		case len(args) > 1:
			return usageErrorf("%d %ss; give one (see '%s --help')", len(args), what, cmd.CommandPath())
		}
		return nil
	}
}
