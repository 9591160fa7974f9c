package replicas

import (
	"sync/atomic"
	"testing"
	"time"

	"simplane/server/provider"
)

// told keeps the last figure of each metric.
type told map[string]float64

func (t told) report(_ string, m provider.Metric, value float64) { t[m.Type] = value }

// fixed is an instance that uses what it is told to.
type fixed struct {
	Usage
	unknown bool
	asked   *atomic.Int64 // how many are asked at this moment
	most    *atomic.Int64
}

func (f *fixed) Run() Exit { return Exit{} }

func (f *fixed) Used() (Usage, bool) {
	if f.asked != nil {
		n := f.asked.Add(1)
		for most := f.most.Load(); n > most && !f.most.CompareAndSwap(most, n); most = f.most.Load() {
		}
		time.Sleep(time.Millisecond)
		f.asked.Add(-1)
	}
	return f.Usage, !f.unknown
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
			d := provider.Deployment{Name: "f", CPU: c.cpu, Memory: c.memory, ScalingStrategy: provider.ScaleInternal,
				Metrics: []provider.Metric{{Type: "cpu", Target: "50"}, {Type: "memory", Target: "50"}}}
			g, got := newGauge(d.Measured(), d), told{}
			a, b := &fixed{Usage: Usage{time.Minute, 130 << 20}}, &fixed{Usage: Usage{time.Hour, 70 << 20}}
			near := func(what string, want float64) {
				t.Helper()
				if v, ok := got[what]; !ok || v < want*0.9 || v > want*1.1 {
					t.Errorf("%s is %v, want about %v", what, v, want)
				}
			}
			sample := func() {
				g.tell("f", readings([]Meter{a, b}, 1), func() int { return 2 }, got.report)
			}
			sample()
			near("memory", c.wantMem)
			if _, ok := got["cpu"]; ok {
				t.Error("cpu is told before there are two looks")
			}

			const span = 10 * time.Second
			earlier := func() {
				for in, r := range g.before {
					r.at = r.at.Add(-span)
					g.before[in] = r
				}
			}
			earlier()
			a.CPU += span // one core
			sample()
			near("cpu", c.wantCPU)

			// One that is new counts as an instance, but its start does not
			// count as work.
			delete(g.before, b)
			earlier()
			a.CPU, b.CPU = a.CPU+span, 2*time.Hour
			sample()
			near("cpu", c.wantNew)

			// One that cannot tell makes the mean unknown, and is measured from where
			// it last could.
			earlier()
			clear(got)
			a.CPU, a.unknown = 0, true
			sample()
			if len(got) != 0 {
				t.Errorf("%v is told though one instance is not known", got)
			}
			earlier()
			a.CPU, a.unknown = time.Minute+4*span, false
			sample()
			near("cpu", c.wantCPU)

			// A process that leaves one behind takes its time out of the sum.
			earlier()
			a.CPU = time.Second
			sample()
			if got["cpu"] != 0 {
				t.Errorf("cpu is %v after the sum fell", got["cpu"])
			}
		})
	}
}

func TestInstancesAreAskedInParallel(t *testing.T) {
	var asked, most atomic.Int64
	all := make([]Meter, 40)
	for i := range all {
		all[i] = &fixed{Usage: Usage{time.Duration(i), int64(i)}, asked: &asked, most: &most}
	}
	after := readings(all, 4)
	if n := most.Load(); n < 2 || n > 4 {
		t.Errorf("%d were asked at a time, want up to 4", n)
	}
	for i, in := range all {
		if r := after[in]; !r.known || r.Memory != int64(i) {
			t.Errorf("%d: %+v", i, r)
		}
	}
}
