package live

import (
	"context"
	"errors"
	"strings"
	"testing"

	"simplane/core/strictyaml"
	"simplane/server/client"
)

// TestWhatCannotBeCarriedOutIsRefused before anything is started: there is no
// executable to start.
func TestWhatCannotBeCarriedOutIsRefused(t *testing.T) {
	const head = "name: x\nduration: 2s\n"
	const load = "load: [{function: f, mode: invoke, arrivals: {process: constant, rate: 5}}]\n"
	const f = "functions: [{name: f}]\n"
	foreign, err := client.New("127.0.0.1:1", "")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text    string
		foreign bool
		want    []string
	}{
		"too long":         {"name: x\nduration: 11m\n" + f + load, false, []string{"test.yaml:1: duration: 11m0s", "at most 10m0s"}},
		"journal":          {head + "core: {journal: {enabled: true}}\n" + f + load, false, []string{"core.journal"}},
		"late answers":     {head + "functions: [{name: f, behavior: {lateCompletionRate: 0.1}}]\n" + load, false, []string{"test.yaml:3: functions[0].behavior.lateCompletionRate"}},
		"two answers":      {head + "functions: [{name: f, behavior: {duplicateCompletionRate: 0.1}}]\n" + load, false, []string{"functions[0].behavior.duplicateCompletionRate"}},
		"part of a second": {head + "functions: [{name: f, behavior: {failureRate: 1, retryAfter: 1500ms}}]\n" + load, false, []string{"functions[0].behavior.retryAfter: 1.5s", "use 2s"}},
		"many functions":   {head + "functions: [{name: f, copies: 101}]\n" + load, false, []string{"functions: 101"}},
		"many calls":       {head + f + strings.Replace(load, "rate: 5", "rate: 1000000", 1), false, []string{"load: more than 500000 calls"}},
		"clock jump":       {head + f + load + "faults: [{at: 1s, kind: clock-jump, by: 1h}]\n", false, []string{"test.yaml:5: faults[0].kind: clock-jump"}},
		"crash":            {head + "core: {journal: {enabled: true}}\n" + f + load + "faults: [{at: 1s, kind: crash, for: 1s}]\n", false, []string{"faults[0].kind: crash", "core.journal"}},
		"deletion":         {head + f + load + "faults: [{at: 1s, kind: delete-function, function: f}]\n", false, []string{"faults[0].kind: delete-function"}},
		"cancel":           {head + f + load + "faults: [{at: 1s, kind: cancel, function: f, share: 1}]\n", false, []string{"faults[0].kind: cancel"}},
		"redrive":          {head + f + load + "faults: [{at: 1s, kind: redrive, function: f}]\n", false, []string{"faults[0].kind: redrive"}},
		"update":           {head + f + load + "faults: [{at: 1s, kind: update, function: f, concurrency: 3}]\n", false, []string{"faults[0].kind: update"}},
		"told figures": {head + "functions: [{name: f, scaling: {minReplicas: 1, maxReplicas: 2, metrics: [{type: cpu, target: 50}]}}]\n" + load +
			"reports: [{at: 1s, function: f, type: cpu, value: 3}]\n", false, []string{"reports[0]", "functions[0].scaling.metrics"}},
		"other capacity": {head + "functions: [{name: f, scaling: {minReplicas: 1, maxReplicas: 2, concurrencyControl: {mode: STATIC_PER_POD, targetInFlightPerPod: 3}}}]\n" + load,
			false, []string{"functions[0].provider.capacity: 1"}},
		"processes elsewhere": {head + "functions: [{name: f, scaling: {minReplicas: 1, maxReplicas: 2}}]\n" + load, true, []string{"functions[0].scaling"}},
		"settings elsewhere":  {head + "core: {ttl: 40s, passOverLate: true, rateMaxPerSecond: 3}\n" + f + load, true, []string{"core.ttl", "--ttl 40s", "core.passOverLate", "--pass-over-late true"}},
		"slow work":           {head + "functions: [{name: f, concurrency: 1, timeoutMillis: 500000, behavior: {latency: 400s}}]\n" + load, false, []string{"duration: by its simulation"}},
		"short memory": {head + "core: {ttl: 20s}\n" + f + strings.Replace(load, "invoke", "enqueue", 1), false,
			[]string{"core.ttl: 20s", "use at least 32s"}},
	} {
		t.Run(name, func(t *testing.T) {
			opt := Options{Runs: MinRuns, Executable: "/nowhere"}
			if c.foreign {
				opt.Server = foreign
			}
			_, err := Run(context.Background(), parse(t, c.text), opt)
			var problems *strictyaml.Error
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want problems of the scenario", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in:\n%v", want, err)
				}
			}
			if name == "settings elsewhere" && strings.Contains(err.Error(), "rateMaxPerSecond") {
				t.Error("the rate can be set on a running server")
			}
		})
	}
	if _, err := Run(context.Background(), parse(t, head+f+load), Options{Runs: MinRuns - 1}); err == nil {
		t.Error("too few runs were taken")
	}
	elsewhere, _ := client.New("192.0.2.1:80", "")
	if _, err := Run(context.Background(), parse(t, head+f+load), Options{Runs: MinRuns, Server: elsewhere}); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("a server on another machine: %v", err)
	}
}

// TestSettingsAreServes: each has a flag, or serve would not start.
func TestSettingsAreServes(t *testing.T) {
	sc := parse(t, "name: x\nduration: 1s\ncore: {sweepInterval: 20ms}\nfunctions: [{name: f}]\n")
	n, err := (&run{sc: sc, opt: Options{Executable: simplane(t), Progress: func(string) {}}}).connect(t.Context())
	if err != nil {
		t.Fatal(err) // serve refuses flags that it does not know
	}
	if err := n.close(); err != nil {
		t.Fatal(err)
	}
}
