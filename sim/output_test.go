package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"html/template"
	"math"
	"strings"
	"testing"
)

// TestJSONIsPlain for people and tools, and cannot close a script element where
// it is put into a page.
func TestJSONIsPlain(t *testing.T) {
	sc := parse(t, `
name: "</script><b>&"
duration: 1s
functions: [{name: f}]
load: [{function: f, arrivals: {process: burst, count: 3}}]
expect: [{count: success, op: ">=", value: 3}]
`)
	r := mustRun(t, sc, Options{})
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), `"want":">= 3"`) || !strings.Contains(b.String(), `"scenario":"</script><b>&"`) {
		t.Errorf("escaped: %s", b.String())
	}
	var back struct {
		Scenario string
		Checks   []CheckResult
	}
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || back.Scenario != sc.Name || len(back.Checks) != 1 {
		t.Errorf("read back as %+v, %v", back, err)
	}
	if n := strings.Count(b.String(), "\n"); n != 1 || !strings.HasSuffix(b.String(), "}\n") {
		t.Errorf("%d lines: %q", n, b.String())
	}

	marshalled, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var page bytes.Buffer
	if err := template.Must(template.New("").Parse(`<script>var r = {{.}};</script>`)).Execute(&page, r); err != nil {
		t.Fatal(err)
	}
	for name, html := range map[string]string{"json.Marshal": string(marshalled), "html/template": strings.TrimSuffix(page.String(), "</script>")} {
		if strings.Contains(html, "</script>") || strings.Contains(html, "<b>") {
			t.Errorf("%s lets markup through: %s", name, html)
		}
	}
}

// TestOutputsTellApart what succeeds from what fails, and why; a function of which
// all fails at once half of the time looks quick otherwise. Latencies of days are
// told apart, too.
func TestOutputsTellApart(t *testing.T) {
	sc := parse(t, `
name: apart
duration: 30h
core: {staleTtl: 96h}
functions:
  - {name: f, concurrency: 4, maxRetries: 0, timeoutMillis: 604800000, behavior: {latency: 30h}}
  - {name: g, behavior: {latency: 10ms}}
load:
  - {function: f, arrivals: {process: times, times: [0s, 29h]}}
  - {function: g, arrivals: {process: times, times: [0s]}}
faults: [{at: 28h, kind: outage, function: f, for: 2h}]
`)
	r := mustRun(t, sc, Options{})
	var line, text bytes.Buffer
	if err := errors.Join(r.WriteJSON(&line), r.WriteText(&text)); err != nil {
		t.Fatal(err)
	}
	var got struct {
		LatencyMs map[string]map[string]struct{ Count, P50, P99 float64 }
		Functions map[string]struct {
			Utilisation float64
			PeakQueue   int
			Errors      map[string]int64
		}
	}
	if err := json.Unmarshal(line.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	f, figures := got.LatencyMs["f"], got.Functions["f"]
	if f["e2e_success"].Count != 1 || f["e2e_success"].P50 != 30*3600e3 || f["e2e_failure"].Count != 1 || f["e2e_failure"].P99 != 1 || f["e2e"].Count != 2 {
		t.Errorf("%+v", f)
	}
	if math.Abs(figures.Utilisation-0.25) > 1e-6 || figures.Errors["POOL_ERROR"] != 1 || got.Functions["g"].Errors != nil {
		t.Errorf("%+v", got.Functions)
	}
	if !strings.Contains(text.String(), "f: e2e of successes p50 30h0m0s, p99 30h0m0s; of failures p50 1ms, p99 1ms\n") || strings.Contains(text.String(), "g: e2e") {
		t.Error(text.String())
	}
}
