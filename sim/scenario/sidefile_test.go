package scenario

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"simplane/core/strictyaml"
)

const recordedScenario = `name: r
duration: 10s
functions:
  - name: f
    behavior: {attempts: r.attempts.csv}
  - name: g
    behavior: {latency: 5ms}
load:
  - {function: f, mode: invoke, arrivals: {process: exact, file: r.calls.csv}}
  - {function: f, mode: enqueue, arrivals: {process: exact, file: r.calls.csv}}
  - {function: g, arrivals: {process: exact, file: r.calls.csv}}
`

const goodCalls = `function,mode,at,inputBytes
# a comment
f,invoke,0,7
f,invoke,0.5,0
f,invoke,9.999999999,67108864
f,enqueue,1.000000001,1
g,enqueue,3,0
`

const goodAttempts = `function,at,took,ending,retryAfter,cold
f,0,0.040,success,0,false
f,0.5,1,error,0.25,true
f,2,0,permanent,0,false
f,3,30,none,0,false
`

// writeAll writes files beside each other and returns the scenario's path.
func writeAll(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "r.yaml")
}

// TestSideFiles: each load has its calls, each function its attempts, and written
// again they read back to the same.
func TestSideFiles(t *testing.T) {
	path := writeAll(t, map[string]string{"r.yaml": recordedScenario, "r.calls.csv": goodCalls, "r.attempts.csv": goodAttempts})
	s, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []Call{{At: 0, Input: 7}, {At: 500 * time.Millisecond}, {At: 10*time.Second - 1, Input: 64 << 20}}
	if got := s.Load[0].Arrivals.Calls; !reflect.DeepEqual(got, want) {
		t.Errorf("calls %v, want %v", got, want)
	}
	if got := s.Load[1].Arrivals.Calls; len(got) != 1 || got[0].At != time.Second+1 {
		t.Errorf("enqueued calls %v", got)
	}
	if got := s.Functions[0].Behavior.Attempts; len(got) != 4 || got[1] != (Attempt{At: 500 * time.Millisecond, Took: time.Second, Ending: Failed, RetryAfter: 250 * time.Millisecond, Cold: true}) || got[3].Ending != Unanswered {
		t.Errorf("attempts %+v", got)
	}
	if err := s.Unread(); err != nil {
		t.Error(err)
	}
	again := filepath.Join(t.TempDir(), "again.yaml")
	if err := WriteFiles(again, s, "a comment"); err != nil {
		t.Fatal(err)
	}
	back, err := ReadFile(again)
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.Load {
		if !reflect.DeepEqual(back.Load[i].Arrivals.Calls, s.Load[i].Arrivals.Calls) {
			t.Errorf("load %d reads back as %v", i, back.Load[i].Arrivals.Calls)
		}
	}
	if !reflect.DeepEqual(back.Functions[0].Behavior.Attempts, s.Functions[0].Behavior.Attempts) {
		t.Errorf("attempts read back as %+v", back.Functions[0].Behavior.Attempts)
	}
}

// TestParseReadsNoSideFile, and says so before anything runs.
func TestParseReadsNoSideFile(t *testing.T) {
	s, err := Parse("r.yaml", []byte(recordedScenario))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Unread(); err == nil || !strings.Contains(err.Error(), "r.yaml:9: load[0]") {
		t.Errorf("%v", err)
	}
}

// TestBadSideFiles: what is wrong is reported with file and line.
func TestBadSideFiles(t *testing.T) {
	for name, c := range map[string]struct{ calls, attempts, want string }{
		"absent":          {"", goodAttempts, `r.yaml:9: cannot read "r.calls.csv": no such file`},
		"empty":           {"# nothing\n", goodAttempts, "r.calls.csv:1: empty"},
		"another header":  {"function,at\n", goodAttempts, `r.calls.csv:1: its first row is not "function,mode,at,inputBytes"`},
		"columns":         {goodCalls + "f,invoke,1\n", goodAttempts, "r.calls.csv:8: not a row of 4 columns"},
		"quotes":          {goodCalls + "f,\"invoke,1,1\n", goodAttempts, "r.calls.csv:8: not a row"},
		"mode":            {goodCalls + "f,invok,9.999999999,1\n", goodAttempts, `r.calls.csv:8: mode: "invok" is unknown; did you mean "invoke"?`},
		"time":            {goodCalls + "f,invoke,1ms,1\n", goodAttempts, `r.calls.csv:8: at: "1ms" is not a time`},
		"negative":        {goodCalls + "f,invoke,-1,1\n", goodAttempts, `"-1" is not a time`},
		"far":             {goodCalls + "f,invoke,999999999,1\n", goodAttempts, "is not a time; write seconds such as 12.345678901, up to 34560000"},
		"decimals":        {goodCalls + "g,enqueue,4.1234567891,1\n", goodAttempts, "is not a time"},
		"order":           {goodCalls + "f,invoke,1,1\n", goodAttempts, "r.calls.csv:8: its time is before that of an earlier call of f; sort"},
		"size":            {goodCalls + "g,enqueue,4,67108865\n", goodAttempts, `inputBytes: "67108865" is not a whole number from 0 to 67108864`},
		"no calls":        {strings.ReplaceAll(goodCalls, "g,", "h,"), goodAttempts, "r.yaml:11: load[2]: r.calls.csv has no calls of g with mode enqueue"},
		"no attempts":     {goodCalls, strings.ReplaceAll(goodAttempts, "f,", "g,"), "r.yaml:4: functions[0]: r.attempts.csv has no attempts of f"},
		"ending":          {goodCalls, goodAttempts + "f,4,1,succeeded,0,false\n", `r.attempts.csv:6: ending: "succeeded" is unknown; did you mean "success"?`},
		"cold":            {goodCalls, goodAttempts + "f,4,1,success,0,yes\n", `cold: "yes" is unknown`},
		"attempts' order": {goodCalls, goodAttempts + "f,1,1,success,0,false\n", "r.attempts.csv:6: its time is before"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"r.yaml": recordedScenario, "r.calls.csv": c.calls, "r.attempts.csv": c.attempts}
			if c.calls == "" {
				delete(files, "r.calls.csv")
			}
			_, err := ReadFile(writeAll(t, files))
			var e *strictyaml.Error
			if !errors.As(err, &e) {
				t.Fatalf("error is %v, not a *strictyaml.Error", err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got:\n%v\nwant: %s", err, c.want)
			}
		})
	}
	for _, name := range []string{"../r.calls.csv", "/etc/passwd", "sub/r.csv", ".."} {
		text := strings.ReplaceAll(recordedScenario, "r.calls.csv", name)
		if _, err := ReadFile(writeAll(t, map[string]string{"r.yaml": text, "r.attempts.csv": goodAttempts})); err == nil || !strings.Contains(err.Error(), "is not the name of a file beside the scenario") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBadRecordedKeys: what does not go with recorded calls and attempts.
func TestBadRecordedKeys(t *testing.T) {
	for text, want := range map[string]string{
		strings.Replace(recordedScenario, "attempts: r.attempts.csv", "attempts: r.attempts.csv, failureRate: 0.1", 1): "attempts say how dispatches go; remove the other keys",
		strings.Replace(recordedScenario, "file: r.calls.csv}}", "}}", 1):                                              `exact arrivals needs "times"`,
		strings.Replace(recordedScenario, "file: r.calls.csv}}", "file: r.calls.csv, rate: 5}}", 1):                    `exact arrivals does not take "rate"`,
		strings.Replace(recordedScenario, "file: r.calls.csv}}", "file: r.calls.csv}, idempotencyKeys: 5}", 1):         "remove idempotencyKeys and inputs",
	} {
		if _, err := Parse("r.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func settableScenario(t *testing.T) *Scenario {
	t.Helper()
	s, err := Parse("s.yaml", []byte(`name: s
duration: 10s
functions:
  - {name: a.b, concurrency: 4}
  - {name: c, concurrency: 5, behavior: {latency: {distribution: exponential, mean: 5ms}}}
load: [{function: c, arrivals: {process: poisson, rate: 5}}]
faults:
  - {at: 1s, kind: update, function: c, concurrency: 9, queueSize: 7}
  - {at: 2s, kind: update, function: c, concurrency: 3}
`))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSet: settings of all functions, of one and of core; a scenario's updates do
// not undo them.
func TestSet(t *testing.T) {
	s := settableScenario(t)
	c := s.Clone()
	if err := c.Set("concurrency=12,a.b:queueSize=20,c:retryBackoff={initialMs: 5, maxMs: 50},retryBackoff.jitter=0,syncQueue.enabled=true,core.rateMaxPerSecond=77,c:behavior.latency=3ms"); err != nil {
		t.Fatal(err)
	}
	a, b := &c.Functions[0], &c.Functions[1]
	if a.Concurrency != 12 || b.Concurrency != 12 || a.QueueSize != 20 || b.QueueSize == 20 || b.RetryBackoff.InitialMillis != 5 || b.RetryBackoff.MaxMillis != 50 ||
		a.RetryBackoff.InitialMillis == 5 || a.RetryBackoff.Jitter != 0 || !c.Core.SyncQueue.Enabled || c.Core.RateMaxPerSecond != 77 || a.RateMaxPerSecond == 77 {
		t.Errorf("%+v\n%+v\n%+v", a, b, c.Core)
	}
	if len(c.Faults) != 1 || c.Faults[0].Change.Concurrency != nil || *c.Faults[0].Change.QueueSize != 7 {
		t.Errorf("updates %+v", c.Faults)
	}
	if o := &s.Functions[0]; o.Concurrency != 4 || len(s.Faults) != 2 || s.Faults[0].Change.Concurrency == nil || s.Core.SyncQueue.Enabled {
		t.Errorf("the original has changed: %+v %+v", o, s.Faults)
	}
	if _, err := Parse("again.yaml", Marshal(c, "")); err != nil {
		t.Error(err)
	}
}

// TestBadSettings say what is wrong and what would be right.
func TestBadSettings(t *testing.T) {
	for setting, want := range map[string]string{
		"concurency=3":                        `unknown setting "concurency"; did you mean "concurrency"?`,
		"concurrency":                         `"concurrency" is not a setting`,
		"concurrency=":                        `is not a setting`,
		"concurrency=many":                    `concurrency: "many" is not a whole number`,
		"concurrency=0":                       "out of range",
		"d:concurrency=3":                     `function "d" is not in it`,
		"name=x":                              `"name" cannot be set`,
		"retryBackoff.initial=3":              `unknown key "initial" in retryBackoff; did you mean "initialMs"?`,
		"concurrency.x=3":                     "concurrency has no parts",
		"core=3":                              "unknown setting",
		"syncQueue.maxDepth=-1":               "out of range",
		"retryBackoff={initialMs: 5":          "not valid YAML",
		"c:behavior.hangRate=2":               "out of range",
		"c:behavior.attempts=x.csv":           "attempts say how dispatches go",
		"scaling={minReplicas: 3}":            `scaling without "maxReplicas"`,
		"":                                    "is not a setting",
		"concurrency=1,,queueSize=2":          "is not a setting",
		"scaling.minReplicas=3":               "",
		"c:behavior.latency.mean=7ms":         "",
		"behavior.latency.distribution=weird": `"weird" is unknown`,
	} {
		err := settableScenario(t).Set(setting)
		if want == "" && err == nil {
			continue
		}
		if err == nil || want == "" || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", setting, err, want)
		}
	}
}

// FuzzSideFiles: no content makes it panic, and what is read can be written and
// read back.
func FuzzSideFiles(f *testing.F) {
	f.Add(goodCalls, goodAttempts)
	f.Add("function,mode,at,inputBytes\nf,invoke,1.,1\n", "function,at,took,ending,retryAfter,cold\nf,0,0,none,0,false\n")
	f.Fuzz(func(t *testing.T, calls, attempts string) {
		path := writeAll(t, map[string]string{"r.yaml": recordedScenario, "r.calls.csv": calls, "r.attempts.csv": attempts})
		s, err := ReadFile(path)
		if err != nil {
			return
		}
		if err := WriteFiles(path, s, ""); err != nil {
			t.Fatal(err)
		}
		back, err := ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back.Load[0].Arrivals.Calls, s.Load[0].Arrivals.Calls) || !reflect.DeepEqual(back.Functions[0].Behavior.Attempts, s.Functions[0].Behavior.Attempts) {
			t.Error("read back they are others")
		}
	})
}

// TestTimedCallsAndCounts: calls with service times of their own and counts of a
// trace read back as they were written; what is wrong is reported with its line.
func TestTimedCallsAndCounts(t *testing.T) {
	const text = `name: r
duration: 10m
functions: [{name: f}, {name: g}]
load:
  - {function: f, arrivals: {process: times, file: r.calls.csv}}
  - {function: g, arrivals: {process: trace, file: r.counts.csv}}
  - {function: g, arrivals: {process: times, times: [0s, 20ms, 20ms, 9m59.999999999s]}}
`
	const calls, counts = "function,mode,at,inputBytes,took\nf,enqueue,0,0,\nf,enqueue,1.5,7,0\nf,enqueue,2,0,123.456789012\n", "function,counts\ng,3*0 5 2*1 0\n"
	s, err := ReadFile(writeAll(t, map[string]string{"r.yaml": text, "r.calls.csv": calls, "r.counts.csv": counts}))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.Load[0].Arrivals.Calls, []Call{{}, {At: 1500 * time.Millisecond, Input: 7, Timed: true},
		{At: 2 * time.Second, Timed: true, Took: 123*time.Second + 456789012}}; !reflect.DeepEqual(got, want) {
		t.Errorf("calls %+v, want %+v", got, want)
	}
	if got, want := s.Load[1].Arrivals.Counts, []int32{0, 0, 0, 5, 1, 1, 0}; !reflect.DeepEqual(got, want) {
		t.Errorf("counts %v, want %v", got, want)
	}
	if got := s.Load[2].Arrivals.AllCalls(); len(got) != 4 || got[3].At != 10*time.Minute-1 {
		t.Errorf("times %v", got)
	}
	again := filepath.Join(t.TempDir(), "again.yaml")
	if err := WriteFiles(again, s, ""); err != nil {
		t.Fatal(err)
	}
	back, err := ReadFile(again)
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.Load {
		s.Load[i].Line, s.Load[i].Arrivals.Line = back.Load[i].Line, back.Load[i].Arrivals.Line
	}
	if !reflect.DeepEqual(back.Load, s.Load) {
		t.Errorf("read back as %+v, was %+v", back.Load, s.Load)
	}
	for _, c := range []struct{ name, text, want string }{
		{"r.counts.csv", counts + "g,1\n", "r.counts.csv:3: a second row of g"},
		{"r.counts.csv", "function,counts\ng,1 x\n", `r.counts.csv:2: counts: "x" is not a whole number`},
		{"r.counts.csv", "function,counts\ng,9999999*1\n", `"9999999" is not a whole number from 0 to 576000`},
		{"r.counts.csv", "function,counts\ng,576000*1 1\n", "more than 576000 minutes"},
		{"r.counts.csv", "function,counts\ng,\n", "r.counts.csv:2: counts: none"},
		{"r.counts.csv", "function,counts\nf,1\n", "load[1]: r.counts.csv has no counts of g"},
		{"r.calls.csv", "function,mode,at,inputBytes,took\nf,enqueue,0,0,1m\n", `r.calls.csv:2: took: "1m" is not a time`},
		{"r.calls.csv", "function,mode,at,inputBytes,took\nf,enqueue,0,0\n", "r.calls.csv:2: not a row of 5 columns"},
		{"r.yaml", strings.Replace(text, "20ms, 20ms", "20ms, 10ms", 1), "load[2].arrivals.times[2]: 10ms is before the time in front of it"},
		{"r.yaml", strings.Replace(text, "[0s, 20ms, 20ms, 9m59.999999999s]", "[]", 1), "r.yaml:7: arrivals: no times"},
		{"r.yaml", strings.Replace(text, "[0s, ", "[0s, 5, ", 1), `times[1]: "5" has no unit`},
		{"r.yaml", strings.Replace(text, "[0s, 20ms, 20ms, 9m59.999999999s]", "[10m]", 1), "begin at 10m0s, but load stops"},
	} {
		files := map[string]string{"r.yaml": text, "r.calls.csv": calls, "r.counts.csv": counts}
		files[c.name] = c.text
		if _, err := ReadFile(writeAll(t, files)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}
