// Package compare measures A against B in one run: rounds alternate between
// them, so that what the machine does to one it does to the other.
package compare

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"simplane/bench/arrival"
	"simplane/bench/loadgen"
	"simplane/bench/ratio"
)

// Options of a comparison.
type Options struct {
	Rounds      int           // pairs, ratio.MinPairs..MaxRounds
	Round       time.Duration // measured time of one side in one round
	Warmup      time.Duration // before each, not measured
	Connections int
	Timeout     time.Duration
	Seed        uint64
	Confidence  float64 // such as 0.95
	// OpenFraction adds an open-loop phase at this share of the slower
	// side's throughput, the same rate for both; 0 leaves it out.
	OpenFraction float64
}

// MaxRounds bounds a comparison.
const MaxRounds = 1000

// Validate reports what makes the options unusable.
func (o Options) Validate() error {
	switch {
	case o.Rounds < ratio.MinPairs || o.Rounds > MaxRounds:
		return fmt.Errorf("rounds %d is out of range: want %d to %d", o.Rounds, ratio.MinPairs, MaxRounds)
	case o.OpenFraction < 0 || o.OpenFraction > 1:
		return fmt.Errorf("open fraction %v is out of range: want 0 to 1", o.OpenFraction)
	case !(o.Confidence > 0 && o.Confidence < 1):
		return fmt.Errorf("confidence %v is out of range: want between 0 and 1", o.Confidence)
	}
	probe := o.load(loadgen.Target{Name: "x", URL: "http://x/", Method: "GET", Weight: 1}, 0, 0)
	return probe.Validate()
}

func (o Options) load(t loadgen.Target, rate float64, round int) loadgen.Options {
	return loadgen.Options{
		Targets: []loadgen.Target{t}, Connections: o.Connections, Rate: rate, Arrival: arrival.Poisson,
		Seed: o.Seed + uint64(round), Warmup: o.Warmup, Duration: o.Round, Timeout: o.Timeout,
	}
}

// Sample is one side in one round.
type Sample struct {
	Throughput float64 `json:"throughput"` // successes per second
	P50Ms      float64 `json:"p50Ms"`
	P99Ms      float64 `json:"p99Ms"`
	Failed     int64   `json:"failed"`
	Unsent     int64   `json:"unsent"`
	// ServerCPUMicros is the server's CPU time per request; 0 when the
	// server is not a child of this run.
	ServerCPUMicros float64 `json:"serverCpuMicros"`
	ClientLimited   bool    `json:"clientLimited"`
}

// Round is one pair.
type Round struct {
	Order string `json:"order"` // "AB" or "BA"
	A     Sample `json:"a"`
	B     Sample `json:"b"`
}

// Row is one figure's comparison. Medians are over the rounds.
type Row struct {
	Name    string          `json:"name"`
	Unit    string          `json:"unit"`
	Higher  bool            `json:"higherIsBetter"`
	A       float64         `json:"medianA"`
	B       float64         `json:"medianB"`
	Ratio   *ratio.Estimate `json:"ratio,omitempty"` // A/B
	Problem string          `json:"problem,omitempty"`
}

// Phase is one kind of load.
type Phase struct {
	Name   string  `json:"name"`
	Rate   float64 `json:"rate,omitempty"` // open loop
	Rounds []Round `json:"rounds"`
	Rows   []Row   `json:"rows"`
}

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
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if progress == nil {
		progress = func(string) {}
	}
	r := &runner{o: o, a: a, b: b, progress: progress, out: &Result{A: a.Name, B: b.Name, Method: ratio.Method}}
	if err := r.phase(ctx, "closed loop, saturating", 0); err != nil {
		return nil, err
	}
	if o.OpenFraction > 0 && ctx.Err() == nil {
		rows := r.out.Phases[0].Rows
		rate := o.OpenFraction * math.Min(rows[0].A, rows[0].B)
		if rate >= 1 {
			name := fmt.Sprintf("open loop, Poisson arrivals at %.0f%% of the slower side's throughput", 100*o.OpenFraction)
			if err := r.phase(ctx, name, rate); err != nil {
				return nil, err
			}
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
	progress func(string)
	out      *Result
	errs     [2]errorCount
	seen     map[string]bool
}

func (r *runner) phase(ctx context.Context, name string, rate float64) error {
	p := Phase{Name: name, Rate: rate}
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
			r.progress(fmt.Sprintf("%s: round %d of %d, %s", name, round+1, r.o.Rounds, subject.Name))
			s, err := r.measure(ctx, subject, side, rate, round)
			if err != nil {
				return err
			}
			*into = s
		}
		if round >= 0 && ctx.Err() == nil {
			p.Rounds = append(p.Rounds, pair)
		}
	}
	r.findLimited(p)
	p.Rows = rows(p.Rounds, rate, r.o.Confidence)
	r.out.Phases = append(r.out.Phases, p)
	return nil
}

func (r *runner) measure(ctx context.Context, s *Subject, side rune, rate float64, round int) (Sample, error) {
	// The CPU clock runs through the warm-up as well, so its use per second
	// stands for the recorded part.
	before, start := s.cpu(), time.Now()
	res, _, err := loadgen.Run(ctx, r.o.load(s.Target, rate, max(0, round)), nil)
	if err != nil {
		return Sample{}, fmt.Errorf("%s: %w", s.Name, err)
	}
	used, wall := s.cpu()-before, time.Since(start)
	out := Sample{
		Throughput: res.Throughput, P50Ms: res.Latency.P50Ms, P99Ms: res.Latency.P99Ms,
		Failed: res.Failed, Unsent: res.Unsent, ClientLimited: res.ClientLimited,
	}
	if res.OK > 0 && s.server != nil {
		perSecond := float64(used.Microseconds()) / wall.Seconds()
		out.ServerCPUMicros = perSecond * res.ElapsedSeconds / float64(res.OK)
	}
	if round >= 0 {
		e := &r.errs[side-'A']
		e.bad += res.Failed + res.Unsent
		e.due += res.Total() + res.Unsent
		for _, f := range res.Failures {
			r.find(fmt.Sprintf("%s: %s (%s)", s.Name, f.Kind, f.Sample))
		}
	}
	return out, nil
}

// findLimited says where the client, or the machine it shares with the
// servers, was the bottleneck.
func (r *runner) findLimited(p Phase) {
	var a, b int
	for _, round := range p.Rounds {
		if round.A.ClientLimited {
			a++
		}
		if round.B.ClientLimited {
			b++
		}
	}
	if a+b > 0 {
		r.find(fmt.Sprintf("%s: the client or the machine it shares was saturated in %d rounds of A and %d of B, of %d; a difference may be larger than shown",
			p.Name, a, b, len(p.Rounds)))
	}
}

// find adds a finding once.
func (r *runner) find(text string) {
	if r.seen == nil {
		r.seen = make(map[string]bool)
	}
	if len(r.out.Findings) < 20 && !r.seen[text] {
		r.seen[text] = true
		r.out.Findings = append(r.out.Findings, text)
	}
}

// rows compares every figure over the rounds. In an open loop throughput is
// what was asked, so it is left out.
func rows(rounds []Round, rate, confidence float64) []Row {
	defs := []struct {
		Row
		optional bool // left out when a side cannot tell
		of       func(Sample) float64
	}{
		{Row{Name: "throughput", Unit: "/s", Higher: true}, false, func(s Sample) float64 { return s.Throughput }},
		{Row{Name: "latency p50", Unit: "ms"}, false, func(s Sample) float64 { return s.P50Ms }},
		{Row{Name: "latency p99", Unit: "ms"}, false, func(s Sample) float64 { return s.P99Ms }},
		{Row{Name: "server CPU per request", Unit: "µs"}, true, func(s Sample) float64 { return s.ServerCPUMicros }},
	}
	if rate > 0 {
		defs = defs[1:]
	}
	var out []Row
	for _, d := range defs {
		var a, b []float64
		for _, r := range rounds {
			a, b = append(a, d.of(r.A)), append(b, d.of(r.B))
		}
		if d.optional && (slices.Max(append(a, 0)) == 0 || slices.Max(append(b, 0)) == 0) {
			continue
		}
		row := d.Row
		row.A, row.B = median(a), median(b)
		if e, err := ratio.Paired(a, b, confidence); err != nil {
			row.Problem = err.Error()
		} else {
			row.Ratio = &e
		}
		out = append(out, row)
	}
	return out
}

func median(xs []float64) float64 {
	if len(xs) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(xs))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// Verdict puts a row into words.
func (row Row) Verdict(a, b string) string {
	if row.Ratio == nil {
		return row.Problem
	}
	if !row.Ratio.Differs() {
		return "no difference shown"
	}
	better, worse := a, b
	if (row.Ratio.Ratio > 1) != row.Higher {
		better, worse = b, a
	}
	f := row.Ratio.Ratio
	if f < 1 {
		f = 1 / f
	}
	return fmt.Sprintf("%s is better than %s by a factor of %.2f", better, worse, f)
}
