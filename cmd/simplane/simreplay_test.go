package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"simplane/core"
	"simplane/core/recording"
)

// recorded is a recording of a scenario, made by sim run.
func recorded(t *testing.T, scenario string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "incident.rec")
	if code, _, stderr := simulate(t, "run", "--record", path, writeScenario(t, scenario)); code != 0 {
		t.Fatal(code, stderr)
	}
	return path
}

// altered is a recording in which one answer has another number of bytes.
func altered(t *testing.T, path string) string {
	t.Helper()
	rec, err := readRecording(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(rec.Steps) / 2; ; i++ {
		if rec.Steps[i].Kind == core.StepAnswer {
			rec.Steps[i].A++
			break
		}
	}
	out := filepath.Join(t.TempDir(), "altered.rec")
	if err := writeRecording(out, rec); err != nil {
		t.Fatal(err)
	}
	return out
}

const overloadScenario = `name: overload
duration: 20s
functions:
  - {name: checkout, concurrency: 4, queueSize: 50, maxRetries: 3, timeoutMillis: 2000, retryBackoff: {initialMs: 0}, behavior: {latency: {distribution: exponential, mean: 35ms}, failureRate: 0.1}}
  - {name: mail, behavior: {latency: 5ms}}
load:
  - {function: checkout, mode: invoke, arrivals: {process: poisson, rate: 120}}
  - {function: mail, arrivals: {process: poisson, rate: 10}}
`

// TestReplayExitCodes: 0 identical, 1 something differs, 2 not usable, each with
// what is the matter.
func TestReplayExitCodes(t *testing.T) {
	good := recorded(t, overloadScenario)
	raw, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, data []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	damaged := bytes.Clone(raw)
	damaged[len(damaged)/2] ^= 1
	empty := filepath.Join(t.TempDir(), "empty.rec")
	if err := writeRecording(empty, &recording.Recording{}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"identical":         {[]string{good}, 0, "identical: every decision"},
		"one function":      {[]string{good, "--function", "mail"}, 0, "identical"},
		"until":             {[]string{good, "--until", "5s"}, 0, "identical"},
		"differs":           {[]string{altered(t, good)}, 1, "<- differs"},
		"cut short":         {[]string{write("short.rec", raw[:len(raw)*2/3])}, 0, "the end of the file is missing"},
		"damaged":           {[]string{write("damaged.rec", damaged)}, 2, "checksum"},
		"not one":           {[]string{write("x.rec", []byte("hello"))}, 2, "no recording"},
		"nothing in it":     {[]string{empty}, 2, "unusable"},
		"absent":            {[]string{good + ".not"}, 2, "no such file"},
		"none":              {nil, 2, "give one recording"},
		"other function":    {[]string{good, "--function", "mial"}, 2, `no function "mial"`},
		"bad id":            {[]string{good, "--execution", "17"}, 2, "36 characters"},
		"unknown execution": {[]string{good, "--execution", "00000000-0000-0000-0000-000000000001"}, 2, "no step of execution"},
		"bad until":         {[]string{good, "--from", "5s", "--until", "3s"}, 2, "is not after --from"},
		"bad seeds":         {[]string{good, "--what-if", "concurrency=2", "--seeds", "0"}, 2, "use 1 to"},
		"bad setting":       {[]string{good, "--what-if", "concurency=2"}, 2, `did you mean "concurrency"?`},
		"all of what-if":    {[]string{good, "--all", "--what-if", "concurrency=2"}, 2, "leave out --to-scenario"},
		"from behind":       {[]string{good, "--from", "1h", "--to-scenario", good + ".yaml"}, 2, "nothing is recorded"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := simulate(t, append([]string{"replay"}, c.args...)...)
			if code != c.code || !strings.Contains(stdout+stderr, c.want) {
				t.Errorf("exit %d, want %d with %q:\n%s%s", code, c.code, c.want, stdout, stderr)
			}
		})
	}
}

// TestReplayAsJSON, of a recording that differs and of an execution in it.
func TestReplayAsJSON(t *testing.T) {
	good := recorded(t, overloadScenario)
	rec, err := readRecording(good)
	if err != nil {
		t.Fatal(err)
	}
	var out struct {
		Result    string
		Diverged  int
		Functions []struct {
			Name             string
			Steps, Identical int
			First            *struct {
				Why           string
				Recorded, Now []struct {
					Line   string
					Fields map[string]string
				}
				Before []string
			}
		}
		Execution *struct {
			ID     string
			Phases []struct{ State string }
			Steps  []string
		}
	}
	code, stdout, stderr := simulate(t, "replay", altered(t, good), "--json", "--execution", rec.Steps[0].ID.String())
	if err := json.Unmarshal([]byte(stdout), &out); err != nil || code != 1 {
		t.Fatal(code, err, stdout, stderr)
	}
	if out.Result != "diverged" || out.Diverged != 1 || len(out.Functions) < 2 || out.Execution == nil || len(out.Execution.Phases) == 0 {
		t.Errorf("%+v", out)
	}
	for _, f := range out.Functions {
		if f.First == nil {
			continue
		}
		if len(f.First.Before) != 40 || len(f.First.Recorded) == 0 || len(f.First.Now) == 0 || f.First.Recorded[0].Fields["output"] == f.First.Now[0].Fields["output"] &&
			f.First.Recorded[0].Fields["check"] == f.First.Now[0].Fields["check"] {
			t.Errorf("%+v", f.First)
		}
	}
}

// TestReplayPage has the plots and the slowest execution, and loads nothing.
func TestReplayPage(t *testing.T) {
	good, page := recorded(t, overloadScenario), filepath.Join(t.TempDir(), "page.html")
	if code, _, stderr := simulate(t, "replay", good, "--html", page); code != 0 {
		t.Fatal(code, stderr)
	}
	holds(t, page, "Queue depth", "Running", "Arrivals", "Refusals", "Retries", "Latency of successes", "One execution", "identical: every decision", "checkout", ">queued<", ">running<")
	if code, _, _ := simulate(t, "replay", altered(t, good), "--html", page); code != 1 {
		t.Error("exit", code)
	}
	holds(t, page, "The first difference", "recorded: ", "now: ", "come out differently")
}

func holds(t *testing.T, path string, words ...string) {
	t.Helper()
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range words {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("no %q in the page", want)
		}
	}
	for _, outside := range []string{"http://", "https://", "src=", "NaN"} {
		if bytes.Contains(page, []byte(outside)) {
			t.Errorf("%q in the page", outside)
		}
	}
}

// TestToScenario: what is written runs, with the invariants checked, and its
// calls are those of the recording.
func TestToScenario(t *testing.T) {
	good, out := recorded(t, overloadScenario), filepath.Join(t.TempDir(), "again.yaml")
	code, stdout, stderr := simulate(t, "replay", good, "--to-scenario", out)
	if code != 0 || !strings.Contains(stdout, "2 functions") || !strings.Contains(stdout, "note: ") {
		t.Fatal(code, stdout, stderr)
	}
	offered := func(args ...string) (n int64) {
		code, stdout, stderr := simulate(t, append([]string{"run", "--format", "json"}, args...)...)
		var r struct{ Counts map[string]map[string]int64 }
		if err := json.Unmarshal([]byte(stdout), &r); err != nil || code != 0 {
			t.Fatal(code, err, stderr)
		}
		return r.Counts["checkout"]["offered"]
	}
	if a, b := offered(writeScenario(t, overloadScenario)), offered(out); a != b || a < 1000 {
		t.Errorf("%d calls in the scenario, %d in its recording's", a, b)
	}
}

// TestWhatIf: recorded and simulated beside each other, in text, JSON and on a
// page.
func TestWhatIf(t *testing.T) {
	good, page := recorded(t, overloadScenario), filepath.Join(t.TempDir(), "page.html")
	args := []string{"replay", good, "--function", "checkout", "--what-if", "concurrency=8", "--what-if", "retryBackoff={initialMs: 500, maxMs: 2000},queueSize=10", "--seeds", "2", "--html", page}
	code, stdout, stderr := simulate(t, args...)
	if code != 0 {
		t.Fatal(code, stderr)
	}
	for _, want := range []string{"recorded", "simulated", "off by", "what if 1: concurrency=8", "queueSize=10", "medians of 2 seeds", "note: "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	holds(t, page, "What if", "off by", "Goodput", "concurrency=8", "99th percentile")
	code, stdout, _ = simulate(t, append(args, "--json")...)
	var c struct {
		Recorded  struct{ Goodput float64 }
		Simulated []struct {
			Settings string
			Runs     []struct{ Goodput float64 }
		}
	}
	if err := json.Unmarshal([]byte(stdout), &c); err != nil || code != 0 || len(c.Simulated) != 3 || len(c.Simulated[0].Runs) != 2 {
		t.Fatal(code, err, stdout)
	}
	if as, more := c.Simulated[0].Runs[0].Goodput, c.Simulated[1].Runs[0].Goodput; more < as*1.02 {
		t.Errorf("goodput %.1f as recorded and %.1f with twice the slots of an overloaded function", as, more)
	}
}
