package sim

import (
	"strconv"
	"time"

	"simplane/core"
	"simplane/sim/scenario"
)

// scalingInput is a scenario's scaling as a user would register it.
func scalingInput(s *scenario.Scaling) *core.ScalingConfigInput {
	in := &core.ScalingConfigInput{Strategy: &s.Strategy, MinReplicas: &s.MinReplicas, MaxReplicas: &s.MaxReplicas}
	for _, m := range s.Metrics {
		in.Metrics = append(in.Metrics, core.ScalingMetric{Type: m.Type, Name: m.Name, Target: m.Target})
	}
	c := &s.ConcurrencyControl
	in.ConcurrencyControl = &core.ConcurrencyControlInput{
		Mode: &c.Mode, TargetInFlightPerPod: &c.Target, MinTargetInFlightPerPod: &c.MinTarget, MaxTargetInFlightPerPod: &c.MaxTarget,
		UpscaleCooldownMs: &c.UpscaleCooldown, DownscaleCooldownMs: &c.DownscaleCooldown,
		HighLoadThreshold: &c.HighLoad, LowLoadThreshold: &c.LowLoad,
	}
	return in
}

func (e *engine) newFleet(b *backend) *fleet {
	p := &b.group.decl.Provider
	return &fleet{e: e, b: b, startup: p.Startup, capacity: p.Capacity, usage: newUsage(p), changedAt: e.now}
}

// scaled notes how many instances are wanted.
func (e *engine) scaled(f *fnState, n int) {
	g := f.group
	up := n > f.wanted
	switch {
	case up:
		g.counts[cScaleUps]++
	default:
		g.counts[cScaleDowns]++
	}
	if f.moved && up != f.movedUp {
		g.counts[cScaleTurns]++
	}
	f.moved, f.movedUp, f.wanted = true, up, n
	e.writeSize(f, "scale", n)
}

func (e *engine) replicasReady(f *fnState, n int) {
	if e.check != nil {
		e.check.replicasReady(f, n)
	}
	f.ready = n
	e.writeSize(f, "ready", n)
}

func (e *engine) concurrencyChanged(f *fnState, n int) {
	if f.backend.fleet == nil {
		return // a reconfigure, which has its own line
	}
	if e.check != nil {
		e.check.resized(f, n)
		e.check.touch(f)
	}
	f.slots = n
	e.writeSize(f, "slots", n)
}

func (e *engine) writeSize(f *fnState, verb string, n int) {
	b := append(append(e.log.begin(e.now), verb...), ' ')
	b = append(append(b, f.backend.name...), ' ')
	e.log.end(strconv.AppendInt(b, int64(n), 10))
}

// replicaSeconds is how long instances existed, those that start included.
func (b *backend) replicaSeconds() int64 {
	if b.fleet == nil {
		return 0
	}
	b.fleet.elapse()
	return b.fleet.area / int64(time.Second)
}

// scale is how big a function is, of all its copies.
type scale struct{ ready, wanted, starting, slots int }

func (g *group) scale() (s scale) {
	for _, b := range g.backends {
		s.ready += b.fleet.ready
		s.starting += len(b.fleet.starting) + b.fleet.stalled
		if b.fn != nil {
			s.wanted += b.fn.wanted
			s.slots += b.fn.slots
		}
	}
	return s
}

// perPod says that slots follow the ready instances, not spec.concurrency.
func (f *fnState) perPod() bool {
	return f.backend.fleet != nil && f.group.decl.Scaling.ConcurrencyControl.Mode != core.ConcurrencyFixed
}
