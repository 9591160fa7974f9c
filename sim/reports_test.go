package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"simplane/sim/scenario"
)

// TestCPUModel: what is reported is the mean over time and over the instances
// that were ready, worked out by hand.
func TestCPUModel(t *testing.T) {
	r := mustRun(t, parse(t, `
name: cpu
duration: 20s
functions:
  - name: f
    timeoutMillis: 60000
    behavior: {latency: 4s}
    scaling: {minReplicas: 2, maxReplicas: 9, metrics: [{type: cpu, target: 1000}]}
    provider: {startup: 5s, capacity: 2, cpuPerExecution: 30, reportInterval: 10s}
load:
  - {function: f, arrivals: {process: burst, at: 0s, count: 3}}
  - {function: f, arrivals: {process: burst, at: 15s, count: 1}}
`), Options{KeepFrom: 1, KeepTo: 1000})
	var reports []string
	for _, line := range r.Kept {
		if strings.Contains(line, " report ") {
			reports = append(reports, line)
		}
	}
	want := []string{
		// Three run from 5 s to 9 s on two that are ready from 5 s: 12 of 10 s.
		"10.000000000 report f cpu 36",
		// One from 15 s to 19 s: 4 of 20 s.
		"20.000000000 report f cpu 6",
	}
	if !slices.Equal(reports, want) {
		t.Errorf("reported:\n%s\nwant:\n%s", strings.Join(reports, "\n"), strings.Join(want, "\n"))
	}
}

// TestNoInstanceNoFigure: nothing is reported of instances there are none of.
func TestNoInstanceNoFigure(t *testing.T) {
	r := mustRun(t, parse(t, `
name: none
duration: 60s
functions:
  - name: f
    scaling: {minReplicas: 0, maxReplicas: 9, metrics: [{type: cpu, target: 50}]}
    provider: {cpuPerExecution: 30, reportInterval: 1s}
load:
  - {function: f, arrivals: {process: burst, at: 30s, count: 1}}
`), Options{KeepFrom: 1, KeepTo: 1000})
	log := strings.Join(r.Kept, "\n")
	if first := strings.Index(log, " report "); first < strings.Index(log, " ready f 1") {
		t.Errorf("a figure before there was an instance, or none at all:\n%s", log)
	}
}

// TestReportsToDeletedFunctions are lost, as in production.
func TestReportsToDeletedFunctions(t *testing.T) {
	r := mustRun(t, parse(t, `
name: gone
duration: 40s
functions:
  - name: f
    copies: 2
    scaling: {minReplicas: 1, maxReplicas: 9, metrics: [{type: prometheus, name: lag, target: 10}]}
faults:
  - {at: 10s, kind: delete-function, function: f}
  - {at: 30s, kind: create-function, function: f}
reports:
  - {at: 20s, function: f, type: prometheus, name: lag, value: 90}
  - {at: 50s, function: f, type: prometheus, name: lag, value: 40}
expect:
  - {at: 29s, gauge: replicas, op: "==", value: 0}
  - {at: 49s, gauge: replicas, op: "==", value: 2}
  - {at: 55s, gauge: replicas, op: "==", value: 8}
`), Options{})
	for _, c := range r.Checks {
		if !c.Holds {
			t.Errorf("%s %s: got %s", c.Check, c.Want, c.Got)
		}
	}
}

// TestRivalTakesNoReports: scaled by another, core is told no figure.
func TestRivalTakesNoReports(t *testing.T) {
	for _, name := range []string{"autoscale-cpu", "autoscale-prometheus"} {
		sc, err := scenario.ReadFile("../scenarios/" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		r := mustRun(t, sc, Options{Unchecked: true, KeepFrom: 1, KeepTo: 1 << 20, Rival: func(*scenario.Function) Rival { return one{} }})
		for _, line := range r.Kept {
			if strings.Contains(line, " report ") {
				t.Fatal(line)
			}
		}
	}
}

// one is a rival that always wants one instance.
type one struct{}

func (one) Interval() time.Duration             { return time.Second }
func (one) Second(time.Duration, float64)       {}
func (one) Decide(time.Duration, int, bool) int { return 1 }
