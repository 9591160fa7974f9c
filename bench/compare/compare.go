// Package compare measures A against B in one run: rounds alternate between
// them, so that disturbances of the machine affect both alike.
package compare

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"simplane/bench/arrival"
	"simplane/bench/epollload"
	"simplane/bench/latency"
	"simplane/bench/loadgen"
	"simplane/bench/ratio"
)

// Options of a comparison.
type Options struct {
	Rounds int           // pairs, ratio.MinPairs..MaxRounds
	Round  time.Duration // measured time of one side in one round
	Warmup time.Duration // before each, not measured
	// Connections are the numbers of connections to measure with, one after
	// the other: 1 to MaxSteps different ones.
	Connections []int
	Timeout     time.Duration
	Seed        uint64
	Idempotency int     // as in loadgen.Options
	Confidence  float64 // such as 0.95
	// OpenFraction adds an open-loop phase at this share of the slower
	// side's throughput, the same rate for both; 0 leaves it out.
	OpenFraction float64
}

// Bounds of a comparison.
const (
	MaxRounds = 1000
	MaxSteps  = 16
)

// Validate reports every invalid option.
func (o Options) Validate() error {
	switch {
	case o.Rounds < ratio.MinPairs || o.Rounds > MaxRounds:
		return fmt.Errorf("rounds %d is out of range: want %d to %d", o.Rounds, ratio.MinPairs, MaxRounds)
	case o.OpenFraction < 0 || o.OpenFraction > 1:
		return fmt.Errorf("open fraction %v is out of range: want 0 to 1", o.OpenFraction)
	case !(o.Confidence > 0 && o.Confidence < 1):
		return fmt.Errorf("confidence %v is out of range: want between 0 and 1", o.Confidence)
	case len(o.Connections) == 0 || len(o.Connections) > MaxSteps:
		return fmt.Errorf("%d numbers of connections: want 1 to %d, such as 2,16,64", len(o.Connections), MaxSteps)
	}
	for i, n := range o.Connections {
		if slices.Contains(o.Connections[:i], n) {
			return fmt.Errorf("connections %d is given twice", n)
		}
	}
	return o.Check(loadgen.Target{Name: "x", URL: "http://x/", Method: "GET", Weight: 1})
}

// Check reports why a target cannot be compared with these options.
func (o Options) Check(t loadgen.Target) error {
	for _, n := range o.Connections {
		if err := epollload.Validate(o.load(t, n, 0, 0)); err != nil {
			return err
		}
	}
	return nil
}

func (o Options) load(t loadgen.Target, connections int, rate float64, round int) loadgen.Options {
	return loadgen.Options{
		Targets: []loadgen.Target{t}, Connections: connections, Rate: rate, Arrival: arrival.Poisson,
		Seed: o.Seed + uint64(round), Warmup: o.Warmup, Duration: o.Round, Timeout: o.Timeout, Idempotency: o.Idempotency,
	}
}

// Round is one pair.
type Round struct {
	Order string `json:"order"` // "AB" or "BA"
	A     Sample `json:"a"`
	B     Sample `json:"b"`
}

// Phase is one kind of load at one number of connections.
type Phase struct {
	Connections int     `json:"connections"`
	Name        string  `json:"name"`
	Rate        float64 `json:"rate,omitempty"` // asked per second in an open loop; 0 in a closed one
	Rounds      []Round `json:"rounds"`
	Rows        []Row   `json:"rows"`
	// Withheld says why the phase gives no verdict: too many of its rounds
	// were saturated elsewhere than in the subject. Empty when it does.
	Withheld string `json:"withheld,omitempty"`
	// LatencyA and LatencyB hold all rounds together.
	LatencyA latency.Summary `json:"latencyA"`
	LatencyB latency.Summary `json:"latencyB"`
}

// Title names the phase together with its number of connections.
func (p Phase) Title() string { return fmt.Sprintf("%d connections, %s", p.Connections, p.Name) }

// Result of a comparison.
type Result struct {
	A           string   `json:"a"`
	B           string   `json:"b"`
	Method      string   `json:"method"`
	Phases      []Phase  `json:"phases"`
	Findings    []string `json:"findings,omitempty"`
	Interrupted bool     `json:"interrupted,omitempty"`
	// ErrorShare is the worse side's share of failed or unsent requests.
	ErrorShare float64 `json:"errorShare"`
}

// Run compares a with b. progress, when not nil, is told what is being
// measured.
func Run(ctx context.Context, a, b *Subject, o Options, progress func(string)) (*Result, error) {
	return run(ctx, a, b, o, progress, measure)
}

func run(ctx context.Context, a, b *Subject, o Options, progress func(string), m measurer) (*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if progress == nil {
		progress = func(string) {}
	}
	r := &runner{o: o, a: a, b: b, measure: m, progress: progress, out: &Result{A: a.Name, B: b.Name, Method: ratio.Method}}
	for _, n := range o.Connections {
		if err := r.step(ctx, n); err != nil {
			return nil, err
		}
	}
	r.out.Interrupted = ctx.Err() != nil
	r.out.ErrorShare = math.Max(r.errs[0].share(), r.errs[1].share())
	return r.out, nil
}

type errorCount struct{ bad, due int64 }

func (e errorCount) share() float64 {
	if e.due == 0 {
		return 1 // nothing was answered at all
	}
	return float64(e.bad) / float64(e.due)
}

type runner struct {
	o        Options
	a, b     *Subject
	measure  measurer
	progress func(string)
	out      *Result
	errs     [2]errorCount
	seen     map[string]bool
}

// step measures with one number of connections: first what the two can do,
// then both at the same rate.
func (r *runner) step(ctx context.Context, connections int) error {
	if ctx.Err() != nil {
		return nil
	}
	closed := Phase{Connections: connections, Name: "closed loop, saturating"}
	if err := r.phase(ctx, &closed); err != nil {
		return err
	}
	rate := r.o.OpenFraction * math.Min(closed.Rows[0].A, closed.Rows[0].B)
	if rate < 1 || ctx.Err() != nil {
		return nil
	}
	return r.phase(ctx, &Phase{
		Connections: connections, Rate: rate,
		Name: fmt.Sprintf("open loop, Poisson arrivals at %.0f%% of the slower side's throughput", 100*r.o.OpenFraction),
	})
}

func (r *runner) phase(ctx context.Context, p *Phase) error {
	all := [2]*latency.Histogram{latency.NewHistogram(), latency.NewHistogram()}
	// The first round of each side warms it up and is thrown away.
	for round := -1; round < r.o.Rounds && ctx.Err() == nil; round++ {
		pair := Round{Order: "AB"}
		if round&1 == 1 {
			pair.Order = "BA" // ABBA: slow drift hits both sides alike
		}
		for _, side := range pair.Order {
			subject, into := r.a, &pair.A
			if side == 'B' {
				subject, into = r.b, &pair.B
			}
			r.progress(fmt.Sprintf("%s: round %d of %d, %s", p.Title(), round+1, r.o.Rounds, subject.Name))
			m, err := r.measure(ctx, subject, r.o.load(subject.Target, p.Connections, p.Rate, max(0, round)))
			if err != nil {
				return fmt.Errorf("%s: %w", subject.Name, err)
			}
			if *into = m.Sample; round >= 0 {
				r.count(subject, side, m)
				all[side-'A'].Merge(m.latency)
			}
		}
		if round >= 0 && ctx.Err() == nil {
			p.Rounds = append(p.Rounds, pair)
		}
	}
	p.LatencyA, p.LatencyB = summary(all[0]), summary(all[1])
	p.Rows = rows(r.judge(p), p.Rate, r.o.Confidence)
	r.out.Phases = append(r.out.Phases, *p)
	return nil
}

// summary leaves the encoded histogram out: a report holds many.
func summary(h *latency.Histogram) latency.Summary {
	s := latency.Summarize(h, true)
	s.HDR = ""
	return s
}

// count adds a measurement to the side's errors.
func (r *runner) count(s *Subject, side rune, m measurement) {
	e := &r.errs[side-'A']
	e.bad += m.Failed + m.Unsent
	e.due += m.ok + m.Failed + m.Unsent
	for _, f := range m.failures {
		r.find(fmt.Sprintf("%s: %s (%s)", s.Name, f.Kind, f.Sample))
	}
}

// judge says which rounds were saturated, and returns those to judge by: the
// others, or all, without a verdict, when too many were.
func (r *runner) judge(p *Phase) []Round {
	why := saturation(p.Rounds)
	if why == "" {
		return p.Rounds
	}
	use := slices.DeleteFunc(slices.Clone(p.Rounds), Round.saturated)
	if float64(len(p.Rounds)-len(use)) > withholdShare*float64(len(p.Rounds)) {
		p.Withheld, use = why, p.Rounds
		why += "; no verdict"
	} else {
		why += "; the figures are without these rounds"
	}
	r.find(p.Title() + ": " + why)
	return use
}

// find adds a finding once.
func (r *runner) find(text string) {
	if r.seen == nil {
		r.seen = make(map[string]bool)
	}
	if len(r.out.Findings) < 40 && !r.seen[text] {
		r.seen[text] = true
		r.out.Findings = append(r.out.Findings, text)
	}
}
