// Package replay takes the steps of a recording again, with core's code, and says
// which were decided in another way.
package replay

import (
	"fmt"
	"runtime"
	"sync"
	"time"

	"simplane/core"
	"simplane/core/recording"
)

// Options say what is replayed.
type Options struct {
	// Function is the name of the only one, or its number with # before it; "" =
	// all are.
	Function string
	// Until leaves out what came so long or longer after the recording's first
	// step. 0 = nothing.
	Until time.Duration
	// All goes on behind a divergence, at the function's next whole state.
	All bool
	// Context is how many steps before a divergence are kept.
	Context int
}

// Report is how a recording compares with what is decided now.
type Report struct {
	Header    recording.Header
	Dropped   string // why the recorder stopped; "" = it did not
	Truncated bool
	Begin     core.Instant // of the earliest record
	Length    time.Duration
	Records   int64
	Functions []*Function // by number
	// Refusals were before any step. Those that are not Held do not follow from
	// the figures recorded with them.
	Refusals, Held int64
	FirstNotHeld   *core.Step
	// Misplaced counts places in rate windows that were given out twice, or refused
	// though there were some; FirstMisplaced says of the first what is wrong.
	Misplaced      int64
	FirstMisplaced string
	// Unusable says what is wrong with the recording as a whole.
	Unusable string
}

// Function is one registration of a function, or a shard of idempotency keys.
type Function struct {
	Name   string // "" = no state of it is recorded
	Number uint32
	Steps  int64
	// Of these: Identical are decided now as they were. Before came before the
	// first whole state, Elsewhere are about executions that had ended before that,
	// and Behind came after a divergence.
	Identical, Before, Elsewhere, Behind int64
	// Diverged counts the decisions that differ, and First is the first of them.
	Diverged int64
	First    *Divergence
	Unusable string // "" = it could be replayed

	names names
}

// Divergence is a decision that differs. Times are those of the recording.
type Divergence struct {
	Function *Function
	Why      string
	Recorded []core.Step // with further records
	Again    []core.Step // as it was decided now; nil when it could not be taken
	Before   []core.Step // that led to it, further records left out
}

// Run replays a recording. What is wrong with it is in the Report; the error is
// for Options that fit nothing in it.
func Run(rec *recording.Recording, opts Options) (*Report, error) {
	r := &Report{Header: rec.Header, Dropped: rec.Dropped, Truncated: rec.Truncated, Records: int64(len(rec.Steps))}
	all := sorted(rec, r)
	if opts.Function != "" {
		if all = only(all, opts.Function); len(all) == 0 {
			return nil, fmt.Errorf("the recording has no function %q", opts.Function)
		}
	}
	work := make(chan *domain)
	var wg sync.WaitGroup
	if opts.Function == "" {
		wg.Go(func() { r.places(rec, int64(opts.Until)) })
	}
	for range min(len(all), runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for d := range work {
				d.replay(rec, opts, r)
			}
		})
	}
	for _, d := range all {
		if d.Number == 0 { // refused calls of functions that did not exist, and no step
			if r.Unusable = d.damaged; len(d.steps) > 0 {
				r.Unusable = "there are steps of no function"
			}
			continue
		}
		r.Functions = append(r.Functions, &d.Function)
		work <- d
	}
	close(work)
	wg.Wait()
	for _, d := range all {
		r.refusals(d, int64(opts.Until))
	}
	return r, nil
}

// refusals takes the decisions again that were made before any step.
func (r *Report) refusals(d *domain, until int64) {
	for i := range d.refused {
		s := &d.refused[i]
		if until > 0 && r.at(s) >= until {
			continue
		}
		r.Refusals++
		if s.Holds() {
			r.Held++
		} else if r.FirstNotHeld == nil {
			r.FirstNotHeld = s
		}
	}
}

// places checks what the rate windows gave out, over all functions.
func (r *Report) places(rec *recording.Recording, until int64) {
	var windows core.RateReplay
	for i := range rec.Steps {
		s := &rec.Steps[i]
		if s.Kind != core.StepAccept && s.Kind != core.StepRefuse || until > 0 && r.at(s) >= until {
			continue
		}
		if err := windows.Next(s); err != nil {
			if r.Misplaced++; r.FirstMisplaced == "" {
				r.FirstMisplaced = seconds(r.at(s)) + ": " + err.Error()
			}
		}
	}
}

// at is when a record is of, in ns since the recording's first.
func (r *Report) at(s *core.Step) int64 {
	if s.Kind == core.StepKey { // which has no elapsed time
		return s.Wall - r.Begin.Wall
	}
	return s.Mono - r.Begin.Mono
}

// Diverged is the number of decisions that differ.
func (r *Report) Diverged() (n int64) {
	for _, f := range r.Functions {
		n += f.Diverged
	}
	return n + r.Refusals - r.Held + r.Misplaced
}

// Exit codes of a replay.
const (
	ExitIdentical = 0
	ExitDiverged  = 1
	ExitUnusable  = 2
)

// Exit is ExitIdentical if every function could be replayed and no decision
// differs.
func (r *Report) Exit() int {
	if r.Diverged() > 0 {
		return ExitDiverged
	}
	if r.Unusable != "" || r.Records == 0 {
		return ExitUnusable
	}
	for _, f := range r.Functions {
		if f.Unusable != "" {
			return ExitUnusable
		}
	}
	return ExitIdentical
}
