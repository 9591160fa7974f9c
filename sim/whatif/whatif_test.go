package whatif

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"simplane/core"
	"simplane/core/recording"
	"simplane/sim"
	"simplane/sim/history"
	"simplane/sim/scenario"
)

func parse(t testing.TB, text string) *scenario.Scenario {
	t.Helper()
	sc, err := scenario.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

func record(t testing.TB, sc *scenario.Scenario) (*recording.Recording, *sim.Result) {
	t.Helper()
	rec := &recording.Recording{}
	r, err := sim.Run(sc, sim.Options{Record: rec})
	if err != nil || r.Violation != nil {
		t.Fatal(err, r.Violation)
	}
	rec.Header.Version = "test"
	return rec, r
}

func read(t testing.TB, rec *recording.Recording, o Options) *history.History {
	t.Helper()
	o.Bins = 50
	h, err := Read(rec, o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// overload has more calls than its slots can serve, retries and two functions.
const overload = `
name: overload
duration: 60s
core: {ttl: 20s, rateMaxPerSecond: 135}
functions:
  - {name: busy, concurrency: 4, queueSize: 60, maxRetries: 2, timeoutMillis: 2000, retryBackoff: {initialMs: 0}, behavior: {latency: {distribution: lognormal, p50: 35ms, p99: 200ms}, failureRate: 0.1}}
  - {name: calm, concurrency: 8, behavior: {latency: {distribution: exponential, mean: 20ms}}}
load:
  - {function: busy, mode: invoke, arrivals: {process: poisson, rate: 95}}
  - {function: calm, arrivals: {process: poisson, rate: 30}}
faults:
  - {at: 20s, kind: slowdown, function: busy, for: 10s, factor: 3}
  - {at: 45s, kind: update, function: busy, concurrency: 5, queueSize: 30}
`

// TestScenarioHasTheRecordedCalls, exactly, and the settings with their changes;
// it runs, and so it does from its files.
func TestScenarioHasTheRecordedCalls(t *testing.T) {
	rec, r := record(t, parse(t, overload))
	h := read(t, rec, Options{})
	sc, notes, err := Scenario("again", rec, h)
	if err != nil {
		t.Fatal(err)
	}
	var times []int64
	for i := range rec.Steps {
		if s := &rec.Steps[i]; s.Kind == core.StepAccept || s.Kind == core.StepRefuse {
			times = append(times, s.Mono-rec.Steps[0].Mono)
		}
	}
	slices.Sort(times)
	var got []int64
	for _, l := range sc.Load {
		for _, c := range l.Arrivals.Calls {
			got = append(got, int64(c.At))
			if c.Input != 7 {
				t.Fatalf("a call brings %d bytes, 7 were recorded", c.Input)
			}
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, times) || int64(len(got)) != r.Total.Get("offered") {
		t.Errorf("%d calls of %d, or at other times", len(got), len(times))
	}
	f := sc.Find("busy")
	if f.Concurrency != 4 || f.QueueSize != 60 || f.MaxRetries != 2 || f.TimeoutMillis != 2000 || f.RetryBackoff.InitialMillis != 0 || sc.Core.TTL != 20*time.Second {
		t.Errorf("%+v", f)
	}
	if len(sc.Faults) != 1 || sc.Faults[0].Kind != "update" || *sc.Faults[0].Change.Concurrency != 5 || sc.Faults[0].Change.MaxRetries != nil {
		t.Errorf("changes %+v", sc.Faults)
	}
	if at := sc.Faults[0].At; at < 44*time.Second || at > 46*time.Second {
		t.Errorf("the change is at %v", at)
	}
	if r.Total.Get("rejected.rate_limited") == 0 || sc.Core.RateMaxPerSecond != 135 {
		t.Errorf("the global limit is %d after %d refusals", sc.Core.RateMaxPerSecond, r.Total.Get("rejected.rate_limited"))
	}
	path := filepath.Join(t.TempDir(), "again.yaml")
	if err := Write(path, sc, strings.Join(notes, "\n")); err != nil {
		t.Fatal(err)
	}
	again, err := scenario.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	one, err := sim.Run(sc, sim.Options{})
	if err != nil || one.Violation != nil {
		t.Fatal(err, one.Violation)
	}
	two, err := sim.Run(again, sim.Options{})
	if err != nil || one.Digest != two.Digest || one.Total.Get("offered") != r.Total.Get("offered") {
		t.Errorf("%v: from files the digest is %s, from memory %s", err, two.Digest, one.Digest)
	}
}

// TestOwnError: with the settings unchanged the simulation is near what was
// recorded, and changed settings have the effect that they have on the original.
func TestOwnError(t *testing.T) {
	original := parse(t, overload)
	rec, _ := record(t, original)
	h := read(t, rec, Options{Function: "busy"})
	sc, _, err := Scenario("again", rec, h)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Compare(sc, h, []string{"concurrency=12", "queueSize=5"}, 5)
	if err != nil {
		t.Fatal(err)
	}
	near := func(what string, is, want, tolerance float64) {
		t.Helper()
		if math.Abs(is-want) > tolerance*want {
			t.Errorf("%s: %.4g, want %.4g within %.0f %%", what, is, want, 100*tolerance)
		}
	}
	same := &c.Simulated[0]
	for _, col := range c.columns() {
		is, _, _ := same.middle(col.of)
		switch was := col.of(&c.Recorded); col.name {
		case "goodput/s", "p50":
			near(col.name, is, was, 0.03)
		case "p99", "QUEUE_FULL", "retries":
			near(col.name, is, was, 0.12)
		}
	}
	// The same settings in the scenario that was recorded.
	for i, setting := range []string{"busy:concurrency=12", "busy:queueSize=5"} {
		other := original.Clone()
		if err := other.Set(setting); err != nil {
			t.Fatal(err)
		}
		truth, _ := record(t, other)
		want := read(t, truth, Options{Function: "busy"})
		figures := want.Of(want.Functions...)
		goodput, _, _ := c.Simulated[i+1].middle(func(f *history.Figures) float64 { return f.Goodput })
		p50, _, _ := c.Simulated[i+1].middle(func(f *history.Figures) float64 { return float64(f.P50) })
		near(setting+" goodput", goodput, figures.Goodput, 0.04)
		near(setting+" p50", p50, float64(figures.P50), 0.06)
		if figures.Goodput == c.Recorded.Goodput {
			t.Errorf("%s changes nothing: this test shows nothing", setting)
		}
	}
	var b strings.Builder
	if err := c.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"recorded", "simulated", "off by", "what if 1: concurrency=12", "what if 2", "goodput/s", "QUEUE_FULL", "medians of 5 seeds"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// TestPartOfARecording: what was under way at its beginning arrives then.
func TestPartOfARecording(t *testing.T) {
	rec, _ := record(t, parse(t, overload))
	h := read(t, rec, Options{Function: "busy", From: 25 * time.Second, Until: 35 * time.Second})
	sc, notes, err := Scenario("part", rec, h)
	if err != nil {
		t.Fatal(err)
	}
	calls := sc.Load[0].Arrivals.Calls
	first := 0
	for _, c := range calls {
		if c.At == 0 {
			first++
		}
	}
	if sc.Duration != 10*time.Second || first < 40 || len(calls) < 500 || calls[len(calls)-1].At >= 10*time.Second {
		t.Errorf("%v with %d calls, %d of them at the beginning", sc.Duration, len(calls), first)
	}
	if !slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, "were under way at the beginning") }) {
		t.Errorf("notes %q", notes)
	}
	c, err := Compare(sc, h, nil, 3)
	if err != nil {
		t.Fatal(err)
	}
	// Those in the queue had waited for a part of their timeout, and have all of it
	// in the scenario.
	if is, _, _ := c.Simulated[0].middle(func(f *history.Figures) float64 { return f.Goodput }); math.Abs(is/c.Recorded.Goodput-1) > 0.15 {
		t.Errorf("goodput %.1f, recorded %.1f", is, c.Recorded.Goodput)
	}
}

// TestAdmission: what refusals say of sync admission is in the scenario.
func TestAdmission(t *testing.T) {
	text := strings.Replace(overload, "rateMaxPerSecond: 135", "syncQueue: {enabled: true, maxConcurrency: 2, maxDepth: 9, maxEstimatedWait: 70ms, maxQueueWait: 150ms}", 1)
	rec, r := record(t, parse(t, text))
	sc, _, err := Scenario("again", rec, read(t, rec, Options{}))
	if err != nil {
		t.Fatal(err)
	}
	if r.Total.Get("rejected.est_wait") == 0 {
		t.Fatal("nothing was refused: this test shows nothing")
	}
	q := sc.Core.SyncQueue
	if !q.Enabled || q.MaxEstimatedWait != 70*time.Millisecond || (r.Total.Get("rejected.depth") > 0 && q.MaxDepth != 9) {
		t.Errorf("%+v", q)
	}
}

// TestScaled: a function that core scaled is scaled in the scenario.
func TestScaled(t *testing.T) {
	rec, _ := record(t, parse(t, `
name: scaled
duration: 60s
functions:
  - {name: up, timeoutMillis: 9000, scaling: {minReplicas: 0, maxReplicas: 5, concurrencyControl: {mode: STATIC_PER_POD, targetInFlightPerPod: 2}}, provider: {capacity: 2}, behavior: {latency: 300ms}}
load: [{function: up, mode: invoke, arrivals: {process: poisson, rate: 12}}]
`))
	h := read(t, rec, Options{})
	sc, notes, err := Scenario("again", rec, h)
	if err != nil {
		t.Fatal(err)
	}
	f := sc.Find("up")
	if f.Scaling.MaxReplicas != 5 || f.Provider.Capacity != 2 || f.Scaling.ConcurrencyControl.Mode != core.ConcurrencyStatic || len(notes) == 0 {
		t.Errorf("%+v", f)
	}
	r, err := sim.Run(sc, sim.Options{})
	if err != nil || r.Violation != nil {
		t.Fatal(err, r.Violation)
	}
	if got, want := float64(r.Total.Get("success")), float64(h.Of(h.Functions...).Success); math.Abs(got-want) > 0.02*want {
		t.Errorf("%v successes, %v were recorded", got, want)
	}
}

// TestWrongQuestions get an error that says what is wrong.
func TestWrongQuestions(t *testing.T) {
	rec, _ := record(t, parse(t, overload))
	for want, o := range map[string]Options{
		"has no function":     {Function: "nobody"},
		"nothing is recorded": {From: time.Hour},
	} {
		if _, err := Read(rec, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := Read(&recording.Recording{}, Options{}); err == nil {
		t.Error("no error for an empty recording")
	}
	h := read(t, rec, Options{})
	sc, _, err := Scenario("again", rec, h)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Compare(sc, h, []string{"concurency=3"}, 1); err == nil || !strings.Contains(err.Error(), "did you mean") {
		t.Errorf("%v", err)
	}
	long := *h.Functions[0]
	long.Calls = make([]history.Call, scenario.MaxRecorded+1)
	many := *h
	many.Functions = []*history.Function{&long}
	if _, _, err := Scenario("long", rec, &many); err == nil || !strings.Contains(err.Error(), "cut the recording with --from and --until") {
		t.Errorf("%v", err)
	}
}
