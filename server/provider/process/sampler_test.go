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

// fakeInstances are instances whose figures are files, as in a cgroup.
func fakeInstances(t *testing.T, f *function, n int) (all []*instance, set func(i int, cpu time.Duration, memory, cache int64)) {
	dirs := make([]string, n)
	for i := range n {
		in := newInstance(f, &replicas.Instance{})
		dirs[i] = t.TempDir()
		in.meter.add(&child{Process: &guard.Process{PID: os.Getpid()}, confined: &confinement{group: &group{v2: dirs[i], dirs: []string{dirs[i]}}}})
		all = append(all, in)
	}
	return all, func(i int, cpu time.Duration, memory, cache int64) {
		for file, text := range map[string]string{
			"cpu.stat":       fmt.Sprintf("usage_usec %d\nuser_usec 1\n", cpu.Microseconds()),
			"memory.current": fmt.Sprintf("%d\n", memory),
			"memory.stat":    fmt.Sprintf("anon 5\ninactive_file %d\n", cache),
		} {
			if err := os.WriteFile(filepath.Join(dirs[i], file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestMeanOverInstances(t *testing.T) {
	for _, c := range []struct {
		name, cpu, memory         string
		wantCPU, wantMem, wantNew float64
	}{
		{"of what is requested", "500m", "200Mi", 100, 50, 100},
		{"without a request: of a core, and MiB", "", "", 50, 100, 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			opt, got := measuring()
			opt.SampleInterval = time.Hour
			p := start(t, opt)
			d := scaledBy(stdio(t), "cpu", "memory")
			d.Name, d.CPU, d.Memory, d.Replicas = "f", c.cpu, c.memory, 0
			f := newFunction(p, d)
			instances, set := fakeInstances(t, f, 2)
			near := func(what string, want float64) {
				t.Helper()
				if v, n := got.of("f", what); n == 0 || v < want*0.9 || v > want*1.1 {
					t.Errorf("%s is %v, want about %v", what, v, want)
				}
			}
			set(0, time.Minute, 150<<20, 20<<20)
			set(1, time.Hour, 70<<20, 0)
			sample := func() { f.gauge.Load().tell("f", instances, len(instances), opt.ReportMetric) }
			sample()
			near("memory", c.wantMem)
			if _, n := got.of("f", "cpu"); n != 0 {
				t.Error("cpu is told before there are two looks")
			}

			const span = 10 * time.Second
			earlier := func() {
				for in, r := range f.gauge.Load().before {
					r.at = r.at.Add(-span)
					f.gauge.Load().before[in] = r
				}
			}
			earlier()
			set(0, time.Minute+span, 0, 0) // one core
			sample()
			near("cpu", c.wantCPU)

			// One that is new counts as an instance, but its start does not
			// count as work.
			delete(f.gauge.Load().before, instances[1])
			earlier()
			set(0, time.Minute+2*span, 0, 0)
			set(1, 2*time.Hour, 0, 0)
			sample()
			near("cpu", c.wantNew)

			// A process that leaves one behind takes its time out of the sum.
			earlier()
			set(0, time.Second, 0, 0)
			set(1, 2*time.Hour, 0, 0)
			sample()
			if v, _ := got.of("f", "cpu"); v != 0 {
				t.Errorf("cpu is %v after the sum fell", v)
			}
		})
	}
}

// What invocations used counts although their processes are gone.
func TestEndedProcessesCount(t *testing.T) {
	opt, _ := measuring()
	p := start(t, opt)
	provision(t, p, scaledBy(provider.Deployment{Name: "file", RuntimeMode: provider.FILE, Replicas: 1,
		RuntimeCommand: `i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo 1 > $OUTPUT_FILE`}, "cpu"))
	in := func() *instance { return p.Function("file").readyInstances()[0] }
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
	running := func() bool {
		p.sampler.mu.Lock()
		defer p.sampler.mu.Unlock()
		return p.sampler.running
	}
	if running() {
		t.Error("the sampler runs for functions without instances")
	}
	wantOutput(t, invoke(t, p, "f7", `1`), `1`)
	eventually(t, "it is measured", func() bool { _, n := got.of("f7", "cpu"); return n > 0 })

	// An idle one is left alone after a while, until it is called again.
	f := p.Function("f7")
	p.sampler.close()
	told := func(now time.Time) bool {
		_, before := got.of("f7", "memory")
		if !f.gauge.Load().sample(f, now, opt.ReportMetric) {
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
	if f.gauge.Load().sample(f, now, opt.ReportMetric) {
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
		eventually(t, "the sampler stops", func() bool {
			p.sampler.mu.Lock()
			defer p.sampler.mu.Unlock()
			return !p.sampler.running
		})
	}
}
