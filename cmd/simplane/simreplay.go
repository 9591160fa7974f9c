package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"simplane/core"
	"simplane/core/recording"
	"simplane/sim/replay"
	"simplane/sim/report"
	"simplane/sim/whatif"
)

// replayFlags are those of sim replay.
type replayFlags struct {
	function, execution string
	from, until         time.Duration
	all, json           bool
	html, scenario      string
	whatIf              []string
	seeds               int
}

const (
	replayContext = 40  // steps that are shown before a difference
	replayBins    = 300 // parts into which the time is divided for plots
	maxSeeds      = 1000
)

func simReplayCommand() *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use:   "replay FILE",
		Short: "Take the decisions of a recording again, or ask what other settings had brought",
		Long: "Take every decision of a recording again and print the first that comes out\n" +
			"differently. Exit 0: all are identical, 1: some differ, 2: the recording cannot be\n" +
			"used.\n\n" +
			"--to-scenario and --what-if make a scenario of it instead: with the calls at their\n" +
			"times and attempts as they went, for sim run or for a comparison with other settings.",
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(args); err != nil {
				return err
			}
			rec, err := readRecording(args[0])
			if err != nil {
				return &exitError{code: replay.ExitUnusable, err: err}
			}
			if f.scenario != "" || len(f.whatIf) > 0 {
				return f.ask(cmd, args[0], rec)
			}
			return f.replay(cmd, args[0], rec)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.function, "function", "", "only this function, by its name, or #NUMBER of its registration")
	fl.StringVar(&f.execution, "execution", "", "show what became of this execution; in --html the slowest by default")
	fl.DurationVar(&f.from, "from", 0, "leave out what came before this time in the recording (with --html, --to-scenario and --what-if)")
	fl.DurationVar(&f.until, "until", 0, "leave out what came from this time on; 0 = nothing")
	fl.BoolVar(&f.all, "all", false, "go on behind a difference, at the function's next recorded state, and count them")
	fl.BoolVar(&f.json, "json", false, "print one JSON object")
	fl.StringVar(&f.html, "html", "", "write a page with plots into this file")
	fl.StringVar(&f.scenario, "to-scenario", "", "write the recording as a scenario into this file, its calls and attempts beside it")
	fl.StringArrayVar(&f.whatIf, "what-if", nil, "simulate the recording with these settings, such as concurrency=12,queueSize=20 or checkout:concurrency=12; may be repeated")
	fl.IntVar(&f.seeds, "seeds", 5, "how often each of --what-if is simulated")
	return cmd
}

func (f *replayFlags) check(args []string) error {
	switch {
	case len(args) != 1:
		return usageErrorf("give one recording, such as 'simplane record dump' writes")
	case f.from < 0 || f.until < 0:
		return usageErrorf("--from %v, --until %v: use times since the recording's first step, such as 90s", f.from, f.until)
	case f.until > 0 && f.until <= f.from:
		return usageErrorf("--until %v is not after --from %v", f.until, f.from)
	case f.seeds < 1 || f.seeds > maxSeeds:
		return usageErrorf("--seeds %d: use 1 to %d", f.seeds, maxSeeds)
	case f.all && (f.scenario != "" || len(f.whatIf) > 0):
		return usageErrorf("--all is of a replay; leave out --to-scenario and --what-if")
	}
	if f.execution != "" {
		if _, err := core.ParseID(f.execution); err != nil {
			return usageErrorf("--execution %q: %v", f.execution, err)
		}
	}
	return nil
}

// openRecording opens a file. Of a directory that serve --record wrote, the error names
// the newest file.
func openRecording(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		files, _ := filepath.Glob(filepath.Join(path, "*.rec")) // sorted: their names begin with the time
		if len(files) == 0 {
			return nil, fmt.Errorf("%s is a directory without a recording (*.rec)", path)
		}
		return nil, fmt.Errorf("%s is a directory; give one of its %d files, such as the newest, %s", path, len(files), files[len(files)-1])
	}
	return os.Open(path)
}

// readRecording reads a file. The error names it.
func readRecording(path string) (*recording.Recording, error) {
	file, err := openRecording(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	rec, err := recording.Read(bufio.NewReaderSize(file, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return rec, nil
}

// replay takes the decisions again.
func (f *replayFlags) replay(cmd *cobra.Command, path string, rec *recording.Recording) error {
	r, err := replay.Run(rec, replay.Options{Function: f.function, Until: f.until, All: f.all, Context: replayContext})
	if err != nil {
		return usageErrorf("%s: %v", path, err)
	}
	by := replay.Program{Version: version, Commit: buildCommit()}
	var t *replay.Timeline
	if f.execution != "" {
		id, _ := core.ParseID(f.execution)
		if t, err = r.Timeline(rec, id); err != nil {
			return usageErrorf("%s: %v", path, err)
		}
	}
	if f.json {
		err = r.WriteJSON(cmd.OutOrStdout(), by, t)
	} else {
		err = errors.Join(r.WriteText(cmd.OutOrStdout(), path, by), t.WriteText(cmd.OutOrStdout()))
	}
	if err != nil {
		return err
	}
	if f.html != "" {
		h, err := whatif.Read(rec, whatif.Options{Function: f.function, From: f.from, Until: f.until, Bins: replayBins})
		if err != nil {
			return usageErrorf("%s: %v", path, err)
		}
		if t == nil && h.Slowest.Took > 0 {
			t, _ = r.Timeline(rec, h.Slowest.ID) // it has steps
		}
		if err := writeFile(f.html, func(w *bufio.Writer) error {
			return report.WriteRecording(w, &report.Recording{Name: filepath.Base(path), Replay: r, History: h, Timeline: t})
		}); err != nil {
			return err
		}
	}
	if code := r.Exit(); code != 0 {
		return silentExit(code)
	}
	return nil
}

// ask makes a scenario of the recording, and simulates it with other settings.
func (f *replayFlags) ask(cmd *cobra.Command, path string, rec *recording.Recording) error {
	h, err := whatif.Read(rec, whatif.Options{Function: f.function, From: f.from, Until: f.until, Bins: replayBins})
	if err != nil {
		return usageErrorf("%s: %v", path, err)
	}
	name := f.scenario
	if name == "" {
		name = path
	}
	name = strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))
	sc, notes, err := whatif.Scenario(name, rec, h)
	if err != nil {
		return usageErrorf("%s: %v", path, err)
	}
	out := cmd.OutOrStdout()
	if f.scenario != "" {
		comment := "Made by `simplane sim replay --to-scenario`.\n" + strings.Join(notes, "\n")
		if err := whatif.Write(f.scenario, sc, comment); err != nil {
			return err
		}
		if !f.json {
			fmt.Fprintf(out, "%s: %d functions, %d loads, %v\n", f.scenario, len(sc.Functions), len(sc.Load), sc.Duration)
		}
		if len(f.whatIf) == 0 {
			return printNotes(out, notes, f.json)
		}
	}
	c, err := whatif.Compare(sc, h, f.whatIf, f.seeds)
	if err != nil {
		return &exitError{code: 2, err: err}
	}
	c.Notes = notes
	if f.html != "" {
		if err := writeFile(f.html, func(w *bufio.Writer) error {
			return report.WriteRecording(w, &report.Recording{Name: filepath.Base(path), History: h, WhatIf: c})
		}); err != nil {
			return err
		}
	}
	if f.json {
		return c.WriteJSON(out)
	}
	return c.WriteText(out)
}

func printNotes(w io.Writer, notes []string, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(map[string][]string{"notes": notes})
	}
	for _, n := range notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	return nil
}
