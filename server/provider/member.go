package provider

import "time"

// member is an instance as the balancer sees it. Guarded by Pool.mu.
type member struct {
	id       string
	address  string
	instance Instance
	limit    int           // 0 means none
	init     time.Duration // how long it took to become ready

	inFlight  int
	failures  int       // in a row
	ejections int       // in a row; sets the length of the next one
	until     time.Time // ejected until then; zero when healthy
	removed   bool
	drained   chan struct{} // closed when removed and idle
}

func (m *member) ejectedAt(now time.Time) bool { return now.Before(m.until) }

// free reports whether the member can take an invocation. One that returns
// from ejection gets a single one first, and the rest when that succeeded. most
// is the pool's limit.
func (m *member) free(now time.Time, most int) bool {
	if !m.until.IsZero() && !m.ejectedAt(now) {
		return m.inFlight == 0
	}
	return (m.limit <= 0 || m.inFlight < m.limit) && (most <= 0 || m.inFlight < most)
}

// record notes how an invocation ended and ejects the member when its failures
// pile up; after an ejection the first failure is enough.
func (m *member) record(failed bool, opt PoolOptions) {
	if !failed {
		m.failures, m.ejections, m.until = 0, 0, time.Time{}
		return
	}
	m.failures++
	now := opt.Now()
	if m.ejectedAt(now) || m.until.IsZero() && m.failures < opt.EjectAfter {
		return
	}
	d := opt.EjectMax
	if m.ejections < 30 { // a larger shift would overflow
		d = min(d, opt.EjectBase<<m.ejections)
	}
	m.ejections++
	m.until = now.Add(d)
}

// Add puts a ready instance into balancing. limit is how many invocations it
// runs at a time, 0 for no limit; init how long it took to become ready.
func (p *Pool) Add(id, address string, limit int, init time.Duration, in Instance) {
	p.mu.Lock()
	p.members = append(p.members, &member{
		id: id, address: address, instance: in, limit: limit, init: init,
		drained: make(chan struct{}),
	})
	p.mu.Unlock()
	p.Serve()
}

// Remove takes an instance out of balancing. The channel it returns is closed
// once the invocations running on it have ended, at once if id is unknown.
func (p *Pool) Remove(id string) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, m := range p.members {
		if m.id != id {
			continue
		}
		p.members = append(p.members[:i:i], p.members[i+1:]...)
		m.removed = true
		if m.inFlight == 0 {
			close(m.drained)
		}
		return m.drained
	}
	none := make(chan struct{})
	close(none)
	return none
}

// Ejected reports whether an instance is left out after repeated failures, or
// is yet to prove itself after that.
func (p *Pool) Ejected(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.members {
		if m.id == id {
			return !m.until.IsZero()
		}
	}
	return false
}

// Endpoints lists the instances in balancing, in the order they were added.
func (p *Pool) Endpoints() []Endpoint {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.opt.Now()
	out := make([]Endpoint, len(p.members))
	for i, m := range p.members {
		out[i] = Endpoint{ID: m.id, Address: m.address, InFlight: m.inFlight, Ejected: m.ejectedAt(now)}
	}
	return out
}
