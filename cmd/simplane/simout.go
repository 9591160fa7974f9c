package main

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"

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
	for i := range r.Functions {
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
		return report.Write(w, r, sc.Description)
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
