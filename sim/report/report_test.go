package report

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"simplane/sim"
	"simplane/sim/scenario"
)

func render(t *testing.T, text, description string) (*sim.Result, string) {
	t.Helper()
	sc, err := scenario.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	r, err := sim.Run(sc, sim.Options{Series: true})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	sc.Description = description
	if err := Write(&b, sc, r); err != nil {
		t.Fatal(err)
	}
	return r, b.String()
}

const scaled = `
name: scaled
duration: 60s
functions:
  - {name: plain}
  - name: up
    copies: 2
    behavior: {latency: 300ms}
    scaling: {minReplicas: 0, maxReplicas: 5, concurrencyControl: {mode: STATIC_PER_POD}}
load:
  - {function: plain, arrivals: {process: poisson, rate: 5}}
  - {function: up, arrivals: {process: poisson, rate: 10, to: 20s}}
`

// TestScaledFunctionsAreDrawn, and only those.
func TestScaledFunctionsAreDrawn(t *testing.T) {
	r, page := render(t, scaled, "")
	for _, want := range []string{"Instances of up", "Slots of up", "<h2>Scaling</h2>", ">wanted<", ">starting<"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in the page", want)
		}
	}
	if strings.Contains(page, "Instances of plain") {
		t.Error("instances of a function that has none")
	}
	f := r.Plot.Functions[1]
	most := func(s []int) (n int) {
		if len(s) != len(r.Plot.Ended) {
			t.Fatalf("%d values for %d steps", len(s), len(r.Plot.Ended))
		}
		for _, v := range s {
			n = max(n, v)
		}
		return n
	}
	// Two copies: what is drawn is of both.
	if w, n, s := most(f.Wanted), most(f.Replicas), most(f.Slots); w < 2 || n != w || s != 2*n {
		t.Errorf("at most %d wanted, %d ready, %d slots", w, n, s)
	}
	if most(f.Starting) == 0 {
		t.Error("none was ever starting")
	}
	if f := r.Plot.Functions[0]; f.Replicas != nil || f.Slots != nil {
		t.Error("instances were recorded of a function that has none")
	}
}

func TestUnscaledPageHasNoScaling(t *testing.T) {
	_, page := render(t, "name: x\nduration: 5s\nfunctions: [{name: f}]\nload: [{function: f, arrivals: {process: poisson, rate: 5}}]\n", "")
	if strings.Contains(page, "Instances of") || strings.Contains(page, "<h2>Scaling") {
		t.Error("a page without scaled functions has their charts")
	}
}

// TestRetriesAreDrawn, with what pauses and what fails, in a scenario that has
// them, and each function has one colour.
func TestRetriesAreDrawn(t *testing.T) {
	const text = `
name: retries
duration: 20s
functions:
  - {name: steady, maxRetries: 9, behavior: {latency: 500ms}}
  - {name: pausing, maxRetries: 1, retryBackoff: {initialMs: 2000, maxMs: 2000}, behavior: {failureRate: 0.5}}
load:
  - {function: steady, arrivals: {process: poisson, rate: 6}}
  - {function: pausing, arrivals: {process: poisson, rate: 5}}
`
	r, page := render(t, text, "")
	for _, title := range []string{"Queue depth", "Pausing between two attempts", "Retries", "Errors and timeouts"} {
		_, chart, found := strings.Cut(page, title)
		if first, second := strings.Index(chart, ">steady<"), strings.Index(chart, ">pausing<"); !found || first < 0 || first > second {
			t.Errorf("%s: drawn %v, steady named at %d and pausing at %d", title, found, first, second)
		}
	}
	f := &r.Plot.Functions[1]
	sum := func(s []int) (n int64) {
		for _, v := range s {
			n += int64(v)
		}
		return n
	}
	c := &r.Functions[1].Counts
	if retries, failed := sum(f.Retries), sum(f.Failed); retries != c.Get("retries") || failed != c.Get("error")+c.Get("timeout") || retries*failed == 0 {
		t.Errorf("drawn are %d retries and %d failures, counted %d and %d", retries, failed, c.Get("retries"), c.Get("error")+c.Get("timeout"))
	}
	if most := slices.Max(f.Pausing); most < 3 || f.Pausing[len(f.Pausing)-1] != 0 {
		t.Errorf("at most %d pause, %d in the end", most, f.Pausing[len(f.Pausing)-1])
	}
	if strings.Contains(page, "Instances of") {
		t.Error("instances of functions that have none")
	}
}

// TestPageEscapes: a scenario's text cannot become markup.
func TestPageEscapes(t *testing.T) {
	_, page := render(t, strings.Replace(scaled, "name: scaled", `name: "<img src=x>"`, 1), "</p><script>alert(1)</script>")
	for _, bad := range []string{"<script", "<img"} {
		if strings.Contains(page, bad) {
			t.Errorf("%q in the page", bad)
		}
	}
}

const outage = `
name: outage
duration: 60s
functions:
  - {name: pay, concurrency: 4, queueSize: 20, maxRetries: 0, behavior: {latency: 100ms}}
  - {name: idle}
load:
  - {function: pay, arrivals: {process: constant, rate: 50}}
faults:
  - {at: 20s, kind: outage, function: pay, for: 10s}
  - {at: 45s, kind: reconfigure, function: pay, concurrency: 8}
`

// TestOutageIsTold: refusals and errors by reason, how busy the slots were and how
// long the queue, the fault's time as a band, and that failing at once does not make
// the successes look quick.
func TestOutageIsTold(t *testing.T) {
	r, page := render(t, outage, "")
	for _, want := range []string{"queue_full", "POOL_ERROR", "<td class=\"n\">20</td>", `<title>outage of pay</title>`, `<title>reconfigure of pay</title>`, "p99 of failures", "p99 of successes"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in the page", want)
		}
	}
	f := &r.Functions[0]
	if f.PeakQueued != 20 || f.Errors["POOL_ERROR"] != f.Counts.Get("error") || f.Errors["POOL_ERROR"] == 0 {
		t.Errorf("peak %d, errors %v of %d", f.PeakQueued, f.Errors, f.Counts.Get("error"))
	}
	// 45 s with 4 slots and 15 s with 8, busy but for the outage and the end.
	if f.SlotSeconds != 45*4+15*8 || f.Utilisation() < 0.6 || f.Utilisation() > 0.95 {
		t.Errorf("%v slot seconds, %v of them in use", f.SlotSeconds, f.Utilisation())
	}
	if f.Failed.P99 > f.Succeeded.P50 || f.Succeeded.Count+f.Failed.Count != f.E2E.Count {
		t.Errorf("successes %+v, failures %+v, all %+v", f.Succeeded, f.Failed, f.E2E)
	}
	p := r.Plot
	during := int(25 / p.Step.Seconds())
	if p.Succeeded[during] != 0 || p.FailedP99[during] == 0 || p.P99[during] != 0 {
		t.Errorf("in the outage: %d successes, p99 %d, of failures %d", p.Succeeded[during], p.P99[during], p.FailedP99[during])
	}
	if i := &r.Functions[1]; i.Utilisation() != 0 || i.SlotSeconds == 0 {
		t.Errorf("a function without a call: %+v", i)
	}
}

// TestNoHeadlineWithoutACheck: what was not asked does not hold; what was is told.
func TestNoHeadlineWithoutACheck(t *testing.T) {
	for expect, want := range map[string]string{
		"": `<span class="dim">nothing was checked but the invariants`,
		"expect: [{count: success, function: pay, op: \">=\", value: 1}]\n":                   `<span class="pass">all checks hold`,
		"expect: [{count: error, function: idle, op: \"==\", value: 0}]\n":                    `<span class="miss">failed`,
		"expect: [{count: error, function: idle, op: \"==\", value: 0, allowNoData: true}]\n": `<span class="pass">all checks hold`,
		"expect: [{latency: e2e.p99, function: idle, op: \"<=\", value: 1s}]\n":               `<span class="miss">failed`,
		"expect: [{latency: e2e_failure.p99, function: pay, op: \"<=\", value: 10s}]\n":       `<span class="pass">all checks hold`,
		"expect: [{count: offered, function: idle, op: \"==\", value: 0}]\n":                  `<span class="pass">all checks hold`,
	} {
		if _, page := render(t, outage+expect, ""); !strings.Contains(page, want) {
			t.Errorf("with %q the page does not say %q", expect, want)
		}
	}
}
