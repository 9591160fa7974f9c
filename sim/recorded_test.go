package sim

import (
	"testing"
	"time"

	"simplane/core/recording"
	"simplane/sim/scenario"
)

// exact is a scenario with recorded calls and attempts, as it is when its side
// files have been read.
func exact(t *testing.T, core string, calls []scenario.Call, attempts []scenario.Attempt) *scenario.Scenario {
	t.Helper()
	sc := parse(t, `
name: exact
duration: 10s
core: {`+core+`}
functions: [{name: f, concurrency: 2, queueSize: 50, maxRetries: 2, timeoutMillis: 1000, retryBackoff: {initialMs: 100}, behavior: {attempts: x.csv}}]
load: [{function: f, mode: invoke, arrivals: {process: exact, file: y.csv}}]
`)
	sc.Load[0].Arrivals.Calls, sc.Functions[0].Behavior.Attempts = calls, attempts
	return sc
}

// TestRecordedAttempts: every ending, with the checker on.
func TestRecordedAttempts(t *testing.T) {
	ms := time.Millisecond
	var calls []scenario.Call
	for i := range 80 {
		calls = append(calls, scenario.Call{At: time.Duration(i) * 100 * ms, Input: int32(i % 5)})
	}
	for name, c := range map[string]struct {
		attempt scenario.Attempt
		counts  map[string]int64
	}{
		"success":   {scenario.Attempt{Took: 50 * ms}, map[string]int64{"success": 80, "retries": 0}},
		"at once":   {scenario.Attempt{}, map[string]int64{"success": 80}},
		"cold":      {scenario.Attempt{Took: 50 * ms, Cold: true}, map[string]int64{"success": 80, "cold_starts": 80}},
		"error":     {scenario.Attempt{Took: 10 * ms, Ending: scenario.Failed}, map[string]int64{"error": 80, "retries": 160}},
		"asking":    {scenario.Attempt{Took: 10 * ms, Ending: scenario.Failed, RetryAfter: 300 * ms}, map[string]int64{"error": 80, "retries": 160}},
		"permanent": {scenario.Attempt{Took: 10 * ms, Ending: scenario.FailedForGood}, map[string]int64{"error": 80, "retries": 0}},
		"none":      {scenario.Attempt{Took: 10 * ms, Ending: scenario.Unanswered}, map[string]int64{"success": 0, "retries": 0}},
	} {
		t.Run(name, func(t *testing.T) {
			r := mustRun(t, exact(t, "", calls, []scenario.Attempt{c.attempt}), Options{})
			for count, want := range c.counts {
				if got := r.Total.Get(count); got != want {
					t.Errorf("%s is %d, want %d", count, got, want)
				}
			}
			if r.Total.Get("offered") != 80 {
				t.Errorf("%d of 80 calls", r.Total.Get("offered"))
			}
			if name == "none" && r.Total.Get("timeout")+r.Total.Rejected() != 80 {
				t.Errorf("%d timeouts", r.Total.Get("timeout"))
			}
		})
	}
}

// TestRecordedSizes: the payload bound counts what the calls bring.
func TestRecordedSizes(t *testing.T) {
	slow := []scenario.Attempt{{Took: 900 * time.Millisecond}}
	run := func(size int32) *Result {
		var calls []scenario.Call
		for i := range 40 {
			calls = append(calls, scenario.Call{At: time.Duration(i) * time.Millisecond, Input: size})
		}
		return mustRun(t, exact(t, "maxPayloadBytes: 1048576", calls, slow), Options{})
	}
	if small, large := run(1000).Total.Get("rejected.store_full"), run(100_000).Total.Get("rejected.store_full"); small != 0 || large != 30 {
		t.Errorf("%d calls of 1 kB and %d of 100 kB were refused for want of room in 1 MiB, want 0 and 30", small, large)
	}
}

// TestOutageStaysWhereItWas: attempts go as those of about their time, whatever
// the settings.
func TestOutageStaysWhereItWas(t *testing.T) {
	var calls []scenario.Call
	var attempts []scenario.Attempt
	for i := range 1000 {
		at := time.Duration(i) * 10 * time.Millisecond
		a := scenario.Attempt{At: at, Took: 5 * time.Millisecond}
		if at >= 4*time.Second && at < 6*time.Second {
			a.Ending = scenario.FailedForGood
		}
		calls, attempts = append(calls, scenario.Call{At: at}), append(attempts, a)
	}
	sc := exact(t, "", calls, attempts)
	r := mustRun(t, sc, Options{Series: true})
	failed := r.Plot.Functions[0].Failed
	for i, n := range failed {
		at := r.Plot.Step * time.Duration(i)
		if n > 0 && (at < 3400*time.Millisecond || at > 6600*time.Millisecond) {
			t.Errorf("%d failures at %v", n, at)
		}
	}
	if got := r.Total.Get("error"); got < 190 || got > 210 {
		t.Errorf("%d failures, 200 attempts were recorded as such", got)
	}
}

// TestUnreadSideFiles are an error before the run, not a run without calls.
func TestUnreadSideFiles(t *testing.T) {
	if _, err := Run(exact(t, "", nil, []scenario.Attempt{{}}), Options{}); err == nil {
		t.Error("a run without its calls")
	}
	if _, err := Run(exact(t, "", []scenario.Call{{}}, nil), Options{}); err == nil {
		t.Error("a run without its attempts")
	}
}

// TestRecord keeps all steps of a process, and says when there is another.
func TestRecord(t *testing.T) {
	for file, crashes := range map[string]bool{"retry-storm": false, "crash-restart": true} {
		for _, sc := range published(t) {
			if sc.Name != file {
				continue
			}
			rec := &recording.Recording{}
			r := mustRun(t, sc, Options{Record: rec})
			plain := mustRun(t, sc, Options{})
			if r.Digest != plain.Digest {
				t.Errorf("%s: with a recording the digest is %s, without %s", file, r.Digest, plain.Digest)
			}
			if (rec.Dropped != "") != crashes || len(rec.Steps) == 0 || len(rec.Bases) < len(sc.Functions) || !rec.Header.Whole || rec.Header.Config.TTL != sc.Core.TTL {
				t.Errorf("%s: %d steps, %d bases, dropped %q, %+v", file, len(rec.Steps), len(rec.Bases), rec.Dropped, rec.Header)
			}
		}
	}
}

// TestTimedCalls take what they bring in every attempt, after a slowdown's factor,
// and the payload they bring is accounted for.
func TestTimedCalls(t *testing.T) {
	calls := []scenario.Call{{At: 0, Timed: true, Took: 3*time.Second + 1}, {At: 0}, {At: time.Second, Timed: true, Input: 1000, Took: 5 * time.Millisecond}, {At: 12 * time.Second, Timed: true, Took: time.Second}}
	sc, err := scenario.Parse("x.yaml", []byte(`
name: timed
duration: 20s
settle: 20m
functions: [{name: f, behavior: {latency: 40ms}}]
load: [{function: f, arrivals: {process: times, file: y.csv}}]
faults: [{at: 10s, kind: slowdown, function: f, factor: 2, for: 5s}]
`))
	if err != nil {
		t.Fatal(err)
	}
	sc.Load[0].Arrivals.Calls = calls
	r := mustRun(t, sc, Options{})
	want := (3*time.Second + 1 + 40*time.Millisecond + 5*time.Millisecond + 2*time.Second) / 4
	if f := r.Functions[0]; r.Violation != nil || f.Service.Mean != int64(want) || f.Service.Max != int64(3*time.Second+1) {
		t.Errorf("%v: mean %v, want %v", r.Violation, time.Duration(f.Service.Mean), want)
	}
}
