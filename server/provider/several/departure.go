package several

import (
	"context"
	"errors"
	"time"

	"simplane/server/provider"
)

// place is a function at a provider.
type place struct{ function, provider string }

// departure is the end of a function at a provider that it has left. Guarded by
// Provider.mu.
type departure struct {
	ending bool          // cannot be called off any more
	off    chan struct{} // closed when it is called off
	over   chan struct{} // closed when the provider has nothing of the function
}

// depart ends a function at a provider, in the background, after waiting has returned,
// which is nil for at once. Whoever gives it to that provider again has to stay before.
// Called with p.mu held.
func (p *Provider) depart(name string, at provider.Named, waiting func(stop <-chan struct{})) {
	d := &departure{ending: waiting == nil, off: make(chan struct{}), over: make(chan struct{})}
	where := place{name, at.Name}
	if p.departures == nil {
		p.departures = map[place]*departure{}
	}
	p.departures[where] = d
	p.moves.Go(func() {
		defer close(d.over)
		if waiting != nil {
			waiting(d.off)
			select {
			case <-p.closing: // which ends it, or keeps it
				return
			default:
			}
		}
		p.mu.Lock()
		off := p.departures[where] != d
		d.ending = true
		p.mu.Unlock()
		if off {
			return
		}
		p.end(name, at)
		p.mu.Lock()
		delete(p.departures, where)
		p.mu.Unlock()
	})
}

// stay calls a function's departure from a provider off, or waits until it is over when
// it is too late for that: the end of what was left must not be that of what comes.
func (p *Provider) stay(ctx context.Context, name string, at provider.Named) error {
	p.mu.Lock()
	where := place{name, at.Name}
	d := p.departures[where]
	if d == nil {
		p.mu.Unlock()
		return nil
	}
	if !d.ending {
		delete(p.departures, where)
		close(d.off)
		p.mu.Unlock()
		return nil
	}
	p.mu.Unlock()
	select {
	case <-d.over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// end ends a function at one provider that another runs.
func (p *Provider) end(name string, at provider.Named) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := at.Deprovision(ctx, name); err != nil && !errors.Is(err, provider.ErrNotFound) {
		p.log.Warn("a function could not be ended at the provider that it has left", "function", name, "provider", at.Name, "error", err)
	}
}

// served waits until what a function has been given at a provider has ended.
func (p *Provider) served(name string, at provider.Named, stop <-chan struct{}) {
	look := time.NewTicker(lookPause)
	defer look.Stop()
	for {
		s, known := at.Status(name)
		if !known || s.InFlight == 0 && s.Waiting == 0 {
			return
		}
		select {
		case <-look.C:
		case <-stop:
			return
		case <-p.closing:
			return
		}
	}
}
