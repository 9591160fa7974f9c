package container

import (
	"context"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"

	"simplane/server/provider"
)

// mine lists this control plane's containers, of one function if it is named.
func (p *Provider) mine(ctx context.Context, function string) ([]container.Summary, error) {
	filters := client.Filters{}.Add("label", labelManagedBy+"="+managedBy, labelName+"="+p.opt.Name)
	if function != "" {
		filters.Add("label", labelFunction+"="+function)
	}
	ctx, cancel := p.call(ctx)
	defer cancel()
	list, err := p.opt.Client.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filters})
	p.engine.note(err)
	return list.Items, err
}

// follow has instances know when their containers end, until Close.
func (p *Provider) follow() {
	for p.ctx.Err() == nil {
		stream := p.opt.Client.Events(p.ctx, client.EventsListOptions{Filters: client.Filters{}.
			Add("type", "container").Add("label", labelName+"="+p.opt.Name)})
		p.look() // what ended before the stream began
		for open := true; open; {
			select {
			case m := <-stream.Messages:
				if b := p.boxes.get(m.Actor.ID); b != nil && isEnd(m.Action) {
					b.end()
				}
			case err := <-stream.Err:
				p.engine.note(err)
				open = false
			case <-p.ctx.Done():
				return
			}
		}
		p.pause(time.Second)
	}
}

// isEnd reports whether an event says that its container does not run any more. Podman
// has names of its own, also in filters: the engine is not asked to choose.
func isEnd(a events.Action) bool {
	return a == events.ActionDie || a == events.ActionDestroy || a == "died" || a == events.ActionRemove
}

// look ends the boxes whose containers do not run, and returns all containers.
func (p *Provider) look() ([]container.Summary, error) {
	known := p.boxes.list() // before the list: one made meanwhile is not in it
	all, err := p.mine(p.ctx, "")
	if err != nil {
		return nil, err
	}
	runs := map[string]bool{}
	for _, c := range all {
		runs[c.ID] = c.State == container.StateRunning || c.State == container.StateCreated || c.State == container.StatePaused
	}
	for _, b := range known {
		if !runs[b.id] {
			b.end()
		}
	}
	return all, nil
}

func (p *Provider) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-p.ctx.Done():
	}
}

// sweep removes, until Close, the containers that belong to no instance: those that
// a simplane that was killed left, and those whose making was broken off.
func (p *Provider) sweep() {
	select {
	case <-p.restored:
	case <-p.ctx.Done():
		return
	}
	for p.ctx.Err() == nil {
		if all, err := p.look(); err == nil {
			for _, c := range all {
				p.removeStray(c)
			}
		}
		p.pause(p.opt.SweepInterval)
	}
}

func (p *Provider) removeStray(c container.Summary) {
	if p.boxes.expected(c.Names) || p.boxes.get(c.ID) != nil || p.adoptable(c) {
		return
	}
	ctx, cancel := p.call(p.ctx)
	defer cancel()
	// It may have got its instance between the list and now.
	if found, err := p.opt.Client.ContainerInspect(ctx, c.ID, client.ContainerInspectOptions{}); err != nil || p.boxes.expected([]string{found.Container.Name}) || p.boxes.get(c.ID) != nil {
		return
	}
	if err := p.removeContainer(ctx, c.ID); err != nil {
		p.log.Warn("a container that belongs to no function could not be removed; it is tried again", "container", c.ID[:12], "error", err)
		return
	}
	p.log.Info("removed a container that belongs to no function", "container", c.ID[:12], "function", c.Labels[labelFunction])
}

// adoptable reports whether an instance that is starting may take a container over.
func (p *Provider) adoptable(c container.Summary) bool {
	f := p.Function(c.Labels[labelFunction])
	return f != nil && c.State == container.StateRunning &&
		c.Labels[labelProgram] == p.program(f.Deployment()) && f.Status().Starting > 0
}

// left counts the running containers of d that no instance has: an earlier simplane
// has left them.
func (p *Provider) left(ctx context.Context, d provider.Deployment) (n int) {
	all, err := p.mine(ctx, d.Name)
	if err != nil {
		return 0
	}
	program := p.program(d)
	for _, c := range all {
		if c.State == container.StateRunning && c.Labels[labelProgram] == program && p.boxes.get(c.ID) == nil {
			n++
		}
	}
	return n
}

// adopt takes over a container of d that an earlier simplane left; nil if there is
// none.
func (p *Provider) adopt(ctx context.Context, d provider.Deployment) (*box, error) {
	w, err := p.engine.ready(ctx)
	if err != nil {
		return nil, err
	}
	all, err := p.mine(ctx, d.Name)
	if err != nil {
		return nil, err
	}
	program := p.program(d)
	for _, c := range all {
		if c.State != container.StateRunning || c.Labels[labelProgram] != program || p.boxes.expected(c.Names) {
			continue
		}
		b := &box{p: p, id: c.ID, check: d.HealthCheck, gone: make(chan struct{})}
		if !p.boxes.claim(b) {
			continue
		}
		bounded, cancel := p.call(ctx)
		err := b.locate(bounded, w)
		cancel()
		if err != nil {
			p.boxes.drop(b.id)
			if cerrdefs.IsNotFound(err) {
				continue
			}
			return nil, err
		}
		p.log.Info("took over a container", "function", d.Name, "container", c.ID[:12])
		return b, nil
	}
	return nil, nil
}

// removeAll removes the containers and the network, at the end.
func (p *Provider) removeAll() {
	ctx, cancel := p.call(context.Background())
	defer cancel()
	all, err := p.mine(ctx, "")
	for _, c := range all {
		if failed := p.removeContainer(ctx, c.ID); failed != nil {
			err = failed
		}
	}
	p.engine.mu.Lock()
	w := p.engine.setting
	p.engine.mu.Unlock()
	if w != nil && w.made {
		if w.self != "" {
			_, _ = p.opt.Client.NetworkDisconnect(ctx, w.network, client.NetworkDisconnectOptions{Container: w.self, Force: true})
		}
		if _, failed := p.opt.Client.NetworkRemove(ctx, w.network, client.NetworkRemoveOptions{}); failed != nil && !cerrdefs.IsNotFound(failed) {
			err = failed
		}
	}
	if err != nil {
		p.log.Warn("not all of the functions' containers and their network could be removed; the next start does it", "error", err)
	}
}
