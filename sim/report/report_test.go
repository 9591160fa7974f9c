package report

import (
	"bytes"
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

// TestPageEscapes: a scenario's text cannot become markup.
func TestPageEscapes(t *testing.T) {
	_, page := render(t, strings.Replace(scaled, "name: scaled", `name: "<img src=x>"`, 1), "</p><script>alert(1)</script>")
	for _, bad := range []string{"<script", "<img"} {
		if strings.Contains(page, bad) {
			t.Errorf("%q in the page", bad)
		}
	}
}
