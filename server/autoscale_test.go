package server

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"simplane/server/harness/node"
	"simplane/server/provider"
)

// gated is a STDIO function that answers once the file $GATE is there.
const gated = `import json, os, sys, time
for line in iter(sys.stdin.readline, ""):
    r = json.loads(line)
    while not os.path.exists(os.environ["GATE"]):
        time.sleep(0.01)
    print(json.dumps({"executionId": r["executionId"], "output": r["input"]}), flush=True)`

// fileGate is where a gated function waits.
type fileGate struct{ file string }

func newFileGate(t *testing.T) fileGate { return fileGate{filepath.Join(t.TempDir(), "gate")} }

// spec is the part of a function's spec that runs gated.
func (g fileGate) spec() string {
	return fmt.Sprintf(`"runtimeMode":"STDIO",%s,"env":{"GATE":%q}`, commands("python3", "-c", gated), g.file)
}

func (g fileGate) open(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(g.file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (g fileGate) close(t *testing.T) {
	t.Helper()
	if err := os.Remove(g.file); err != nil {
		t.Fatal(err)
	}
}

func quickScaling(cfg *Config) {
	cfg.Provider = ProviderProcess
	cfg.Core.AutoscaleInterval = 50 * time.Millisecond
	cfg.Core.ScaleUpCooldown = 100 * time.Millisecond
	cfg.Core.ScaleDownCooldown = 100 * time.Millisecond
	cfg.Core.ScaleDownWindow = 2 * time.Second
	cfg.Core.ScaleToZeroGrace = 500 * time.Millisecond
}

func commands(argv ...string) string {
	quoted := make([]string, len(argv))
	for i, a := range argv {
		quoted[i] = strconv.Quote(a)
	}
	return `"commands":[` + strings.Join(quoted, ",") + `]`
}

// gaugeOf reads a function's gauge off the metrics page; -1 when it is absent.
func (f *fixture) gaugeOf(metric, function string) int {
	f.t.Helper()
	a, err := f.try(f.mgmt, "GET", "/actuator/prometheus", "")
	if err != nil {
		f.t.Fatal(err)
	}
	n, err := node.Gauge(a.body, metric, function)
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}

func (f *fixture) ready(name string) int { return f.gaugeOf("function_replicas_ready", name) }

func TestAutoscaleFromZeroUpAndToZero(t *testing.T) {
	f, g := start(t, quickScaling), newFileGate(t)
	f.register("nap", "DEPLOYMENT", g.spec(),
		`"scalingConfig":{"strategy":"INTERNAL","minReplicas":0,"maxReplicas":3,"concurrencyControl":{"mode":"STATIC_PER_POD","targetInFlightPerPod":1}}`)
	if got := f.ready("nap"); got != 0 {
		t.Fatalf("%d instances before the first invocation", got)
	}

	// From zero: the first invocation waits for its instance, and that shows.
	g.open(t)
	a := f.invoke("nap", `1`).expect(200)
	if a.str("status") != "success" {
		t.Fatalf("the first invocation: %s", a.body)
	}
	st := f.get("/v1/executions/" + a.str("executionId")).expect(200)
	if st.raw("coldStart") != "true" || st.num("initDurationMs") <= 0 {
		t.Errorf("no cold start is reported: %s", st.body)
	}

	// Under load it grows to its maximum, and all work is served.
	g.close(t)
	var ids []string
	for i := range 60 {
		ids = append(ids, f.enqueue("nap", strconv.Itoa(i)).expect(202).str("executionId"))
	}
	f.eventually("three instances are ready", func() bool { return f.ready("nap") == 3 })
	if got := f.gaugeOf("function_effective_concurrency", "nap"); got != 3 {
		t.Errorf("%d slots with three instances of one", got)
	}
	g.open(t)
	for i, id := range ids {
		if e := f.ended(id); e.str("status") != "success" || e.raw("output") != strconv.Itoa(i) {
			t.Fatalf("execution %d: %s", i, e.body)
		}
	}

	f.eventually("all instances are gone", func() bool { return f.ready("nap") == 0 })
	if got := f.gaugeOf("function_replicas_desired", "nap"); got != 0 {
		t.Errorf("%d replicas are wanted when idle", got)
	}
	again := f.invoke("nap", `2`).expect(200)
	if st := f.get("/v1/executions/" + again.str("executionId")); st.raw("coldStart") != "true" {
		t.Errorf("after scaling to zero: %s", st.body)
	}
}

func TestAutoscaleMinimumIsReadyBeforeWork(t *testing.T) {
	f, g := start(t, quickScaling), newFileGate(t)
	g.open(t)
	f.register("warm", "DEPLOYMENT", g.spec(),
		`"scalingConfig":{"strategy":"INTERNAL","minReplicas":1,"maxReplicas":2}`)
	f.eventually("one instance is ready", func() bool { return f.ready("warm") == 1 })
	a := f.invoke("warm", `1`).expect(200)
	if st := f.get("/v1/executions/" + a.str("executionId")); st.raw("coldStart") != "false" {
		t.Errorf("a cold start with an instance ready: %s", st.body)
	}
}

// That the autoscaler goes on from there is core's, and tested there.
func TestReplicasByHand(t *testing.T) {
	f := start(t, quickScaling, func(cfg *Config) { cfg.Core.ScaleDownWindow, cfg.Core.ScaleToZeroGrace = time.Hour, time.Hour })
	f.register("hand", "DEPLOYMENT", newFileGate(t).spec(),
		`"scalingConfig":{"strategy":"INTERNAL","minReplicas":0,"maxReplicas":4}`)
	f.do("PUT", "/v1/functions/hand/replicas", `{"replicas":2}`).expect(200)
	f.eventually("two instances are ready", func() bool { return f.ready("hand") == 2 })
	f.do("PUT", "/v1/functions/hand/replicas", `{"replicas":5}`).refused(400, "VALIDATION_ERROR")
}

func TestReportedMetricScales(t *testing.T) {
	f := start(t, quickScaling, func(cfg *Config) { cfg.Core.ScaleToZeroGrace = 2 * time.Second })
	f.register("lag", "DEPLOYMENT", newFileGate(t).spec(),
		`"scalingConfig":{"strategy":"INTERNAL","minReplicas":1,"maxReplicas":3,"metrics":[{"type":"prometheus","name":"lag","target":10}]}`)
	f.register("plain", "LOCAL")
	f.eventually("one instance is ready", func() bool { return f.ready("lag") == 1 })
	const path = "/v1/internal/functions/lag:report-metric"
	f.post(path, `{"type":"prometheus","name":"lag","value":25}`).expect(204)
	f.eventually("three instances are ready", func() bool { return f.ready("lag") == 3 })
	f.post(path, `{"type":"prometheus","name":"lag","value":0}`).expect(204)
	f.eventually("one is left", func() bool { return f.ready("lag") == 1 })

	f.post("/v1/internal/functions/none:report-metric", `{"type":"cpu","value":1}`).refused(404, "NOT_FOUND")
	for body, want := range map[string]string{
		`{"type":"prometheus","name":"other","value":1}`: "metric: is not",
		`{"type":"rps","value":1}`:                       "metric: is not",
		`{"type":"prometheus","name":"lag"}`:             "value: is required",
		`{"type":"prometheus","name":"lag","value":-1}`:  "value: must be",
		`{"type":"prometheus","name":"lag","value":"x"}`: "value: must be a number",
	} {
		if got := f.post(path, body).refused(400, "VALIDATION_ERROR").details(); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %q", body, got, want)
		}
	}
	f.post(path, `{"type":`).expect(400)
	f.post("/v1/internal/functions/plain:report-metric", `{"type":"cpu","value":1}`).refused(400, "VALIDATION_ERROR")
}

// keptProvider has instances from an earlier run.
type keptProvider struct {
	provider.Provider // nil: nothing else is called

	mu    sync.Mutex
	calls []int
}

func (p *keptProvider) Watch(func(provider.Status)) func() { return func() {} }

func (p *keptProvider) made() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]int(nil), p.calls...)
}

func (p *keptProvider) Provision(context.Context, provider.Deployment) error { return nil }
func (p *keptProvider) Deprovision(context.Context, string) error            { return nil }
func (p *keptProvider) Close(context.Context) error                          { return nil }
func (p *keptProvider) Status(string) (provider.Status, bool) {
	return provider.Status{Desired: 3, Ready: 2}, true
}
func (p *keptProvider) SetReplicas(_ context.Context, _ string, n int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, n)
	return nil
}

// TestAutoscalerGoesOnFromWhatRuns: after a restart the provider may have more
// instances than the minimum; none is taken away before the load is known.
func TestAutoscalerGoesOnFromWhatRuns(t *testing.T) {
	p := &keptProvider{}
	f := start(t, quickScaling, func(cfg *Config) {
		cfg.Provider, cfg.Made = ProviderKubernetes, map[string]provider.Provider{ProviderKubernetes: p}
		cfg.Core.ScaleDownWindow, cfg.Core.ScaleToZeroGrace = time.Hour, time.Hour
	})
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		f.register(name, "DEPLOYMENT", `"scalingConfig":{"strategy":"INTERNAL","minReplicas":1,"maxReplicas":5}`)
		if got := f.gaugeOf("function_replicas_desired", name); got != 3 {
			t.Errorf("%s: %d replicas are wanted, 3 are there", name, got)
		}
		f.eventually("the provider is asked", func() bool { return len(p.made()) > 0 })
	}
	for _, n := range p.made() {
		if n != 3 {
			t.Errorf("the provider was asked for %v", p.made())
			break
		}
	}
}

// measuringProvider measures its instances, like one made before the server.
type measuringProvider struct {
	keptProvider
	report  func(string, provider.Metric, float64)
	problem atomic.Pointer[string]
}

func (p *measuringProvider) ReportTo(report func(string, provider.Metric, float64)) {
	p.report = report
}

func (p *measuringProvider) Status(string) (provider.Status, bool) {
	s := provider.Status{Desired: 3, Ready: 3}
	if why := p.problem.Load(); why != nil {
		s.MetricsError = *why
	}
	return s, true
}

// TestProviderTellsItsFigures: what a provider measures scales a function, and
// why it cannot is shown.
func TestProviderTellsItsFigures(t *testing.T) {
	p := &measuringProvider{}
	f := start(t, quickScaling, func(cfg *Config) {
		cfg.Provider, cfg.Made = ProviderKubernetes, map[string]provider.Provider{ProviderKubernetes: p}
		cfg.Core.ScaleToZeroGrace = time.Hour
	})
	f.register("f", "DEPLOYMENT", `"scalingConfig":{"strategy":"INTERNAL","minReplicas":1,"maxReplicas":9,"metrics":[{"type":"cpu","target":50}]}`)
	f.eventually("three are ready", func() bool { return f.ready("f") == 3 })
	p.report("f", provider.Metric{Type: "cpu", Target: "50"}, 100)
	f.eventually("twice as many are wanted", func() bool { calls := p.made(); return len(calls) > 0 && calls[len(calls)-1] == 6 })
	// Of functions that are gone, or other ones by now, it is not an error.
	p.report("gone", provider.Metric{Type: "cpu", Target: "50"}, 100)
	p.report("f", provider.Metric{Type: "memory", Target: "50"}, 100)

	if a := f.get("/v1/functions/f/stats").expect(200); strings.Contains(string(a.body), "metricsError") {
		t.Errorf("while all is well: %s", a.body)
	}
	why := "nobody measures"
	p.problem.Store(&why)
	for _, path := range []string{"/v1/functions/f/stats", "/v1/admin/stats"} {
		if a := f.get(path).expect(200); !strings.Contains(string(a.body), `"metricsError":"nobody measures"`) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
}
