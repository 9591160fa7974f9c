package process

import (
	"slices"
	"sync"
	"time"

	"simplane/server/provider"
)

// sampler measures, at an interval, the functions that are scaled by the cpu or
// memory of their instances. It sleeps while none of them has an instance.
type sampler struct {
	interval time.Duration
	report   func(function string, metric provider.Metric, value float64)

	mu        sync.Mutex
	functions map[*function]struct{} // those with instances
	running   bool
	stop      chan struct{}
	closed    bool
	loop      sync.WaitGroup
}

func newSampler(opt Options) *sampler {
	return &sampler{
		interval: opt.SampleInterval, report: opt.ReportMetric,
		functions: map[*function]struct{}{}, stop: make(chan struct{}),
	}
}

// measured are the metrics of a deployment that a sampler tells the figures of.
func (s *sampler) measured(d provider.Deployment) []provider.Metric {
	if s.report == nil {
		return nil
	}
	return d.Measured()
}

// watch has a function measured until it has no instance.
func (s *sampler) watch(f *function) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.functions[f] = struct{}{}
	if !s.running && !s.closed {
		s.running = true
		s.loop.Go(s.run)
	}
}

func (s *sampler) run() {
	tick := time.NewTicker(s.interval)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case now := <-tick.C:
			if !s.sample(now) {
				return
			}
		}
	}
}

// sample measures every function once; false when there are none left.
func (s *sampler) sample(now time.Time) bool {
	s.mu.Lock()
	all := make([]*function, 0, len(s.functions))
	for f := range s.functions {
		all = append(all, f)
	}
	s.mu.Unlock()
	for _, f := range all {
		if f.gauge.Load().sample(f, now, s.report) {
			continue
		}
		s.mu.Lock()
		// Looked at again: one may have become ready since.
		if len(f.readyInstances()) == 0 || !f.measured() {
			delete(s.functions, f)
		}
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = len(s.functions) > 0
	return s.running
}

// close ends the measuring.
func (s *sampler) close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.stop)
	}
	s.mu.Unlock()
	s.loop.Wait()
}

// gauge is what a sampler remembers of a function; only its loop uses it.
type gauge struct {
	metrics    []provider.Metric // empty: not measured
	cpuUnit    float64           // cores that are 1 of a cpu metric's unit
	memoryUnit float64           // bytes that are 1 of a memory metric's unit
	before     map[*instance]reading
	activity   provider.Activity
}

type reading struct {
	at  time.Time
	cpu time.Duration
}

func newGauge(metrics []provider.Metric, d provider.Deployment) *gauge {
	g := &gauge{metrics: metrics}
	g.cpuUnit, g.memoryUnit = d.Units()
	return g
}

// like reports whether g and other report the same figures.
func (g *gauge) like(other *gauge) bool {
	return slices.Equal(g.metrics, other.metrics) && g.cpuUnit == other.cpuUnit && g.memoryUnit == other.memoryUnit
}

// measured reports whether somebody asks for what the instances use.
func (f *function) measured() bool { return len(f.gauge.Load().metrics) > 0 }

// sample reports the mean over a function's ready instances; false when there
// are none, or nothing to report.
func (g *gauge) sample(f *function, now time.Time, report func(string, provider.Metric, float64)) bool {
	instances := f.readyInstances()
	if len(instances) == 0 || len(g.metrics) == 0 {
		g.before = nil
		return false
	}
	if !g.activity.Lately(f.Pool, now) {
		g.before = nil
		return true
	}
	g.tell(f.Name, instances, f.Status().Ready, report)
	return true
}

// tell reports the mean of what instances use over a number of replicas.
func (g *gauge) tell(function string, instances []*instance, n int, report func(string, provider.Metric, float64)) {
	cores, memory, known := g.read(instances)
	replicas := float64(n)
	if n == 0 {
		return // they have gone meanwhile
	}
	for _, m := range g.metrics {
		switch {
		case m.Type == "memory":
			report(function, m, float64(memory)/g.memoryUnit/replicas)
		case known:
			report(function, m, cores/g.cpuUnit/replicas)
		}
	}
}

// read adds up the cores and the memory that instances use. One that has just
// become ready counts with no cores until it is looked at a second time, as
// what it took to start says nothing of its work; known is false when that is
// all of them.
func (g *gauge) read(instances []*instance) (cores float64, memory int64, known bool) {
	after := make(map[*instance]reading, len(instances))
	for _, in := range instances {
		now, used := time.Now(), in.meter.read()
		memory += used.Memory
		after[in] = reading{now, used.CPU}
		if last, ok := g.before[in]; ok && now.After(last.at) {
			known = true
			cores += max(0, (used.CPU-last.cpu).Seconds()/now.Sub(last.at).Seconds())
		}
	}
	g.before = after
	return cores, memory, known
}

// readyInstances are the instances that take work, each process of a STDIO
// function included.
func (f *function) readyInstances() (ready []*instance) {
	for _, r := range f.Ready() {
		ready = append(ready, r.(*instance))
	}
	return ready
}
