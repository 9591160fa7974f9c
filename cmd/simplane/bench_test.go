package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"simplane/bench/report"
)

// bench runs one command line of simplane bench and returns its output, its
// error line and the exit code that run would end with.
func bench(t *testing.T, args ...string) (stdout, line string, code int) {
	t.Helper()
	root := rootCommand()
	if found, _, err := root.Find([]string{"bench"}); err != nil || found == root {
		root.AddCommand(benchCommand())
	}
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs(append([]string{"bench"}, args...))
	err := root.Execute()
	if err == nil {
		return out.String(), "", 0
	}
	var coded *exitError
	if errors.As(err, &coded) {
		return out.String(), err.Error(), coded.code
	}
	return out.String(), err.Error(), 1
}

func TestBenchRefusesBadFlags(t *testing.T) {
	url := "--url=http://127.0.0.1:1/"
	for _, c := range []struct {
		args string
		says string
	}{
		{"http", "one of --url"},
		{"http " + url + " --function x", "one of --url"},
		{"http --url=nonsense", "not an http"},
		{"http " + url + " --rate=-5", "--rate"},
		{"http " + url + " --rate=fast", "rate"},
		{"http " + url + " --rate=5 --arrival=bursty", "bursty"},
		{"http " + url + " --connections=0", "connections"},
		{"http " + url + " --duration=0s", "duration"},
		{"http " + url + " --timeout=1h", "timeout"},
		{"http " + url + " --idempotency=often", "often"},
		{"http " + url + " --idempotency=0", "idempotency"},
		{"http " + url + " --limit=p99", "p99<5ms"},
		{"http " + url + " --search", "limit"},
		{"http " + url + " --search --limit=p99=5ms --rate=5", "--search chooses"},
		{"http " + url + " --search --limit=p99=5ms --search-precision=7", "precision"},
		{"http " + url + " --body=a --payload-size=5", "exclude"},
		{"http " + url + " --body-file=/does/not/exist", "/does/not/exist"},
		{"http " + url + " --payload-size=-1", "payload size"},
		{"http " + url + " --header=nocolon", "nocolon"},
		{"http " + url + " --expect-status=abc", "abc"},
		{"http " + url + " --max-error-rate=2", "error rate"},
		{"http --function=x --server=ftp://127.0.0.1", "server"},
		{"http --function=x --mode=sing", "sing"},
		{"http --function=x --body={", "not JSON"},
		{"http --target=weight=2", "url= or name="},
		{"http --function=f-{n}", "--functions"},
		{"http --function=f --functions=9", "{n}"},
		{"http --function=f-{n} --functions=0", "functions 0"},
		{"http --function=f-{n} --functions=9 --spread=odd", "odd"},
		{"http --target=name=f --functions=9", "keys"},
		{"http --paths-file=/does/not/exist", "/does/not/exist"},
		{"http --requests=/does/not/exist", "/does/not/exist"},
		{"http http://127.0.0.1:1/ " + url, "not both"},
		{"http http://127.0.0.1:1/ http://127.0.0.1:2/", "unexpected argument"},
		{"http " + url + " --data=/does/not/exist", "/does/not/exist"},
		{"http " + url + " --stages=5s", "30s:500"},
		{"http " + url + " --stages=5s:5 --rate=5", "leave out --rate"},
		{"http " + url + " --slo=p99", "p99<5ms"},
		{"http " + url + " -o xml", "xml"},
		{"http " + url + " --search --slo=p99<5ms -o csv", "search"},
		{"http " + url + " stray", "stray"},
		{"http " + url + " --colour", "colour"},
		{"compare", "each side"},
		{"compare --a=simplane-invoke", "each side"},
		{"compare --a=magic --b=fasthttp-echo", "magic"},
		{"compare --a=fasthttp-echo --b=nethttp-echo --rounds=1", "rounds"},
		{"compare --a=fasthttp-echo --b=nethttp-echo --open-fraction=3", "fraction"},
		{"compare --a=fasthttp-echo --b=nethttp-echo --connections=0", "connections 0"},
		{"compare --a=fasthttp-echo --b=nethttp-echo --connections=2,many", "connections"},
		{"compare --a=fasthttp-echo --b=nethttp-echo --connections=2,16,2", "given twice"},
		{"compare --a=fasthttp-echo --b=nethttp-echo --expect=p98<=1", "p98"},
		{"compare --a=fasthttp-echo --b=nethttp-echo --expect=throughput", "throughput>=0.92"},
		{"compare --a=fasthttp-echo --b=nethttp-echo --expect=p99@3<=1", "3 connections are not measured"},
		{"compare --a=fasthttp-echo --b=nethttp-echo --a-binary=/bin/true", "--a-binary"},
		{"compare --a=fasthttp-echo --b=simplane-invoke --b-binary=/does/not/exist", "/does/not/exist"},
		{"compare --a=fasthttp-echo --b-url=https://127.0.0.1:1/", "plain http"},
		{"core --case=magic", "magic"},
		{"core --sizes=many", "many"},
		{"core --sizes=1e9", "size"},
		{"core --goroutines=0", "goroutines"},
		{"check --rounds=1", "rounds"},
		{"check --base=no-such-revision", "no-such-revision"},
		{"yardstick --kind=magic", "magic"},
		{"yardstick --kind=fasthttp-proxy", "backend"},
		{"nonsense", "nonsense"},
	} {
		_, line, code := bench(t, strings.Fields(c.args)...)
		if code != 2 || !strings.Contains(line, c.says) {
			t.Errorf("bench %s: exit %d, %q; want 2 and %q", c.args, code, line, c.says)
		}
	}
}

func fineServer(t *testing.T) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine") }))
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestBenchHTTPWritesAReport(t *testing.T) {
	out := filepath.Join(t.TempDir(), "r")
	stdout, line, code := bench(t, "http", "--url", fineServer(t), "--rate", "200", "--duration", "200ms", "--warmup", "0s",
		"--header", "Authorization: s3cret", "--expect-body", "fine", "--out", out)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, line)
	}
	d, err := report.Load(filepath.Join(out, "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	if !d.Passed || d.HTTP.OK != 40 || d.Settings["rate"] != "200" || !strings.Contains(d.Command, "--rate=200") {
		t.Errorf("passed %v, ok %d, settings %v, command %s", d.Passed, d.HTTP.OK, d.Settings, d.Command)
	}
	for _, name := range []string{"result.json", "report.html"} {
		b, err := os.ReadFile(filepath.Join(out, name))
		if err != nil || bytes.Contains(b, []byte("s3cret")) {
			t.Errorf("%s: %v, or it holds the header's value", name, err)
		}
	}
	if !strings.Contains(stdout, "open loop") || !strings.Contains(stdout, "report.html") {
		t.Errorf("output %q", stdout)
	}
}

func TestBenchHTTPFailsOnBrokenPromises(t *testing.T) {
	url := fineServer(t)
	quick := []string{"http", "--url", url, "--duration", "100ms", "--warmup", "0s", "--connections", "2"}
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--expect-body", "great"}, "body without"},
		{[]string{"--expect-status", "204"}, "status 200"},
		{[]string{"--limit", "max=1ns"}, "limit max<=1ns missed"},
		{[]string{"--slo", "max<1ns"}, "limit max<1ns missed"},
		{[]string{"--slo", "errors<1%", "--expect-status", "204"}, "limit errors<1% missed: 100%"},
		{[]string{"--slo", "rate>=1e6"}, "limit rate>=1e+06 missed"},
		{[]string{"--search", "--limit", "p50=1ns", "--search-start", "50"}, "no rate keeps p50<=1ns"},
	} {
		_, line, code := bench(t, append(quick, c.args...)...)
		if code != 1 || !strings.Contains(line, c.says) {
			t.Errorf("%v: exit %d, %q", c.args, code, line)
		}
	}
	if _, line, code := bench(t, append(quick, "--expect-status", "204", "--max-error-rate", "1")...); code != 0 {
		t.Errorf("allowed failures: exit %d, %q", code, line)
	}
}

// What is printed for programs is that alone.
func TestBenchHTTPFormats(t *testing.T) {
	quick := []string{"http", fineServer(t), "--stages", "100ms:0..400,200ms:400", "--connections", "4", "--slo", "errors<=100%", "--slo", "p99<1m"}
	if out, line, code := bench(t, append(quick, "-o", "json")...); code != 0 || !json.Valid([]byte(out)) || !strings.Contains(out, `"passed": true`) || !strings.Contains(out, `"100ms:0..400"`) {
		t.Errorf("json: exit %d, %q, %s", code, line, out)
	}
	out, line, code := bench(t, append(quick, "-o", "csv", "--out", filepath.Join(t.TempDir(), "r"))...)
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if code != 0 || err != nil || len(rows) < 3 || rows[0][4] != "p95_ms" {
		t.Errorf("csv: exit %d, %q, %v, %s", code, line, err, out)
	}
	out, line, code = bench(t, append(quick, "-o", "prometheus")...)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(out))
	if code != 0 || err != nil {
		t.Fatalf("prometheus: exit %d, %q, %v, %s", code, line, err, out)
	}
	sent := 0.0
	for _, m := range families["simplane_bench_requests"].GetMetric() {
		sent += m.GetGauge().GetValue()
	}
	if sent < 99 || sent > 101 || families["simplane_bench_passed"].GetMetric()[0].GetGauge().GetValue() != 1 || len(families["simplane_bench_latency_seconds"].GetMetric()) != 2 {
		t.Errorf("%v requests: %s", sent, out)
	}
	if out, _, code := bench(t, append(quick, "--slo", "rate>1e6", "-o", "prometheus")...); code != 1 || !strings.Contains(out, "simplane_bench_passed 0") {
		t.Errorf("a missed limit: exit %d, %s", code, out)
	}
}

func TestBenchHTTPReadsRequestsAndData(t *testing.T) {
	url := fineServer(t)
	dir := t.TempDir()
	requests, data := filepath.Join(dir, "r.jsonl"), filepath.Join(dir, "d.csv")
	write(t, requests, `{"url":"`+url+`/{{name}}"}`+"\n"+`{"url":"`+url+`/b","text":"{{name}}","weight":2}`+"\n")
	write(t, data, "name\nx\ny\n")
	quick := []string{"--rate", "200", "--duration", "200ms", "--warmup", "0s"}
	for _, args := range [][]string{{"--requests", requests, "--data", data}, {url + "/{{name}}", "--data", data}} {
		if out, line, code := bench(t, append(append([]string{"http"}, args...), quick...)...); code != 0 || !strings.Contains(out, "ok 40") {
			t.Errorf("%v: exit %d, %q, %s", args, code, line, out)
		}
	}
	r := runCLI(t, "GET "+url+"/\nX-A: b\n", append([]string{"bench", "http", "--requests", "-"}, quick...)...).ok()
	r.prints("ok 40")
	runCLI(t, "GET nonsense", append([]string{"bench", "http", "--requests", "-"}, quick...)...).fails(2, "(standard input): line 1")
	runCLI(t, "", "bench", "--help").ok().prints("yardstick")
}

func TestBenchSearchPasses(t *testing.T) {
	stdout, line, code := bench(t, "http", "--url", fineServer(t), "--search", "--limit", "p50=1m", "--search-start", "50", "--search-max", "100",
		"--duration", "100ms", "--warmup", "0s")
	if code != 0 || !strings.Contains(stdout, "100/s, the highest rate tried, keeps p50<=1m0s") {
		t.Errorf("exit %d, %q, output %q", code, line, stdout)
	}
}

func TestBenchCompareWritesAReport(t *testing.T) {
	out := filepath.Join(t.TempDir(), "r")
	quick := []string{"compare", "--a-url", fineServer(t), "--b-url", fineServer(t), "--connections", "1,2", "--rounds", "3", "--round", "50ms", "--warmup", "0s",
		"--open-fraction", "0"}
	stdout, line, code := bench(t, append(quick, "--out", out)...)
	if code != 0 || !strings.Contains(stdout, "2 connections, closed loop") {
		t.Fatalf("exit %d, %q, output %q", code, line, stdout)
	}
	d, err := report.Load(filepath.Join(out, "result.json"))
	if err != nil || len(d.Compare.Phases) != 2 || d.Compare.Phases[1].Connections != 2 || d.Compare.Phases[1].Rounds[0].A.P999Ms <= 0 {
		t.Errorf("%v, compare %+v", err, d.Compare)
	}
	page, err := os.ReadFile(filepath.Join(out, "report.html"))
	if err != nil || !bytes.Contains(page, []byte("<h2>1 connections")) || !bytes.Contains(page, []byte("<h2>2 connections")) {
		t.Errorf("%v: the page lacks a section", err)
	}
	_, line, code = bench(t, append(quick, "--expect", "p50@2<=0.000001")...)
	if code != 1 || !strings.Contains(line, "expected p50@2<=0.000001 at 2 connections") {
		t.Errorf("missed expectation: exit %d, %q", code, line)
	}
}

func TestBenchCore(t *testing.T) {
	out := filepath.Join(t.TempDir(), "r")
	stdout, line, code := bench(t, "core", "--case", "cycle-sync,lookup", "--sizes", "1e3", "--goroutines", "1,2",
		"--duration", "10ms", "--rounds", "1", "--out", out)
	if code != 0 || !strings.Contains(stdout, "cycle-sync") {
		t.Fatalf("exit %d, %q, output %q", code, line, stdout)
	}
	d, err := report.Load(filepath.Join(out, "result.json"))
	if err != nil || len(d.Core.Rows) != 4 || len(d.Core.Expiry) != 1 {
		t.Errorf("%v, core %+v", err, d.Core)
	}
}
