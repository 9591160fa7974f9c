package live

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"simplane/server/client"
	"simplane/server/harness/node"
	"simplane/sim/draws"
)

const overloaded = `
name: overloaded
seed: 3
duration: 2s
functions:
  - {name: f, concurrency: 2, queueSize: 3, maxRetries: 0, behavior: {latency: {distribution: exponential, mean: 40ms}}}
load: [{function: f, mode: invoke, arrivals: {process: poisson, rate: 80}}]
`

// TestEveryCallIsAccountedFor, on both sides, with the same calls and the same
// service times; and nothing is left running.
func TestEveryCallIsAccountedFor(t *testing.T) {
	c := carry(t, overloaded, Options{})
	simulated, real, m := c.counts(t, "f")
	balance(t, "simulated", simulated)
	balance(t, "real", real)
	if n := int64(len(c.calls)); n < 100 || simulated["offered"] != n || real["offered"] != n {
		t.Errorf("%d calls planned, %d simulated, %d made", n, simulated["offered"], real["offered"])
	}
	if simulated["rejected.queue_full"] == 0 || real["rejected.queue_full"] == 0 {
		t.Errorf("nothing was refused: %v, %v", simulated, real)
	}
	if len(m.findings) > 0 || int64(m.e2e.Count()) != real["accepted"] || int64(m.wait.Count()) != real[dispatched] {
		t.Errorf("%d of %d latencies, %d of %d waits; %v", m.e2e.Count(), real["accepted"], m.wait.Count(), real[dispatched], m.findings)
	}
	// The n-th dispatch draws the n-th service time.
	attempts, err := c.backends.seen()
	if err != nil || int64(len(attempts)) != real[dispatched] {
		t.Fatalf("%d attempts, %d dispatched, %v", len(attempts), real[dispatched], err)
	}
	var want, got []time.Duration
	service := draws.NewService(c.sc.Seed, "f", &c.sc.Functions[0].Behavior)
	for _, a := range attempts {
		got = append(got, a.drawn)
		want = append(want, time.Duration(service.Draw(0, 1, nil).Drawn))
		if a.answered-a.received < a.drawn {
			t.Errorf("answered after %v, drawn are %v", a.answered-a.received, a.drawn)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Error("the backend drew other service times than the scenario's")
	}
	if !gone(c.pid) {
		t.Errorf("the server's process %d is left", c.pid)
	}
	if conn, err := net.Dial("tcp", strings.TrimPrefix(c.backends.url, "http://")); err == nil {
		conn.Close()
		t.Error("the backends still listen")
	}
}

// TestOutcomesAreTheScenarios: what a scenario leaves no choice of is the same on
// both sides.
func TestOutcomesAreTheScenarios(t *testing.T) {
	c := carry(t, `
name: outcomes
duration: 2s
core: {rateMaxPerSecond: 0}
functions:
  - {name: fails, copies: 2, maxRetries: 2, retryBackoff: {initialMs: 20, jitter: 0.5}, behavior: {failureRate: 1, latency: 5ms}}
  - {name: hopeless, maxRetries: 2, behavior: {failureRate: 1, permanentRate: 1}}
  - {name: hangs, concurrency: 50, timeoutMillis: 150, behavior: {hangRate: 1}}
  - {name: cold, concurrency: 1, behavior: {latency: 1ms, coldStart: {initDuration: 30ms}}}
  - {name: out, maxRetries: 0}
  - {name: keyed, concurrency: 1}
load:
  - {function: fails, mode: enqueue, arrivals: {process: constant, rate: 5}}
  - {function: hopeless, mode: invoke, arrivals: {process: constant, rate: 5}}
  - {function: hangs, mode: invoke, arrivals: {process: constant, rate: 5}}
  - {function: cold, mode: invoke, arrivals: {process: burst, count: 20}}
  - {function: out, mode: invoke, arrivals: {process: constant, rate: 5, from: 100ms}}
  - {function: keyed, mode: invoke, idempotencyKeys: 3, arrivals: {process: constant, rate: 20}}
faults:
  - {at: 0s, kind: outage, function: out, for: 10m}
`, Options{})
	for name, want := range map[string]map[string]int64{
		"fails":    {"offered": 20, "accepted": 20, "error": 20, "retries": 40, dispatched: 60},
		"hopeless": {"offered": 10, "accepted": 10, "error": 10, "retries": 0, dispatched: 10},
		"hangs":    {"offered": 10, "accepted": 10, "timeout": 10, dispatched: 10},
		"cold":     {"offered": 20, "accepted": 20, "success": 20, "cold_starts": 1},
		"out":      {"offered": 10, "accepted": 10, "error": 10},
	} {
		simulated, real, m := c.counts(t, name)
		balance(t, "simulated "+name, simulated)
		balance(t, "real "+name, real)
		for count, n := range want {
			if simulated[count] != n || real[count] != n {
				t.Errorf("%s: %s is %d simulated and %d real, want %d", name, count, simulated[count], real[count], n)
			}
		}
		if int64(m.e2e.Count()) != real["accepted"] || len(m.findings) > 0 {
			t.Errorf("%s: %d of %d latencies, %v", name, m.e2e.Count(), real["accepted"], m.findings)
		}
	}
	// Which keys were drawn follows from the seed; each runs once.
	simulated, real, _ := c.counts(t, "keyed")
	if simulated["accepted"] != real["accepted"] || simulated["idempotent_hits"] != real["idempotent_hits"] || real["idempotent_hits"] == 0 {
		t.Errorf("keyed: %v simulated, %v real", simulated, real)
	}
	if real := c.measured["fails"]; slices.Min(real.e2es) < int64(25*time.Millisecond) {
		t.Errorf("two pauses of 10 ms at least took %v", time.Duration(slices.Min(real.e2es)))
	}
}

// TestCallersLeave, and what they have left is counted.
func TestCallersLeave(t *testing.T) {
	c := carry(t, `
name: leaving
duration: 2s
functions: [{name: f, concurrency: 1, maxRetries: 0, behavior: {latency: 3s}}]
load: [{function: f, mode: invoke, leaves: {after: 100ms}, arrivals: {process: constant, rate: 5}}]
`, Options{})
	simulated, real, m := c.counts(t, "f")
	balance(t, "simulated", simulated)
	balance(t, "real", real)
	for side, c := range map[string]map[string]int64{"simulated": simulated, "real": real} {
		if c["success"] != 1 || c["error"] != 9 {
			t.Errorf("%s: one runs and nine are left in the queue, not %v", side, c)
		}
	}
	if m.e2e.Count() != 10 || len(m.findings) > 0 {
		t.Errorf("%d latencies, %v", m.e2e.Count(), m.findings)
	}
}

// TestScaledFunctionsAreProcesses that the server starts, and that end with it.
func TestScaledFunctionsAreProcesses(t *testing.T) {
	c := carry(t, `
name: scaled
duration: 2s
functions:
  - name: f
    timeoutMillis: 60000
    behavior: {latency: 20ms}
    scaling: {minReplicas: 2, maxReplicas: 2, concurrencyControl: {mode: STATIC_PER_POD, targetInFlightPerPod: 2}}
    provider: {startup: 100ms, capacity: 2}
load: [{function: f, mode: invoke, arrivals: {process: constant, rate: 20}}]
`, Options{})
	simulated, real, m := c.counts(t, "f")
	if simulated["success"] != 40 || real["success"] != 40 || len(m.findings) > 0 {
		t.Errorf("%v simulated, %v real, %v", simulated, real, m.findings)
	}
	if !gone(c.pid) {
		t.Errorf("the server's process %d is left", c.pid)
	}
	if left := instancesOf(t, c.backends.url); len(left) > 0 {
		t.Errorf("instances are left: %v", left)
	}
}

// instancesOf are the processes whose command line names a backend.
func instancesOf(t *testing.T, url string) (pids []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(all) == 0 {
		t.Skip("no /proc to look at")
	}
	for _, path := range all {
		if line, err := os.ReadFile(path); err == nil && strings.Contains(string(line), url) {
			pids = append(pids, path)
		}
	}
	return pids
}

// TestForeignServerIsLeftAsItWas, whether the run went well, was refused or was
// interrupted.
func TestForeignServerIsLeftAsItWas(t *testing.T) {
	n, err := node.Start(node.Options{Binary: simplane(t), Args: []string{"--rate-max-per-second", "777"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Stop() })
	api, err := client.New(n.API, "")
	if err != nil {
		t.Fatal(err)
	}
	was, err := api.RuntimeConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	unchanged := func(functions int) {
		t.Helper()
		now, err := api.RuntimeConfig(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range was.Value.Settings() {
			if string(now.Value[key]) != string(was.Value[key]) {
				t.Errorf("%s was %s and is %s", key, was.Value[key], now.Value[key])
			}
		}
		list, err := api.Functions(t.Context())
		if err != nil || len(list.Value) != functions {
			t.Errorf("%d functions, want %d: %v", len(list.Value), functions, err)
		}
	}
	limited := strings.Replace(overloaded, "duration: 2s", "duration: 2s\ncore: {rateMaxPerSecond: 10}", 1)
	c := carry(t, limited, Options{Server: api})
	simulated, real, _ := c.counts(t, "f")
	balance(t, "simulated", simulated)
	balance(t, "real", real)
	if real["rejected.rate_limited"] == 0 {
		t.Errorf("the scenario's rate did not hold: %v", real)
	}
	unchanged(0)

	sc := parse(t, strings.Replace(overloaded, "duration: 2s", "duration: 5m", 1))
	ctx, cancel := context.WithCancel(t.Context())
	opt := Options{Server: api, Runs: MinRuns, Progress: func(what string) {
		if strings.Contains(what, "calls made") {
			cancel()
		}
	}}
	if _, err := Run(ctx, sc, opt); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	unchanged(0)

	if _, err := api.Register(t.Context(), []byte(`{"name":"f","image":"none","executionMode":"LOCAL"}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), parse(t, overloaded), Options{Server: api, Runs: MinRuns}); err == nil || !strings.Contains(err.Error(), "registering f") {
		t.Errorf("a name that is taken: %v", err)
	}
	unchanged(1)
}

// TestInterruptedRunLeavesNothing of what it has started.
func TestInterruptedRunLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := &run{sc: parse(t, strings.Replace(overloaded, "duration: 2s", "duration: 5m", 1)), patience: time.Minute}
	r.calls = plan(r.sc)
	said := 0
	r.opt = Options{Executable: simplane(t), Runs: MinRuns, Progress: func(what string) {
		if strings.Contains(what, "calls made") {
			if said++; said == 20 { // some calls are under way
				cancel()
			}
		}
	}}
	if err := r.carryOut(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted: %v", err)
	}
	if !gone(r.server.own.Pid()) {
		t.Errorf("the server's process %d is left", r.server.own.Pid())
	}
}
