package process

import (
	"strings"
	"sync"
	"sync/atomic"

	"simplane/server/provider"
	"simplane/server/provider/replicas"
)

// function keeps the wanted number of instances of one deployment running.
type function struct {
	*replicas.Set
	p     *Provider
	gauge atomic.Pointer[gauge] // of what the instances use; see sampler

	mu        sync.Mutex
	unlimited string // which limits its processes do without, beside those of the provider
}

func newFunction(p *Provider, d provider.Deployment) *function {
	f := &function{p: p}
	f.Set = p.NewSet(d, replicas.Options{
		Logger: p.log, Pool: p.opt.Pool,
		BackoffBase: p.opt.BackoffBase, BackoffMax: p.opt.BackoffMax, StableAfter: p.opt.StableAfter,
		DrainTimeout: p.opt.DrainTimeout, MaxReplicas: p.opt.MaxReplicas, MaxStarting: p.opt.MaxStarting,
		LogLines: p.opt.LogLines, LogBytes: p.opt.LogBytes,
		New:         func(in *replicas.Instance) replicas.Runner { return newInstance(f, in) },
		InForce:     f.measure,
		Ready:       f.watch,
		LimitsError: f.unheld,
	})
	return f
}

// measure follows what is to be measured of the function.
func (f *function) measure(d provider.Deployment) {
	g := newGauge(f.p.sampler.measured(d), d)
	if have := f.gauge.Load(); have == nil || !g.like(have) {
		f.gauge.Store(g)
	}
}

// watch has the function measured, if that is wanted.
func (f *function) watch() {
	if f.measured() {
		f.p.sampler.watch(f)
	}
}

// unheld says which of the function's limits do not hold; empty if all do.
func (f *function) unheld(d provider.Deployment) string {
	all := f.p.unheld()
	if why := f.p.cgroups.missing["memory"]; why != "" && d.Memory != "" {
		all = append(all, "the memory limit holds for each process, not for the instance: "+why)
	}
	if why := f.p.cgroups.missing["cpu"]; why != "" && d.CPU != "" {
		all = append(all, "the cpu limit "+d.CPU+" is not enforced: "+why)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.unlimited != "" {
		all = append(all, f.unlimited)
	}
	return strings.Join(all, "; ")
}
