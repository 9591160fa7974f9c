package deploy

import (
	"sync"

	"simplane/core"
)

// Holders says which Registrar of this process has a function at the provider, by
// name. In a cluster there may be two of a partition: one that waits for the last
// attempts after the partition was handed over, and one of the time since it came
// back. The provider has the function once, and the Registrar that leaves it must not
// end what the other one runs.
type Holders struct {
	parts [256]struct { // by partition: those of different ones do not wait for one another
		mu sync.Mutex
		of map[string]*Registrar
	}
}

// take says that r is about to give the function of this name to the provider.
func (h *Holders) take(name string, r *Registrar) {
	p := &h.parts[core.PartitionOf(name)]
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of == nil {
		p.of = map[string]*Registrar{}
	}
	p.of[name] = r
}

// leave has end called if r is the one that has the function. Nobody takes it
// meanwhile.
func (h *Holders) leave(name string, r *Registrar, end func()) {
	p := &h.parts[core.PartitionOf(name)]
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of[name] == r {
		delete(p.of, name)
		end()
	}
}
