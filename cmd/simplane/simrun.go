package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"simplane/bench/progress"
	"simplane/core/recording"
	"simplane/core/strictyaml"
	"simplane/sim"
	"simplane/sim/scenario"
)

func simRunCommand() *cobra.Command {
	var (
		seed    uint64
		out     string
		formats string
		record  string
	)
	cmd := &cobra.Command{
		Use:   "run SCENARIO...",
		Short: "Replay scenarios; exit 1 when a check or an invariant fails",
		Args:  someArgs("scenario"),
		RunE: func(cmd *cobra.Command, args []string) error {
			for f := range strings.SplitSeq(formats, ",") {
				if !slices.Contains([]string{"text", "json"}, f) {
					return usageErrorf("--format %q: use text, json or both with a comma", f)
				}
			}
			scenarios, err := readScenarios(cmd, args)
			if err != nil {
				return err
			}
			if record != "" && len(scenarios) > 1 {
				return usageErrorf("--record keeps one run; give one scenario")
			}
			failed := false
			for _, sc := range scenarios {
				if cmd.Flags().Changed("seed") {
					sc.Seed = seed
				}
				held, err := runOne(cmd, sc, len(scenarios) > 1, out, formats, record)
				if err != nil {
					return err
				}
				failed = failed || !held
			}
			if failed {
				return silentExit(1)
			}
			return nil
		},
	}
	cmd.Flags().Uint64Var(&seed, "seed", 0, "use this seed instead of the scenario's")
	cmd.Flags().StringVar(&out, "out", "", "write event log, histograms and an HTML report into this directory (one below it for each of several scenarios)")
	cmd.Flags().StringVar(&record, "record", "", "write a recording of every decision into this file, for sim replay")
	cmd.Flags().StringVar(&formats, "format", "text", "text, json (one object a line), or both: text,json")
	return cmd
}

func runOne(cmd *cobra.Command, sc *scenario.Scenario, several bool, out, formats, record string) (held bool, err error) {
	line := progress.On(os.Stderr)
	opts := sim.Options{Progress: showProgress(line, sc.Name)}
	if record != "" {
		opts.Record = &recording.Recording{}
	}
	var files *simOutput
	if out != "" {
		if files, err = openSimOutput(out, sc, several); err != nil {
			return false, err
		}
		opts.Events, opts.Series = files.events, true
	}
	r, err := sim.Run(sc, opts)
	line.Clear()
	if err != nil {
		return false, usageErrorf("%s: %v", sc.File, err)
	}
	if files != nil {
		if err := files.finish(sc, r); err != nil {
			return false, err
		}
	}
	if record != "" {
		if err := writeRecording(record, opts.Record); err != nil {
			return false, err
		}
	}
	for f := range strings.SplitSeq(formats, ",") {
		if f == "text" {
			err = r.WriteText(cmd.OutOrStdout())
		} else {
			err = r.WriteJSON(cmd.OutOrStdout())
		}
		if err != nil {
			return false, err
		}
	}
	r.WriteViolation(cmd.ErrOrStderr())
	return r.Holds(), nil
}

// readScenarios reads all files before anything runs. What is wrong with them
// is reported, one line each.
func readScenarios(cmd *cobra.Command, paths []string) ([]*scenario.Scenario, error) {
	var all []*scenario.Scenario
	bad := false
	for _, path := range paths {
		sc, err := scenario.ReadFile(path)
		var problems *strictyaml.Error
		switch {
		case errors.As(err, &problems):
			bad = true
			for _, p := range problems.Problems {
				fmt.Fprintln(cmd.ErrOrStderr(), p)
			}
		case err != nil:
			return nil, err
		}
		all = append(all, sc)
	}
	if bad {
		return nil, silentExit(2)
	}
	return all, nil
}

// showProgress tells how far a run is, on a terminal only.
func showProgress(line *progress.Line, name string) func(now, total time.Duration) {
	var last time.Time
	return func(now, total time.Duration) {
		if time.Since(last) > 200*time.Millisecond {
			last = time.Now()
			line.Printf("%s: %v of %v", name, now.Round(time.Second), total)
		}
	}
}
