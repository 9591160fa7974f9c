package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// simulate executes one command line and returns its exit code and output.
func simulate(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	root := rootCommand()
	root.SetOut(&out)
	root.SetErr(&errOut)
	root.SetArgs(append([]string{"sim"}, args...))
	err := root.Execute()
	if err != nil {
		code = 1
		var coded *exitError
		if errors.As(err, &coded) {
			code = coded.code
		}
		if msg := err.Error(); msg != "" {
			errOut.WriteString(msg)
		}
	}
	return code, out.String(), errOut.String()
}

func writeScenario(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "scenario.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const tinyScenario = `name: tiny
duration: 2s
functions: [{name: f, behavior: {latency: 10ms}}]
load: [{function: f, arrivals: {process: constant, rate: 5}}]
expect: [{count: success, op: "==", value: 10}]
`

// TestSimExitCodes: 0 all checks hold, 1 one fails, 2 the file or the command
// line is wrong, with file and line.
func TestSimExitCodes(t *testing.T) {
	good := writeScenario(t, tinyScenario)
	failing := writeScenario(t, strings.Replace(tinyScenario, "value: 10", "value: 11", 1))
	crashing := writeScenario(t, "name: x\nduration: 2s\ncore: {journal: {enabled: true}}\nfunctions: [{name: f}]\nfaults: [{at: 1s, kind: crash, for: 1s}]\n")
	broken := writeScenario(t, strings.Replace(tinyScenario, "duration: 2s", "durration: 2s", 1))
	for name, c := range map[string]struct {
		args []string
		code int
		want string // in stdout or stderr
	}{
		"holds":            {[]string{"run", good}, 0, "tiny: ok"},
		"a check fails":    {[]string{"run", failing}, 1, "FAILS  count success == 11: got 10"},
		"invalid":          {[]string{"run", good, broken}, 2, broken + ":2: unknown key"},
		"absent":           {[]string{"run", good + ".not"}, 2, ":1: cannot read it"},
		"none given":       {[]string{"run"}, 2, "no scenario given"},
		"unknown format":   {[]string{"run", "--format", "xml", good}, 2, "use text, json"},
		"import what":      {[]string{"import-trace", "--out", good}, 2, "give --inv and --dur"},
		"import bad trace": {[]string{"import-trace", "--inv", good, "--dur", good, "--out", good + ".out"}, 2, "scenario.yaml"},
		"live of none":     {[]string{"live"}, 2, "no scenario given"},
		"live of two":      {[]string{"live", good, good}, 2, "one after the other"},
		"live, few runs":   {[]string{"live", "--runs", "38", good}, 2, "--runs 38: use 39"},
		"live crash":       {[]string{"live", crashing}, 2, crashing + ":5: faults[0].kind: crash"},
		"sweep":            {[]string{"sweep", "--set", "functions.f.concurrency=1,2", "--seeds", "2", good}, 0, "Means of 2 runs"},
		"sweep, slo kept":  {[]string{"sweep", "--set", "functions.f.concurrency=1,2", "--slo", "e2e.p99<=20ms", good}, 0, "functions.f.concurrency=1, with"},
		"sweep, not kept":  {[]string{"sweep", "--set", "functions.f.concurrency=1,2", "--slo", "e2e.p99<=1ms", good}, 1, "No setting keeps"},
		"sweep of none":    {[]string{"sweep", good}, 2, "no --set"},
		"sweep of two":     {[]string{"sweep", good, good}, 2, "give one"},
		"sweep, no seed":   {[]string{"sweep", "--seeds", "0", good}, 2, "use 1 to 1000"},
		"sweep, function":  {[]string{"sweep", "--set", "functions.g.concurrency=1", good}, 2, `function "g" is not in it; did you mean "f"?`},
		"sweep, key":       {[]string{"sweep", "--set", "functions.f.concurency=1", good}, 2, `did you mean "concurrency"?`},
		"sweep, slo":       {[]string{"sweep", "--set", "functions.f.concurrency=1", "--slo", "e2e.p99=1ms", good}, 2, "write FIGURE<=VALUE"},
		"compare":          {[]string{"compare", "--set", "concurrency=1", "--seeds", "2", good}, 0, "B: concurrency=1"},
		"compare two":      {[]string{"compare", "--seeds", "2", good, failing}, 0, "no difference seen"},
		"compare nothing":  {[]string{"compare", good}, 2, "nothing to compare with"},
		"compare, key":     {[]string{"compare", "--set", "concurency=1", good}, 2, `did you mean "concurrency"?`},
		"swarm of none":    {[]string{"swarm", "--seeds", "0"}, 2, "use 1 or more"},
		"swarm":            {[]string{"swarm", "--seeds", "3", "--duration", "2s"}, 0, "3 seeds from 1"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := simulate(t, c.args...)
			if code != c.code || !strings.Contains(stdout+stderr, c.want) {
				t.Errorf("exit %d, want %d with %q:\n%s%s", code, c.code, c.want, stdout, stderr)
			}
		})
	}
}

// TestImportKeepsTheTrace: neither the scenario nor a file beside it takes the place
// of a file of the trace, by whatever path.
func TestImportKeepsTheTrace(t *testing.T) {
	const text = "app,func,end_timestamp,duration\na,f,1.5,0.5\n"
	dir := t.TempDir()
	for _, c := range [][2]string{{"a.yaml", "a.yaml"}, {"b.calls.csv", "b.yaml"}, {"c.calls.csv", "sub/../c.yaml"}} {
		in := filepath.Join(dir, c[0])
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, "sub"), 0o700), os.WriteFile(in, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		code, _, stderr := simulate(t, "import-trace", "--trace-2021", in, "--out", dir+"/"+c[1])
		if code != 2 || !strings.Contains(stderr, "would be overwritten") {
			t.Errorf("%v: exit %d, %s", c, code, stderr)
		}
		if got, err := os.ReadFile(in); err != nil || string(got) != text {
			t.Errorf("%v: %q %v", c, got, err)
		}
	}
	if code, _, stderr := simulate(t, "import-trace", "--trace-2021", filepath.Join(dir, "b.calls.csv"), "--out", filepath.Join(dir, "d.yaml")); code != 0 {
		t.Error(code, stderr)
	}
}

// TestSimJSON has the documented form, and the seed of --seed.
func TestSimJSON(t *testing.T) {
	code, stdout, stderr := simulate(t, "run", "--format", "json", "--seed", "77", writeScenario(t, tinyScenario))
	if code != 0 {
		t.Fatal(code, stderr)
	}
	var r struct {
		Scenario       string
		Seed           uint64
		VirtualSeconds float64
		Digest         string
		Events         int64
		Counts         map[string]map[string]int64
		LatencyMs      map[string]map[string]map[string]float64
		Checks         []struct {
			Check, Got, Want string
			Holds            bool
		}
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatal(err)
	}
	if r.Scenario != "tiny" || r.Seed != 77 || r.VirtualSeconds < 2 || len(r.Digest) != 64 || r.Events == 0 {
		t.Errorf("%+v", r)
	}
	if r.Counts["total"]["success"] != 10 || r.Counts["f"]["offered"] != 10 || r.LatencyMs["f"]["e2e"]["p99"] != 10 {
		t.Errorf("%+v", r)
	}
	if _, ok := r.Counts["f"]["rejected.queue_full"]; !ok {
		t.Error("a documented count is missing when it is 0")
	}
	if len(r.Checks) != 1 || !r.Checks[0].Holds || r.Checks[0].Got != "10" || r.Checks[0].Want != "== 10" {
		t.Errorf("%+v", r.Checks)
	}
}

// TestSimOut writes event log, histograms and a report that needs nothing
// beside itself.
func TestSimOut(t *testing.T) {
	dir := t.TempDir()
	if code, _, stderr := simulate(t, "run", "--out", dir, writeScenario(t, tinyScenario)); code != 0 {
		t.Fatal(code, stderr)
	}
	events, err := os.ReadFile(filepath.Join(dir, "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range bytes.Split(bytes.TrimSpace(events), []byte("\n")) {
		var e struct {
			T     float64
			Event string
		}
		if err := json.Unmarshal(line, &e); err != nil || e.Event == "" {
			t.Fatalf("line %d: %v: %s", i+1, err, line)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "f-e2e.hgrm")); err != nil {
		t.Error(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<svg", "Queue depth", "prefers-color-scheme:dark", "Distribution"} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("no %q in the report", want)
		}
	}
	for _, outside := range []string{"http://", "https://", "src="} {
		if bytes.Contains(page, []byte(outside)) {
			t.Errorf("the report loads something: %q", outside)
		}
	}
}
