package process

import (
	"strings"
	"sync"

	"simplane/server/provider"
	"simplane/server/provider/replicas"
)

// function keeps the wanted number of instances of one deployment running.
type function struct {
	*replicas.Set
	p *Provider

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
		Sampler:     p.sampler,
		LimitsError: f.unheld,
	})
	return f
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
