package sim

import (
	"time"

	"simplane/core"
)

// wantsReplicas checks a new number of wanted instances.
func (c *checker) wantsReplicas(f *fnState, n int) {
	e, s := c.e, &f.group.decl.Scaling
	switch {
	case f.backend.fleet == nil || s.Strategy != "INTERNAL":
		e.fail("replicas", "%s: %d replicas are wanted of a function that is not autoscaled", f.backend.name, n)
	case n < s.MinReplicas || n > s.MaxReplicas:
		e.fail("replicas", "%s: %d replicas are wanted, outside %d to %d", f.backend.name, n, s.MinReplicas, s.MaxReplicas)
	case n == f.wanted:
		e.fail("replicas", "%s: %d replicas are announced as a change and were wanted before", f.backend.name, n)
	case n == 0 && f.queued+f.inFlight > 0:
		e.fail("replicas", "%s: no replicas are wanted with %d queued and %d in flight", f.backend.name, f.queued, f.inFlight)
	case n < f.wanted && f.queued+f.inFlight > 0 && e.now-f.scaledUpAt < int64(c.cfg.ScaleDownWindow):
		e.fail("replicas", "%s: from %d to %d replicas with work, %d ns after a step up", f.backend.name, f.wanted, n, e.now-f.scaledUpAt)
	}
	if n > f.wanted {
		f.scaledUpAt = e.now
	}
}

// replicasReady checks that core has taken in what the provider says.
func (c *checker) replicasReady(f *fnState, n int) {
	if fleet := f.backend.fleet; fleet == nil || fleet.ready != n {
		c.e.fail("replicas", "%s: core announces %d ready instances", f.backend.name, n)
	}
}

// resized checks the slots of a function with concurrency control.
func (c *checker) resized(f *fnState, n int) {
	cc, pods := &f.group.decl.Scaling.ConcurrencyControl, max(1, f.fn.ReadyReplicas())
	var low, high int
	switch cc.Mode {
	case core.ConcurrencyStatic:
		low, high = cc.Target*pods, cc.Target*pods
	case core.ConcurrencyAdaptive:
		low, high = cc.MinTarget*pods, cc.MaxTarget*pods
	default:
		return // reconfigured
	}
	if n < low || n > high {
		c.e.fail("slots", "%s: %d slots with %d ready instances, expected %d to %d", f.backend.name, n, pods, low, high)
	}
}

// scalesByReport says that core may be looking at a function for no other
// reason than a reported figure: until that counts no more and the replicas it
// asked for have gone.
func (c *checker) scalesByReport() bool {
	const counts = 60 * time.Second
	cfg := &c.cfg
	lasts := counts + max(cfg.ScaleDownWindow, cfg.ScaleToZeroGrace) + cfg.ScaleDownCooldown + 2*cfg.AutoscaleInterval
	return c.e.reportedAt >= 0 && c.e.now-c.e.reportedAt <= int64(lasts)
}

// served checks that a function with work has an instance, or has asked for
// one.
func (c *checker) served(f *fnState) {
	if f.fn.Autoscaled() && f.queued+f.inFlight > 0 && f.fn.DesiredReplicas() == 0 {
		c.e.fail("replicas", "%s: %d queued and %d in flight while no replica is wanted", f.backend.name, f.queued, f.inFlight)
	}
}
