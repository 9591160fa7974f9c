package process

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"simplane/server/provider"
	"simplane/server/provider/process/guard"
	"simplane/server/provider/replicas"
)

// figures keeps the last figure reported of each function's metrics.
type figures struct {
	mu   sync.Mutex
	last map[string]float64
	n    map[string]int
}

func (f *figures) report(function string, m provider.Metric, value float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last == nil {
		f.last, f.n = map[string]float64{}, map[string]int{}
	}
	f.last[function+" "+m.Type] = value
	f.n[function+" "+m.Type]++
}

func (f *figures) of(function, metric string) (value float64, times int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last[function+" "+metric], f.n[function+" "+metric]
}

func measuring() (Options, *figures) {
	f := &figures{}
	return Options{ReportMetric: f.report, SampleInterval: 50 * time.Millisecond}, f
}

// scaledBy makes a deployment one that its own figures scale.
func scaledBy(d provider.Deployment, metrics ...string) provider.Deployment {
	d.ScalingStrategy = provider.ScaleInternal
	for _, m := range metrics {
		d.Metrics = append(d.Metrics, provider.Metric{Type: m, Target: "50"})
	}
	return d
}

func TestBusyInstanceIsTold(t *testing.T) {
	opt, got := measuring()
	p := start(t, opt)
	gate := filepath.Join(t.TempDir(), "gate")
	for _, name := range []string{"busy", "idle", "other"} {
		d := stdio(t)
		d.Name, d.Env["GATE"] = name, gate
		if name != "other" {
			d = scaledBy(d, "cpu", "rps")
		}
		provision(t, p, d)
		wantOutput(t, invoke(t, p, name, `1`), `1`)
	}
	done := make(chan provider.Result, 1)
	p.Go("busy", provider.Invocation{Input: []byte(`"do:burn"`), Deadline: time.Now().Add(hang)}, func(r provider.Result) { done <- r })
	eventually(t, "one works and the other does not", func() bool {
		busy, _ := got.of("busy", "cpu")
		idle, _ := got.of("idle", "cpu")
		return busy > 10 && idle < busy/5 // percent of a core, on a busy machine
	})
	writePID(gate, 1)
	if r := <-done; !r.OK() {
		t.Errorf("%+v", r)
	}
	eventually(t, "it rests", func() bool { v, _ := got.of("busy", "cpu"); return v < 5 })
	for _, name := range []string{"other cpu", "busy rps", "busy memory"} {
		if _, told := got.last[name]; told {
			t.Errorf("%s was reported", name)
		}
	}
}

func TestMemoryIsTold(t *testing.T) {
	opt, got := measuring()
	p := start(t, opt)
	for name, request := range map[string]string{"percent": "400Mi", "mebibytes": ""} {
		d := scaledBy(provider.Deployment{Name: name, RuntimeMode: provider.STDIO, Replicas: 2, Memory: request,
			Commands: []string{"python3", "-c", `import sys
b = bytearray(100 << 20)
for line in sys.stdin: print('{"output":1}', flush=True)`}}, "memory")
		provision(t, p, d)
		wantOutput(t, invoke(t, p, name, `0`), `1`)
	}
	// Python itself takes some 10 MiB. Both instances hold what they hold.
	eventually(t, "both are in their units", func() bool {
		percent, _ := got.of("percent", "memory")
		mebibytes, _ := got.of("mebibytes", "memory")
		return percent > 25 && percent < 35 && mebibytes > 100 && mebibytes < 140
	})
}

// The figures of an instance in a cgroup are the group's, without what is only cached.
func TestFiguresOfACgroup(t *testing.T) {
	opt, _ := measuring()
	p := start(t, opt)
	d := scaledBy(stdio(t), "cpu", "memory")
	d.Name, d.Replicas = "f", 0
	in, dir := newInstance(newFunction(p, d), &replicas.Instance{}), t.TempDir()
	in.meter.add(&child{Process: &guard.Process{PID: os.Getpid()}, confined: &confinement{group: &group{v2: dir, dirs: []string{dir}}}})
	for file, text := range map[string]string{
		"cpu.stat":       "usage_usec 90000000\nuser_usec 1\n",
		"memory.current": fmt.Sprintf("%d\n", 150<<20),
		"memory.stat":    fmt.Sprintf("anon 5\ninactive_file %d\n", 20<<20),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if used, known := in.Used(); !known || used != (replicas.Usage{CPU: 90 * time.Second, Memory: 130 << 20}) {
		t.Errorf("%+v, %v", used, known)
	}
}

// What invocations used counts although their processes are gone.
func TestEndedProcessesCount(t *testing.T) {
	opt, _ := measuring()
	p := start(t, opt)
	provision(t, p, scaledBy(provider.Deployment{Name: "file", RuntimeMode: provider.FILE, Replicas: 1,
		RuntimeCommand: `i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo 1 > $OUTPUT_FILE`}, "cpu"))
	in := func() *instance { return p.Function("file").Ready()[0].(*instance) }
	wantOutput(t, invoke(t, p, "file", `1`), `1`)
	first := in().meter.read().CPU
	if first < time.Millisecond {
		t.Fatalf("one invocation used %v", first)
	}
	for range 9 {
		wantOutput(t, invoke(t, p, "file", `1`), `1`)
	}
	if all := in().meter.read().CPU; all < 4*first {
		t.Errorf("ten invocations used %v, the first of them %v", all, first)
	}
	if n := len(in().meter.live); n != 0 {
		t.Errorf("%d processes that are gone are still looked at", n)
	}
}

func TestNothingIsMeasuredWithoutInstancesOrWork(t *testing.T) {
	opt, got := measuring()
	opt.MaxFunctions = 10_000
	p := start(t, opt)
	for i := range opt.MaxFunctions - 1 {
		d := scaledBy(stdio(t), "cpu", "memory")
		d.Name, d.Replicas = fmt.Sprintf("f%d", i), 0
		provision(t, p, d)
	}
	if p.sampler.Running() {
		t.Error("the sampler runs for functions without instances")
	}
	wantOutput(t, invoke(t, p, "f7", `1`), `1`)
	eventually(t, "it is measured", func() bool { _, n := got.of("f7", "cpu"); return n > 0 })

	// An idle one is left alone after a while, until it is called again.
	p.sampler.Close()
	told := func(now time.Time) bool {
		_, before := got.of("f7", "memory")
		if !p.sampler.Sample(now) {
			t.Error("it has no instances")
		}
		_, after := got.of("f7", "memory")
		return after > before
	}
	now := time.Now()
	if !told(now) || !told(now.Add(provider.QuietAfter-time.Second)) || told(now.Add(provider.QuietAfter+time.Second)) {
		t.Error("it is not measured for the minute after its last call, or longer")
	}
	wantOutput(t, invoke(t, p, "f7", `1`), `1`)
	if !told(now.Add(2 * provider.QuietAfter)) {
		t.Error("it is not measured once it works again")
	}
	if err := p.SetReplicas(t.Context(), "f7", 0); err != nil {
		t.Fatal(err)
	}
	if p.sampler.Sample(now) {
		t.Error("an instance was measured after the last was retired")
	}
}

func TestSamplerStopsWithTheLastInstance(t *testing.T) {
	opt, got := measuring()
	p := start(t, opt)
	d := scaledBy(stdio(t), "memory")
	d.Replicas = 0
	provision(t, p, d)
	for range 2 {
		wantOutput(t, invoke(t, p, "stdio", `1`), `1`)
		_, before := got.of("stdio", "memory")
		eventually(t, "it is measured", func() bool { _, n := got.of("stdio", "memory"); return n > before })
		if err := p.SetReplicas(t.Context(), "stdio", 0); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the sampler stops", func() bool { return !p.sampler.Running() })
	}
}
