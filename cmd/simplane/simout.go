package main

import (
	"bufio"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"simplane/core"
	"simplane/core/recording"
	"simplane/sim"
	"simplane/sim/report"
	"simplane/sim/scenario"
)

// simOutput is the directory that --out writes for one scenario: the event
// log, histograms and a report.
type simOutput struct {
	dir    string
	file   *os.File
	events *bufio.Writer
}

// openSimOutput begins the output in dir, or in a directory of the scenario's
// name below it.
func openSimOutput(dir string, sc *scenario.Scenario, below bool) (*simOutput, error) {
	if below {
		if !filepath.IsLocal(sc.Name) {
			return nil, usageErrorf("%s: the name %q cannot be a directory under --out; choose a plainer one", sc.File, sc.Name)
		}
		dir = filepath.Join(dir, sc.Name)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.Create(filepath.Join(dir, "events.jsonl"))
	if err != nil {
		return nil, err
	}
	return &simOutput{dir: dir, file: f, events: bufio.NewWriterSize(f, 1<<20)}, nil
}

// finish writes what the result holds and closes the event log.
func (o *simOutput) finish(sc *scenario.Scenario, r *sim.Result) error {
	err := errors.Join(o.events.Flush(), o.file.Close())
	for i := range r.Functions[:min(len(r.Functions), sim.MaxPlotted)] {
		f := &r.Functions[i]
		for _, series := range scenario.LatencySeries {
			if h := f.Histogram(series); h != nil {
				err = errors.Join(err, writeFile(filepath.Join(o.dir, f.Name+"-"+series+".hgrm"), func(w *bufio.Writer) error {
					return h.WriteHgrm(w)
				}))
			}
		}
	}
	return errors.Join(err, writeFile(filepath.Join(o.dir, "report.html"), func(w *bufio.Writer) error {
		return report.Write(w, sc, r)
	}))
}

func writeFile(path string, write func(*bufio.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	return errors.Join(write(w), w.Flush(), f.Close())
}

// writeRecording writes what a simulated run has recorded, as made by this
// program now.
func writeRecording(path string, rec *recording.Recording) error {
	rec.Header.Version, rec.Header.Commit = version, buildCommit()
	rec.Header.Platform, rec.Header.Made = runtime.GOOS+"/"+runtime.GOARCH, time.Now().UnixNano()
	return writeFile(path, func(to *bufio.Writer) error {
		w, err := recording.NewWriter(to, rec.Header)
		if err != nil {
			return err
		}
		return writeInOrder(w, rec)
	})
}

// writeInOrder writes each state before the steps that follow it, so that a file
// that was cut short can be replayed up to there.
func writeInOrder(w *recording.Writer, rec *recording.Recording) error {
	bases := rec.Bases
	upTo := func(mono int64) error {
		for ; len(bases) > 0 && bases[0].Mono <= mono; bases = bases[1:] {
			if err := w.Base(bases[0]); err != nil && !errors.Is(err, recording.ErrBaseTooLarge) {
				return err
			}
		}
		return w.Flush()
	}
	for part := range slices.Chunk(rec.Steps, recording.BlockSteps) {
		latest := int64(math.MinInt64)
		for i := range part {
			if part[i].Kind != core.StepMore && part[i].Kind != core.StepKey { // which have no elapsed time
				latest = max(latest, part[i].Mono)
			}
		}
		if err := errors.Join(upTo(latest), w.Steps(part)); err != nil {
			return err
		}
	}
	return errors.Join(upTo(math.MaxInt64), w.Close(rec.Dropped))
}
