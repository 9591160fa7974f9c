package replicas

import (
	"slices"
	"sync"
	"time"

	"simplane/server/provider"
)

// Usage is what an instance uses.
type Usage struct {
	CPU    time.Duration // so far
	Memory int64         // now, in bytes
}

// Meter is a Runner that can tell what its instance uses; false when that is not known
// at present. It may take its time.
type Meter interface {
	Runner
	Used() (Usage, bool)
}

// Sampler measures, at an interval, the functions that are scaled by the cpu or
// memory of their instances. It sleeps while none of them has an instance.
type Sampler struct {
	interval time.Duration
	parallel int
	report   func(function string, metric provider.Metric, value float64)

	mu      sync.Mutex
	sets    map[*Set]struct{} // those with instances
	running bool
	stop    chan struct{}
	closed  bool
	loop    sync.WaitGroup
}

// NewSampler makes a Sampler that asks so many instances of a function at a time.
// report takes the metrics; nil for nobody, so that nothing is measured.
func NewSampler(interval time.Duration, parallel int, report func(function string, metric provider.Metric, value float64)) *Sampler {
	return &Sampler{interval: interval, parallel: parallel, report: report, sets: map[*Set]struct{}{}, stop: make(chan struct{})}
}

// ReportTo has report take the metrics. It must be called before there is a function.
func (s *Sampler) ReportTo(report func(function string, metric provider.Metric, value float64)) {
	s.report = report
}

// Measures says that somebody takes the metrics.
func (s *Sampler) Measures() bool { return s.report != nil }

// Running says that there is a function to measure.
func (s *Sampler) Running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running
}

// watch has a function measured until it has no instance.
func (s *Sampler) watch(f *Set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sets[f] = struct{}{}
	if !s.running && !s.closed {
		s.running = true
		s.loop.Go(s.run)
	}
}

func (s *Sampler) run() {
	tick := time.NewTicker(s.interval)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case now := <-tick.C:
			if !s.Sample(now) {
				return
			}
		}
	}
}

// Sample measures every function once; false when there are none left. It is for the
// Sampler's own loop, or after Close.
func (s *Sampler) Sample(now time.Time) bool {
	s.mu.Lock()
	all := make([]*Set, 0, len(s.sets))
	for f := range s.sets {
		all = append(all, f)
	}
	s.mu.Unlock()
	for _, f := range all {
		if f.gauge.Load().sample(f, now, s) {
			continue
		}
		s.mu.Lock()
		// Looked at again: one may have become ready since.
		if len(f.meters()) == 0 || !f.Measured() {
			delete(s.sets, f)
		}
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = len(s.sets) > 0
	return s.running
}

// Close ends the measuring.
func (s *Sampler) Close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.stop)
	}
	s.mu.Unlock()
	s.loop.Wait()
}

// gauge is what a Sampler remembers of a function; only its loop uses it.
type gauge struct {
	metrics    []provider.Metric // empty: not measured
	cpuUnit    float64           // cores that are 1 of a cpu metric's unit
	memoryUnit float64           // bytes that are 1 of a memory metric's unit
	before     map[Meter]reading
	activity   provider.Activity
}

// reading is what an instance used, and when; known is false when it could not tell.
type reading struct {
	Usage
	at    time.Time
	known bool
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

// measure follows what is to be measured of the function.
func (f *Set) measure(d provider.Deployment) {
	var metrics []provider.Metric
	if f.opt.Sampler.Measures() {
		metrics = d.Measured()
	}
	g := newGauge(metrics, d)
	if have := f.gauge.Load(); have == nil || !g.like(have) {
		f.gauge.Store(g)
	}
}

// watch has the function measured, if that is wanted.
func (f *Set) watch() {
	if f.Measured() {
		f.opt.Sampler.watch(f)
	}
}

// Measured reports whether somebody asks for what the instances use.
func (f *Set) Measured() bool { return len(f.gauge.Load().metrics) > 0 }

// meters are the instances that take work, each process of a STDIO function included.
func (f *Set) meters() (ready []Meter) {
	for _, r := range f.Ready() {
		if m, ok := r.(Meter); ok {
			ready = append(ready, m)
		}
	}
	return ready
}

// sample reports the mean over a function's ready instances; false when there
// are none, or nothing to report.
func (g *gauge) sample(f *Set, now time.Time, s *Sampler) bool {
	instances := f.meters()
	if len(instances) == 0 || len(g.metrics) == 0 {
		g.before = nil
		return false
	}
	if !g.activity.Lately(f.Pool, now) {
		g.before = nil
		return true
	}
	g.tell(f.Name, readings(instances, s.parallel), func() int { return f.Status().Ready }, s.report)
	return true
}

// readings asks all instances.
func readings(instances []Meter, parallel int) map[Meter]reading {
	all := make([]reading, len(instances))
	var asking sync.WaitGroup
	turns := make(chan struct{}, parallel)
	for i, in := range instances {
		turns <- struct{}{}
		asking.Go(func() {
			defer func() { <-turns }()
			used, known := in.Used()
			all[i] = reading{used, time.Now(), known}
		})
	}
	asking.Wait()
	after := make(map[Meter]reading, len(instances))
	for i, in := range instances {
		after[in] = all[i]
	}
	return after
}

// tell reports the mean of what instances use over a number of replicas: nothing when
// one of them could not tell.
func (g *gauge) tell(function string, after map[Meter]reading, replicas func() int, report func(string, provider.Metric, float64)) {
	cores, memory, cpuKnown, known := g.sum(after)
	n := replicas()
	if n == 0 || !known {
		return // they have gone meanwhile
	}
	for _, m := range g.metrics {
		switch {
		case m.Type == "memory":
			report(function, m, float64(memory)/g.memoryUnit/float64(n))
		case cpuKnown:
			report(function, m, cores/g.cpuUnit/float64(n))
		}
	}
}

// sum adds up the cores and the memory that instances use. One that has just
// become ready counts with no cores until it is looked at a second time, as
// what it took to start says nothing of its work; cpuKnown is false when that is
// all of them.
func (g *gauge) sum(after map[Meter]reading) (cores float64, memory int64, cpuKnown, known bool) {
	known = true
	for in, r := range after {
		last, looked := g.before[in]
		if !r.known {
			known = false
			if delete(after, in); looked {
				after[in] = last
			}
			continue
		}
		memory += r.Memory
		if looked && r.at.After(last.at) {
			cpuKnown = true
			cores += max(0, (r.CPU-last.CPU).Seconds()/r.at.Sub(last.at).Seconds())
		}
	}
	g.before = after
	return cores, memory, cpuKnown, known
}
