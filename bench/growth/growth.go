// Package growth measures how the cost of the control plane grows with what it
// holds: functions, records, queued work, keys, connections, payloads. Loads are
// measured in turns with a bare echo that gets the same requests, so that what
// slows the machine slows both; each size is then put in relation to the
// smallest one. A cost that does not depend on the size is a flat line.
package growth

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"slices"
	"strings"
	"time"

	"simplane/bench/compare"
)

// Options of a run.
type Options struct {
	// Launcher starts the bare echo, and says which program is measured.
	Launcher compare.Launcher
	Rows     []string // names of Rows; empty means all
	// Scale multiplies all sizes: 1 is the whole table, 0.01 a quick look.
	Scale       float64
	Rounds      int // pairs of each load
	Round       time.Duration
	Warmup      time.Duration
	Connections int // of loads that are not about connections
	Seed        uint64
}

// Validate reports the first invalid option.
func (o Options) Validate() error {
	if !(o.Scale > 0 && o.Scale <= 1) {
		return fmt.Errorf("scale %v is out of range: want above 0, at most 1", o.Scale)
	}
	if _, err := choose(o.Rows); err != nil {
		return err
	}
	return o.compare(o.Connections).Validate()
}

// compare are the options of one load.
func (o Options) compare(connections int) compare.Options {
	return compare.Options{
		Rounds: o.Rounds, Round: o.Round, Warmup: o.Warmup, Connections: []int{connections},
		Timeout: 30 * time.Second, Seed: o.Seed, Confidence: 0.95,
	}
}

// sizes scales a list of sizes: none below floor, none twice.
func (o Options) sizes(floor int, full ...int) []int {
	var out []int
	for _, n := range full {
		n = max(floor, int(math.Round(float64(n)*o.Scale)))
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// Result of a run.
type Result struct {
	Rows        []Row    `json:"rows"`
	Findings    []string `json:"findings,omitempty"`
	Failed      []string `json:"failed,omitempty"` // rows that ended early, and why
	Interrupted bool     `json:"interrupted,omitempty"`
}

// Row is everything measured by one thing that grows.
type Row struct {
	Name    string   `json:"name"`
	Title   string   `json:"title"`
	What    string   `json:"what"`
	Size    string   `json:"size"` // what grows, with its unit
	Series  []Series `json:"series"`
	Seconds float64  `json:"seconds"` // how long the row took
}

// rowKind is a row that can be asked for.
type rowKind struct {
	Row
	run func(context.Context, *runner) error
}

// kinds lists all rows, in the order they run. It is a function because rows
// are functions that lead here.
func kinds() []rowKind {
	return []rowKind{functionsRow, catalogueRow, recordsRow, searchRow, queueRow, keysRow, connectionsRow, idleRow, payloadsRow, peakRow, startsRow}
}

// Names lists the rows by name.
func Names() (names []string) {
	for _, k := range kinds() {
		names = append(names, k.Name)
	}
	return names
}

func choose(names []string) ([]rowKind, error) {
	if len(names) == 0 {
		return kinds(), nil
	}
	var out []rowKind
	for _, k := range kinds() {
		if slices.Contains(names, k.Name) {
			out = append(out, k)
		}
	}
	for _, name := range names {
		if !slices.Contains(Names(), name) {
			return nil, fmt.Errorf("row %q is unknown: want %s", name, strings.Join(Names(), ", "))
		}
	}
	return out, nil
}

// runner is one run, and within it the row that is being measured.
type runner struct {
	o        Options
	echo     *compare.Subject
	row      *Row
	res      *Result
	progress func(string)
}

// Run measures the chosen rows one after the other. A row that fails keeps what
// it has measured, and the others are measured all the same; an error means that
// there was nothing to measure with. progress is told what is being done.
func Run(ctx context.Context, o Options, progress func(string)) (*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if _, err := exec.LookPath(o.Launcher.Executable); err != nil {
		return nil, err
	}
	echo, err := o.Launcher.Launch(ctx, echoName)
	if err != nil {
		return nil, err
	}
	defer echo.Stop()
	chosen, _ := choose(o.Rows) // validated
	r := &runner{o: o, echo: echo, res: &Result{}, progress: progress}
	for _, k := range chosen {
		row, began := k.Row, time.Now()
		r.row = &row
		err := k.run(ctx, r)
		if ctx.Err() != nil {
			r.res.Interrupted = true
			break
		}
		if err != nil {
			r.res.Failed = append(r.res.Failed, fmt.Sprintf("%s: %v", row.Name, err))
		}
		if row.Seconds = time.Since(began).Seconds(); len(row.Series) > 0 {
			r.res.Rows = append(r.res.Rows, row)
		}
	}
	if len(r.res.Rows) == 0 && !r.res.Interrupted {
		return nil, errors.New(strings.Join(r.res.Failed, "; "))
	}
	return r.res, nil
}

// maxFindings bounds the findings of a run.
const maxFindings = 60

func (r *runner) find(format string, args ...any) {
	text := r.row.Name + ": " + fmt.Sprintf(format, args...)
	if len(r.res.Findings) < maxFindings && !slices.Contains(r.res.Findings, text) {
		r.res.Findings = append(r.res.Findings, text)
	}
}

func (r *runner) say(format string, args ...any) {
	r.progress(r.row.Name + ": " + fmt.Sprintf(format, args...))
}
