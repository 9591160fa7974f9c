package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"simplane/server/harness/node"
)

// gauge reads a function's gauge off the metrics page; -1 when it is absent.
func (f *fixture) gauge(metric, function string) int {
	f.t.Helper()
	a := f.call("GET", f.Mgmt+"/actuator/prometheus", "")
	n, err := node.Gauge(a.Body, metric, function)
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}

func (f *fixture) ready(name string) int { return f.gauge("function_replicas_ready", name) }

// script writes a Python program of its own directory, so that its processes
// can be told from all others.
func script(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "function.py")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// beside is a file in a script's directory.
func beside(script, name string) string { return filepath.Join(filepath.Dir(script), name) }

func touch(t *testing.T, file string) {
	t.Helper()
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// invokeAll invokes a function n times at once. wait returns when all have
// ended, and fails the test for each that did not succeed with its input.
func (f *fixture) invokeAll(name string, n int) (wait func()) {
	var calls sync.WaitGroup
	for i := range n {
		calls.Go(func() {
			input := strconv.Itoa(i)
			if r, err := f.tryInvoke(name, input); err != nil || r.Status != "success" || string(r.Output) != input {
				f.t.Errorf("invocation %d of %s: %+v, %v", i, name, r, err)
			}
		})
	}
	return calls.Wait
}

// With one replica a STDIO function runs as many calls at once as its
// concurrency says.
func TestStdioConcurrency(t *testing.T) {
	t.Parallel()
	f := start(t, node.Options{})
	file := script(t, stdioScript)
	f.register(fmt.Sprintf(`{"name":"lines","image":"none","runtimeMode":"STDIO","commands":["python3",%q],"concurrency":3,"timeoutMillis":60000}`, file))
	wait := f.invokeAll("lines", 7)
	f.eventually("three processes, and the others queue", func() bool {
		return len(node.Processes(file)) == 3 && f.gauge("function_in_flight", "lines") == 3 && f.gauge("function_queue_depth", "lines") == 4
	})
	if got := f.ready("lines"); got > 1 {
		t.Errorf("%d replicas are ready, one is wanted", got)
	}
	touch(t, beside(file, "go"))
	wait()
	f.do("DELETE", "/v1/functions/lines", 204)
	f.eventually("its processes are gone", func() bool { return len(node.Processes(file)) == 0 })
}

func (f *fixture) do(method, path string, status int) {
	f.t.Helper()
	if a := f.call(method, f.API+path, ""); a.Status != status {
		f.t.Fatalf("%s %s: status %d: %s", method, path, a.Status, a.Body)
	}
}

// quickScaling makes the autoscaler's pauses short.
var quickScaling = []string{
	"--autoscale-interval", "100ms", "--scale-up-cooldown", "100ms", "--scale-down-cooldown", "100ms",
	"--scale-down-window", "1s", "--scale-to-zero-grace", "500ms",
}

// A burst from zero to an autoscaled HTTP function: instances come, every call
// is answered, and nothing is left behind.
func TestBurstFromZeroOnAnAutoscaledHTTPFunction(t *testing.T) {
	t.Parallel()
	f := start(t, node.Options{Args: quickScaling})
	file := script(t, httpScript)
	f.register(fmt.Sprintf(`{"name":"web","image":"none","runtimeMode":"HTTP","commands":["python3",%q],"timeoutMillis":60000,
		"scalingConfig":{"strategy":"INTERNAL","minReplicas":0,"maxReplicas":3,
		"concurrencyControl":{"mode":"STATIC_PER_POD","targetInFlightPerPod":2}}}`, file))
	if n := len(node.Processes(file)); n != 0 {
		t.Fatalf("%d processes before the first invocation", n)
	}
	for round := range 2 {
		_ = os.Remove(beside(file, "go"))
		wait := f.invokeAll("web", 40)
		f.eventually("three instances run two calls each, and no more", func() bool {
			return f.ready("web") == 3 && f.gauge("function_in_flight", "web") == 6
		})
		if n := len(node.Processes(file)); n != 3 {
			t.Errorf("round %d: %d processes for three instances", round, n)
		}
		touch(t, beside(file, "go"))
		wait()
		f.eventually("all instances are gone", func() bool {
			return f.ready("web") == 0 && f.gauge("function_replicas_desired", "web") == 0 && len(node.Processes(file)) == 0
		})
	}
}

// burnScript keeps a processor busy until it is let go.
const burnScript = `
import json, os, sys
here = os.path.dirname(os.path.abspath(__file__))
for line in iter(sys.stdin.readline, ""):
    while not os.path.exists(os.path.join(here, "go")):
        sum(range(10000))
    print(json.dumps({"output": json.loads(line)["input"]}), flush=True)
`

// A function that is scaled by cpu gets more instances while a call keeps a
// processor busy, and gives them back. The target is so low that a call reaches
// it on a busy machine too.
func TestScaledByMeasuredCPU(t *testing.T) {
	t.Parallel()
	f := start(t, node.Options{Args: quickScaling})
	busy := script(t, burnScript)
	f.registerScaledByCPU("busy", busy, 5)
	burns := f.invokeAll("busy", 1)
	f.eventually("three instances are ready", func() bool { return f.ready("busy") == 3 && len(node.Processes(busy)) == 3 })
	touch(t, beside(busy, "go"))
	burns()
	f.eventually("one is left", func() bool { return f.ready("busy") == 1 && len(node.Processes(busy)) == 1 })
}

// registerScaledByCPU registers a function with a target in percent of one
// processor, which is also its limit where control groups can be written.
func (f *fixture) registerScaledByCPU(name, file string, target int) {
	f.t.Helper()
	f.register(fmt.Sprintf(`{"name":%q,"image":"none","runtimeMode":"STDIO","commands":["python3",%q],"timeoutMillis":590000,
		"resources":{"cpu":"1"},
		"scalingConfig":{"strategy":"INTERNAL","minReplicas":1,"maxReplicas":3,"metrics":[{"type":"cpu","target":%d}]}}`, name, file, target))
}
