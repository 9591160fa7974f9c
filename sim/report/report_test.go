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
	if err := Write(&b, r, description); err != nil {
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
