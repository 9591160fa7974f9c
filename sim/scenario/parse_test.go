package scenario

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"simplane/core"
	"simplane/core/strictyaml"
)

const valid = `name: ok
duration: 10s
functions:
  - name: f
load:
  - function: f
    arrivals: {process: poisson, rate: 5}
`

// scaledFile is valid, with a function of one metric and a provider as given.
func scaledFile(metric, provider string) string {
	return strings.Replace(valid, "  - name: f\n", "  - name: f\n    scaling: {minReplicas: 1, maxReplicas: 2, metrics: [{type: "+metric+", target: 1}]}\n    provider: {"+provider+"}\n", 1)
}

// TestBadFiles: each kind of broken file is reported at its line, with what is
// wrong and what to do.
func TestBadFiles(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty":              {"", "bad.yaml:1: empty"},
		"only a comment":     {"# nothing\n", "bad.yaml:1: empty"},
		"only null":          {"\n~\n", "empty"},
		"binary":             {"name: x\n\x00\x01", "bad.yaml:2: not a text file"},
		"not UTF-8":          {"name: \xff\xfe", "bad.yaml:1: not a text file"},
		"syntax":             {"name: [x\n", "not valid YAML"},
		"tab":                {"name: x\n\tduration: 1s\n", "bad.yaml:2: not valid YAML"},
		"two documents":      {valid + "---\nname: y\n", "a second YAML document"},
		"a list":             {"- name: x\n", "bad.yaml:1: a list where a mapping is expected"},
		"unknown key":        {valid + "durration: 1s\n", `bad.yaml:8: unknown key "durration" in scenario; did you mean "duration"?`},
		"unknown deep key":   {strings.Replace(valid, "rate: 5", "rate: 5, ratee: 6", 1), `bad.yaml:7: load[0].arrivals: unknown key "ratee" in arrivals; did you mean "rate"?`},
		"key twice":          {valid + "name: y\n", `bad.yaml:8: key "name" is given twice`},
		"missing key":        {"name: x\nfunctions: [{name: f}]\n", `scenario without "duration"`},
		"wrong type":         {strings.Replace(valid, "rate: 5", "rate: fast", 1), `bad.yaml:7: load[0].arrivals.rate: "fast" is not a number`},
		"no value":           {strings.Replace(valid, "rate: 5", "rate: ", 1), "no value"},
		"list for scalar":    {strings.Replace(valid, "rate: 5", "rate: [5]", 1), "a list where a number is expected"},
		"negative rate":      {strings.Replace(valid, "rate: 5", "rate: -5", 1), `"-5" is out of range`},
		"huge rate":          {strings.Replace(valid, "rate: 5", "rate: 1e300", 1), "out of range"},
		"infinite rate":      {strings.Replace(valid, "rate: 5", "rate: .inf", 1), "out of range"},
		"rate not a number":  {strings.Replace(valid, "rate: 5", "rate: .nan", 1), "out of range"},
		"huge integer":       {valid + "seed: 99999999999999999999\n", "seed:"},
		"huge duration":      {strings.Replace(valid, "10s", "9999999h", 1), "bad.yaml:2: duration:"},
		"duration overflow":  {strings.Replace(valid, "10s", "99999999999999999h", 1), "bad.yaml:2: duration:"},
		"no unit":            {strings.Replace(valid, "10s", "10", 1), `has no unit; write 10ms or 10s`},
		"zero duration":      {strings.Replace(valid, "10s", "0s", 1), "out of range"},
		"unknown function":   {strings.Replace(valid, "function: f", "function: g", 1), `bad.yaml:6: load[0]: function "g" is not declared`},
		"function twice":     {strings.Replace(valid, "  - name: f\n", "  - name: f\n  - name: f\n", 1), `bad.yaml:5: functions[1].name: "f" is declared twice`},
		"copy's name":        {strings.Replace(valid, "  - name: f\n", "  - {name: f, copies: 3}\n  - name: f-2\n", 1), "has the name of another function"},
		"reserved name":      {strings.ReplaceAll(valid, "name: f", "name: total"), "'total' stands for the sums"},
		"bad name":           {strings.Replace(valid, "name: f", "name: a/b", 1), "is not a function name"},
		"no functions":       {"name: x\nduration: 1s\nfunctions: []\n", "empty; it needs at least 1"},
		"cyclic anchor":      {"name: x\nduration: 1s\nfunctions: &a\n- *a\n", "bad.yaml"},
		"self in itself":     {"name: x\nduration: 1s\nfunctions:\n- &f {name: f, behavior: *f}\n", "bad.yaml:4"},
		"merge key":          {"name: x\nduration: 1s\nfunctions:\n- &f {name: f}\n- {<<: *f, name: g}\n", "merge keys are not supported"},
		"probability":        {strings.Replace(valid, "name: f\n", "name: f\n    behavior: {failureRate: 1.5}\n", 1), "out of range; use 0 to 1"},
		"probabilities":      {strings.Replace(valid, "name: f\n", "name: f\n    behavior: {failureRate: 0.7, hangRate: 0.7}\n", 1), "make it at most 1"},
		"distribution":       {strings.Replace(valid, "name: f\n", "name: f\n    behavior: {latency: {distribution: lognormla, p50: 1s, p99: 2s}}\n", 1), `did you mean "lognormal"?`},
		"missing parameter":  {strings.Replace(valid, "name: f\n", "name: f\n    behavior: {latency: {distribution: lognormal, p50: 1s}}\n", 1), `lognormal latency needs "p99"`},
		"foreign parameter":  {strings.Replace(valid, "name: f\n", "name: f\n    behavior: {latency: {distribution: exponential, mean: 1s, p50: 1s}}\n", 1), `does not take "p50"`},
		"percentiles":        {strings.Replace(valid, "name: f\n", "name: f\n    behavior: {latency: {distribution: empirical, percentiles: {p50: 2s, p90: 1s}}}\n", 1), "not below that of p50"},
		"p99 below p50":      {strings.Replace(valid, "name: f\n", "name: f\n    behavior: {latency: {distribution: lognormal, p50: 2s, p99: 1s}}\n", 1), "swap them"},
		"never arrives":      {strings.Replace(valid, "rate: 5", "rate: 5, from: 11s", 1), "but load stops at 10s"},
		"to before from":     {strings.Replace(valid, "rate: 5", "rate: 5, from: 5s, to: 4s", 1), "no call would ever arrive"},
		"fault without for":  {valid + "faults: [{at: 1s, kind: outage, function: f}]\n", `outage fault needs "for"`},
		"fault unknown":      {valid + "faults: [{at: 1s, kind: outrage, function: f, for: 1s}]\n", `did you mean "outage"?`},
		"reconfigure naught": {valid + "faults: [{at: 1s, kind: reconfigure, function: f}]\n", "changes nothing"},
		"check of nothing":   {valid + "expect: [{op: '==', value: 1}]\n", "exactly one of count, latency and gauge"},
		"check of two":       {valid + "expect: [{count: success, gauge: in_flight, at: 1s, op: '==', value: 1}]\n", "it has 2"},
		"gauge without at":   {valid + "expect: [{gauge: in_flight, op: '==', value: 1}]\n", "needs 'at'"},
		"latency as number":  {valid + "expect: [{latency: e2e.p99, op: '<', value: 5}]\n", "not a duration"},
		"count as duration":  {valid + "expect: [{count: success, op: '<', value: 5ms}]\n", "not a whole number"},
		"operator":           {valid + "expect: [{count: success, op: '=<', value: 5}]\n", `"=<" is unknown`},
		"report: of whom":    {scaledFile("prometheus, name: lag", "") + "reports: [{at: 1s, function: g, type: cpu, value: 1}]\n", `bad.yaml:10: reports[0]: function "g" is not declared`},
		"report: untaken":    {scaledFile("prometheus, name: lag", "") + "reports: [{at: 1s, function: f, type: cpu, value: 1}]\n", `bad.yaml:10: report: function "f" is not scaled by cpu; add it`},
		"report: other name": {scaledFile("prometheus, name: lag", "") + "reports: [{at: 1s, function: f, type: prometheus, name: gap, value: 1}]\n", `is not scaled by prometheus "gap"`},
		"report: no name":    {scaledFile("prometheus, name: lag", "") + "reports: [{at: 1s, function: f, type: prometheus, value: 1}]\n", `bad.yaml:10: prometheus report needs "name"`},
		"report: a name":     {scaledFile("cpu", "") + "reports: [{at: 1s, function: f, type: cpu, name: x, value: 1}]\n", `bad.yaml:10: cpu report does not take "name"`},
		"report: no value":   {scaledFile("cpu", "") + "reports: [{at: 1s, function: f, type: cpu}]\n", `bad.yaml:10: reports[0]: report without "value"`},
		"report: negative":   {scaledFile("cpu", "") + "reports: [{at: 1s, function: f, type: cpu, value: -1}]\n", "bad.yaml:10: reports[0].value: \"-1\" is out of range"},
		"report: core's own": {scaledFile("rps", "") + "reports: [{at: 1s, function: f, type: rps, value: 1}]\n", `bad.yaml:10: reports[0].type: "rps" is unknown`},
		"report: not scaled": {valid + "reports: [{at: 1s, function: f, type: cpu, value: 1}]\n", `bad.yaml:8: report: function "f" is not scaled by cpu`},
		"report: NONE":       {strings.Replace(scaledFile("cpu", ""), "scaling: {", "scaling: {strategy: NONE, ", 1) + "reports: [{at: 1s, function: f, type: cpu, value: 1}]\n", "with strategy INTERNAL"},
		"report: modelled":   {scaledFile("cpu", "cpuPerExecution: 10") + "reports: [{at: 1s, function: f, type: cpu, value: 1}]\n", "bad.yaml:10: report: the cpu of function \"f\" follows from"},
		"metric: no name":    {scaledFile("prometheus", ""), `bad.yaml:4: prometheus metric needs "name"`},
		"metric: a name":     {scaledFile("rps, name: x", ""), `bad.yaml:4: rps metric does not take "name"`},
		"model: unused":      {scaledFile("rps", "cpuPerExecution: 10"), "bad.yaml:4: provider: nobody looks at cpuPerExecution"},
		"model: not scaled":  {strings.Replace(valid, "name: f\n", "name: f\n    provider: {cpuPerExecution: 10}\n", 1), "bad.yaml:4: provider: nobody looks at cpuPerExecution"},
		"model: too much":    {scaledFile("cpu", "cpuPerExecution: 30, capacity: 4"), "bad.yaml:4: provider: cpuPerExecution 30 times capacity 4 is above"},
		"model: percent":     {scaledFile("cpu", "cpuPerExecution: 101"), "out of range; use 0 to 100"},
		"model: interval":    {scaledFile("cpu", "cpuPerExecution: 10, reportInterval: 1ms"), "out of range; use 10ms to 1h"},
		"model: no cpu":      {scaledFile("cpu", "reportInterval: 5s"), "bad.yaml:4: provider: reportInterval without cpuPerExecution"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("bad.yaml", []byte(c.text))
			var e *strictyaml.Error
			if !errors.As(err, &e) {
				t.Fatalf("error is %v, not a *strictyaml.Error", err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got:\n%v\nwant: %s", err, c.want)
			}
			for _, line := range strings.Split(err.Error(), "\n") {
				if !strings.HasPrefix(line, "bad.yaml:") {
					t.Errorf("a problem that is not on one line: %q", line)
				}
			}
		})
	}
}

// TestAllProblemsAtOnce: mistakes are listed together, by line.
func TestAllProblemsAtOnce(t *testing.T) {
	_, err := Parse("bad.yaml", []byte(`name: x
duration: 1x
functions:
  - {name: f, concurency: 1}
load:
  - {function: g, arrivals: {process: poisson, rate: -1}}
`))
	for _, want := range []string{"bad.yaml:2:", "bad.yaml:4:", "bad.yaml:6: load[0].arrivals.rate", `bad.yaml:6: load[0]: function "g"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
}

// TestAliasBomb: a few lines that expand to millions of values are refused.
func TestAliasBomb(t *testing.T) {
	var b strings.Builder
	b.WriteString("name: x\nduration: 1s\nfunctions: [{name: f}]\nload:\n- function: f\n  arrivals:\n    process: trace\n    counts: &c [")
	b.WriteString(strings.Repeat("1,", 50_000) + "1]\n")
	for range 1000 {
		b.WriteString("- {function: f, arrivals: {process: trace, counts: *c}}\n")
	}
	if _, err := Parse("bomb.yaml", []byte(b.String())); err == nil || !strings.Contains(err.Error(), "aliases expand") {
		t.Errorf("got %v", err)
	}
}

// TestAliasesAreFine where they are no trick.
func TestAliasesAreFine(t *testing.T) {
	s, err := Parse("x.yaml", []byte(`name: x
duration: 1s
functions:
  - {name: f, behavior: &b {latency: 5ms}}
  - {name: g, behavior: *b}
`))
	if err != nil || s.Functions[1].Behavior.Latency.Value != 5*time.Millisecond {
		t.Errorf("%+v %v", s, err)
	}
}

// TestDefaults are the server's.
func TestDefaults(t *testing.T) {
	s, err := Parse("x.yaml", []byte(valid))
	if err != nil {
		t.Fatal(err)
	}
	if s.Core.RateMaxPerSecond != 1000 || s.Core.TTL != 300*time.Second || s.Core.CleanupTTL != 120*time.Second || s.Core.StaleTTL != 600*time.Second {
		t.Errorf("core: %+v", s.Core)
	}
	if f := s.Functions[0]; f.Concurrency != 4 || f.QueueSize != 100 || f.MaxRetries != 3 || f.TimeoutMillis != 30_000 {
		t.Errorf("function: %+v", f)
	}
}

// TestMarshalReadsBack: every published scenario survives writing and reading.
func TestMarshalReadsBack(t *testing.T) {
	files, _ := filepath.Glob("../../scenarios/*.yaml")
	if len(files) < 15 {
		t.Fatal("no scenarios found")
	}
	for _, file := range files {
		first, err := ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := Marshal(first, "a comment\nof two lines")
		second, err := Parse(file, text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if a, b := withoutPlaces(first), withoutPlaces(second); !reflect.DeepEqual(a, b) {
			t.Errorf("%s changed:\n%+v\n%+v\n%s", file, a, b, text)
		}
	}
}

// withoutPlaces drops what depends on the file's layout.
func withoutPlaces(s *Scenario) Scenario {
	c := *s
	c.Functions = append([]Function(nil), s.Functions...)
	c.Load = append([]Load(nil), s.Load...)
	c.Faults = append([]Fault(nil), s.Faults...)
	c.Reports = append([]Report(nil), s.Reports...)
	c.Expect = append([]Check(nil), s.Expect...)
	for i := range c.Functions {
		c.Functions[i].Line, c.Functions[i].Behavior.Latency.Line, c.Functions[i].Behavior.Latency.given = 0, 0, nil
		clearLines(reflect.ValueOf(&c.Functions[i]).Elem())
	}
	for i := range c.Load {
		c.Load[i].Line, c.Load[i].Arrivals.Line, c.Load[i].Arrivals.given = 0, 0, nil
	}
	for i := range c.Faults {
		c.Faults[i].Line, c.Faults[i].given = 0, nil
	}
	for i := range c.Reports {
		c.Reports[i].Line = 0
	}
	for i := range c.Expect {
		c.Expect[i].Line, c.Expect[i].given = 0, nil
	}
	return c
}

// clearLines sets every Line field to 0.
func clearLines(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Name == "Line" {
				v.Field(i).SetInt(0)
			} else if v.Type().Field(i).IsExported() {
				clearLines(v.Field(i))
			}
		}
	case reflect.Pointer:
		if !v.IsNil() {
			clearLines(v.Elem())
		}
	}
}

var update = flag.Bool("update", false, "write scenarios/scenario.schema.json")

// TestSchema: the published JSON Schema is the decoder's.
func TestSchema(t *testing.T) {
	const path = "../../scenarios/scenario.schema.json"
	if *update {
		if err := os.WriteFile(path, Schema(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	published, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(published, Schema()) {
		t.Error("scenarios/scenario.schema.json is not what the decoder takes; write it with: go test ./sim/scenario -run Schema -update")
	}
	var s struct {
		Properties map[string]struct {
			Items struct{ Properties map[string]any }
		}
	}
	if err := json.Unmarshal(published, &s); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Properties["functions"].Items.Properties["queueSize"]; !ok {
		t.Error("the schema does not know functions[].queueSize")
	}
}

// TestSchemaKeepsTheBounds: what a scenario hands to core has core's bounds in
// the schema.
func TestSchemaKeepsTheBounds(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	l := &core.Limits
	for path, b := range map[string]core.Bound[int64]{
		"core.rateMaxPerSecond": l.RateMaxPerSecond, "core.maxExecutions": l.MaxExecutions, "core.maxIdempotencyKeys": l.MaxIdempotencyKeys, "core.maxPayloadBytes": l.MaxPayloadBytes,
		"core.syncQueue.maxConcurrency": l.SyncQueueMaxConcurrency, "core.syncQueue.maxDepth": l.SyncQueueMaxDepth,
		"functions.concurrency": l.Concurrency, "functions.queueSize": l.QueueSize, "functions.maxRetries": l.MaxRetries,
		"functions.timeoutMillis": l.TimeoutMillis, "load.timeoutMillis": l.TimeoutMillis,
		"faults.queueSize": l.QueueSize, "faults.concurrency": l.Concurrency,
		"functions.scaling.minReplicas": l.MinReplicas, "functions.scaling.maxReplicas": l.MaxReplicas,
		"functions.scaling.concurrencyControl.targetInFlightPerPod": l.TargetPerPod,
		"functions.scaling.concurrencyControl.upscaleCooldownMs":    l.UpscaleCooldown,
	} {
		at := schema
		for _, key := range strings.Split(path, ".") {
			if items, ok := at["items"].(map[string]any); ok {
				at = items
			}
			at, _ = at["properties"].(map[string]any)[key].(map[string]any)
		}
		if at["minimum"] != float64(b.Min) || at["maximum"] != float64(b.Max) {
			t.Errorf("%s: %v to %v, want %d to %d", path, at["minimum"], at["maximum"], b.Min, b.Max)
		}
	}
}

// FuzzParse: whatever the bytes, Parse returns a scenario or a *strictyaml.Error whose
// problems have places; what it accepts can be written and read back.
func FuzzParse(f *testing.F) {
	f.Add([]byte(valid))
	f.Add([]byte(""))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("{\x00}"))
	f.Add([]byte("name: x\nduration: 1e999\nfunctions: [{name: f, behavior: {latency: {distribution: empirical, percentiles: {p0: 1ms}}}}]"))
	files, _ := filepath.Glob("../../scenarios/*.yaml")
	for _, file := range files {
		if data, err := os.ReadFile(file); err == nil && len(data) < 4096 {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse("fuzz.yaml", data)
		if err != nil {
			var e *strictyaml.Error
			if !errors.As(err, &e) || len(e.Problems) == 0 {
				t.Fatalf("%v", err)
			}
			for _, p := range e.Problems {
				if p.Line < 1 || p.What == "" || strings.Contains(p.Error(), "\n") {
					t.Fatalf("problem without a place, or on several lines: %q", p)
				}
			}
			return
		}
		if _, err := Parse("again.yaml", Marshal(s, "")); err != nil {
			t.Fatalf("accepted, but not when written: %v\n%s", err, Marshal(s, ""))
		}
	})
}
