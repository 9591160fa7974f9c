package container

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"simplane/server/provider"
	"simplane/server/provider/replicas"
)

// The engine is asked for this many containers of a function at a time.
const asksAtOnce = 8

// maxStats bounds what an engine may answer for one container, in bytes.
const maxStats = 1 << 20

// ReportTo implements provider.MetricSource.
func (p *Provider) ReportTo(report func(function string, metric provider.Metric, value float64)) {
	p.sampler.ReportTo(report)
}

// Used implements replicas.Meter, by the figures of the engine.
func (in *instance) Used() (replicas.Usage, bool) {
	b := in.ready.Load()
	if b == nil {
		return replicas.Usage{}, false
	}
	ctx, cancel := in.f.p.call(in.f.p.ctx)
	defer cancel()
	u, err := b.used(ctx)
	if err != nil {
		in.f.Log.Debug("the engine does not tell what a container uses", "container", b.id[:12], "error", err)
	}
	return u, err == nil
}

func (b *box) used(ctx context.Context) (u replicas.Usage, err error) {
	found, err := b.p.opt.Client.ContainerStats(ctx, b.id, client.ContainerStatsOptions{})
	b.p.engine.note(err)
	if err != nil {
		return u, err
	}
	defer found.Body.Close()
	var s container.StatsResponse
	if err := json.NewDecoder(io.LimitReader(found.Body, maxStats)).Decode(&s); err != nil {
		return u, err
	}
	if s.CPUStats.CPUUsage.TotalUsage == 0 { // of one that has ended
		return u, fmt.Errorf("no figures")
	}
	return usageOf(&s), nil
}

// usageOf is what processes use: the memory is the working set, without file pages that
// can be dropped at once, as Kubernetes and the process provider count it.
func usageOf(s *container.StatsResponse) replicas.Usage {
	memory := s.MemoryStats.Usage
	for _, inactive := range []string{"total_inactive_file", "inactive_file"} { // of version 1, of version 2
		if n, ok := s.MemoryStats.Stats[inactive]; ok {
			memory -= min(n, memory)
			break
		}
	}
	return replicas.Usage{CPU: time.Duration(s.CPUStats.CPUUsage.TotalUsage), Memory: int64(memory)} // #nosec G115 -- nanoseconds and bytes of one machine
}
