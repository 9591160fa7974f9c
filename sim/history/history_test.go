package history_test

import (
	"math"
	"testing"
	"time"

	"simplane/core"
	"simplane/core/recording"
	"simplane/sim"
	"simplane/sim/history"
	"simplane/sim/scenario"
	"simplane/sim/swarm"
)

// run runs a scenario with a history of all of it.
func run(t *testing.T, sc *scenario.Scenario) (*sim.Result, *history.History) {
	t.Helper()
	begin := int64(time.Second) // of the simulated clock
	h := history.New(history.Options{From: begin, Until: math.MaxInt64, StaleTTL: sc.Core.StaleTTL, Bins: 10})
	r, err := sim.Run(sc, sim.Options{Recorder: h})
	if err != nil || r.Violation != nil {
		t.Fatal(err, r.Violation)
	}
	h.Close()
	return r, h
}

// same compares what the steps came to with what the simulator's witness has
// counted, which looks at events and not at steps.
func same(t *testing.T, sc *scenario.Scenario, r *sim.Result, h *history.History) {
	t.Helper()
	all := h.Of(h.Functions...)
	for name, got := range map[string]int64{
		"accepted": all.Accepted, "success": all.Success, "timeout": all.Timeouts, "retries": all.Retries,
		"idempotent_hits": all.Joined, "cancelled": all.Cancelled, "queue_wait_exceeded": all.Refused[core.CodeQueueWait],
		"rejected.queue_full": all.Refused[core.CodeQueueFull], "rejected.rate_limited": all.Refused[core.CodeRateLimited],
		"rejected.est_wait": all.Refused[core.CodeEstWait], "rejected.depth": all.Refused[core.CodeDepth],
		"rejected.store_full": all.Refused[core.CodeStoreFull],
	} {
		if want := r.Total.Get(name); got != want {
			t.Errorf("%s: %s is %d, the witness counts %d", sc.Name, name, got, want)
		}
	}
	if got, want := all.Errors+all.Cancelled+all.Refused[core.CodeQueueWait], r.Total.Get("error"); got != want {
		t.Errorf("%s: %d errors, the witness counts %d", sc.Name, got, want)
	}
}

// TestSameAsTheWitness: two accounts of a run, from steps and from events, agree.
func TestSameAsTheWitness(t *testing.T) {
	seeds, ran := uint64(60), 0
	if testing.Short() {
		seeds = 10
	}
	for seed := uint64(1); seed <= seeds; seed++ {
		sc, err := scenario.Parse("swarm.yaml", scenario.Marshal(swarm.Generate(seed, 10*time.Second), ""))
		if err != nil {
			t.Fatal(err)
		}
		if sc.Core.Journal.Enabled {
			continue // of a crash the steps do not tell
		}
		r, h := run(t, sc)
		same(t, sc, r, h)
		ran++
	}
	if ran < int(seeds)/2 {
		t.Errorf("only %d seeds were compared", ran)
	}
}

const overloaded = `
name: overloaded
duration: 20s
core: {ttl: 5s}
functions: [{name: f, concurrency: 4, queueSize: 20, maxRetries: 2, timeoutMillis: 500, retryBackoff: {initialMs: 50}, behavior: {latency: {distribution: exponential, mean: 60ms}, failureRate: 0.1}}]
load: [{function: f, mode: invoke, arrivals: {process: poisson, rate: 90}}]
`

func parse(t *testing.T, text string) *scenario.Scenario {
	t.Helper()
	sc, err := scenario.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

// TestLatencies are exact, and those of the witness's histogram within its
// resolution.
func TestLatencies(t *testing.T) {
	sc := parse(t, overloaded)
	sc.Functions[0].Behavior.FailureRate, sc.Functions[0].TimeoutMillis = 0, 60_000 // all succeed
	r, h := run(t, sc)
	same(t, sc, r, h)
	f, want := h.Of(h.Functions...), r.Functions[0].E2E
	for name, pair := range map[string][2]int64{"p50": {int64(f.P50), want.P50}, "p99": {int64(f.P99), want.P99}} {
		if off := math.Abs(float64(pair[0]-pair[1])) / float64(pair[1]); off > 0.002 {
			t.Errorf("%s is %v, in the witness's histogram %v", name, time.Duration(pair[0]), time.Duration(pair[1]))
		}
	}
	if r.Total.Rejected() == 0 || f.Retries != 0 {
		t.Errorf("%+v", f)
	}
}

// TestAttempts: each that is over is there once, with its time and its ending.
func TestAttempts(t *testing.T) {
	sc := parse(t, overloaded)
	sc.Functions[0].Behavior.HangRate = 0.05
	r, h := run(t, sc)
	f := h.Functions[0]
	var ends [4]int
	last := time.Duration(0)
	for _, a := range f.Attempts {
		ends[a.Ending]++
		if a.At < last || a.Took < 0 {
			t.Fatalf("%+v after %v", a, last)
		}
		last = a.At
		if a.Ending == scenario.Unanswered && a.Took != 500*time.Millisecond {
			t.Errorf("one without an answer took %v, its timeout is 500ms", a.Took)
		}
	}
	if ends[scenario.Succeeded] < int(f.Success) || ends[scenario.Failed] < int(r.Total.Get("retries")) || ends[scenario.Unanswered] == 0 {
		t.Errorf("%v of %+v", ends, h.Of(f))
	}
	if late := r.Total.Get("late_results"); ends[scenario.Succeeded]+ends[scenario.Failed]+ends[scenario.Unanswered] != len(f.Attempts) || late == 0 {
		t.Errorf("%v, %d late", ends, late)
	}
	if len(f.Calls) != int(r.Total.Get("offered")) {
		t.Errorf("%d calls, %d offered", len(f.Calls), r.Total.Get("offered"))
	}
}

// TestPart: what is under way at the beginning of a part counts as arriving then,
// and the parts of a run have all of its ends.
func TestPart(t *testing.T) {
	sc := parse(t, overloaded)
	begin, middle := int64(time.Second), int64(11*time.Second)
	rec := &recording.Recording{}
	if _, err := sim.Run(sc, sim.Options{Record: rec}); err != nil {
		t.Fatal(err)
	}
	part := func(from, until int64) (*history.Function, history.Figures) {
		h := history.New(history.Options{From: from, Until: until, Bins: 10})
		at := 0
		for _, b := range rec.Bases {
			for at < len(rec.Steps) && rec.Steps[at].Seq <= b.Seq {
				h.Step(rec.Steps[at])
				at++
			}
			h.Base(b)
		}
		for _, s := range rec.Steps[at:] {
			h.Step(s)
		}
		h.Close()
		return h.Functions[0], h.Of(h.Functions...)
	}
	_, all := part(begin, math.MaxInt64)
	one, first := part(begin, middle)
	two, second := part(middle, math.MaxInt64)
	if first.Success+second.Success != all.Success || first.Timeouts+second.Timeouts != all.Timeouts || first.AllRefused()+second.AllRefused() != all.AllRefused() {
		t.Errorf("%+v and %+v do not make %+v", first, second, all)
	}
	if two.Carried == 0 || one.Carried != 0 || first.Accepted+second.Accepted != all.Accepted+two.Carried {
		t.Errorf("%d and %d carried over, %d and %d accepted of %d", one.Carried, two.Carried, first.Accepted, second.Accepted, all.Accepted)
	}
	if two.Calls[0].At != 0 || two.Spec == nil {
		t.Errorf("%+v", two.Calls[0])
	}
}

// TestPlot: its sums are the figures.
func TestPlot(t *testing.T) {
	sc := parse(t, overloaded)
	h := history.New(history.Options{From: int64(time.Second), Until: int64(31 * time.Second), Bins: 30})
	if _, err := sim.Run(sc, sim.Options{Recorder: h}); err != nil {
		t.Fatal(err)
	}
	h.Close()
	f := h.Functions[0]
	sum := func(s []int) (n int64) {
		for _, v := range s {
			n += int64(v)
		}
		return n
	}
	all := h.Of(f)
	if sum(f.Plot.Arrived) != all.Offered || sum(f.Plot.Refused) != all.AllRefused() || sum(f.Plot.Retried) != all.Retries ||
		sum(f.Plot.Ended) != all.Success+all.Errors+all.Timeouts || sum(f.Plot.Failed) != all.Errors+all.Timeouts {
		t.Errorf("%+v is not %+v", f.Plot, all)
	}
	peak := 0
	for _, n := range f.Plot.Queued {
		peak = max(peak, n)
	}
	if all.PeakQueued != 20 || peak > 20 || peak < 5 || f.Plot.Queued[29] != 0 || f.Plot.Running[5] != 4 {
		t.Errorf("peak %d, drawn %v, running %v", all.PeakQueued, f.Plot.Queued, f.Plot.Running)
	}
}
