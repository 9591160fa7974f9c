package sim

import (
	"time"

	"simplane/core"
)

// wantsReplicas checks a new number of wanted instances.
func (c *checker) wantsReplicas(f *generation, n int) {
	w, s := c.w, &f.group.decl.Scaling
	switch {
	case !f.group.decl.Scaled() || s.Strategy != "INTERNAL":
		w.fail("replicas", "%s: %d replicas are wanted of a function that is not autoscaled", f.name, n)
	case n < s.MinReplicas || n > s.MaxReplicas:
		w.fail("replicas", "%s: %d replicas are wanted, outside %d to %d", f.name, n, s.MinReplicas, s.MaxReplicas)
	case n == f.wanted:
		w.fail("replicas", "%s: %d replicas are announced as a change and were wanted before", f.name, n)
	case n == 0 && f.queued+f.inFlight > 0:
		w.fail("replicas", "%s: no replicas are wanted with %d queued and %d in flight", f.name, f.queued, f.inFlight)
	case n < f.wanted && f.queued+f.inFlight > 0 && w.loop.Now()-f.scaledUpAt < int64(c.cfg.ScaleDownWindow):
		w.fail("replicas", "%s: from %d to %d replicas with work, %d ns after a step up", f.name, f.wanted, n, w.loop.Now()-f.scaledUpAt)
	}
	if n > f.wanted {
		f.scaledUpAt = w.loop.Now()
	}
}

// replicasReady checks that core has taken in what the provider says.
func (c *checker) replicasReady(f *generation, n int) {
	if c.w.fleets.Instances(f.function.number).Ready != n {
		c.w.fail("replicas", "%s: core announces %d ready instances", f.name, n)
	}
}

// resized checks the slots of a function with concurrency control.
func (c *checker) resized(f *generation, n int) {
	cc, pods := &f.group.decl.Scaling.ConcurrencyControl, max(1, f.core.ReadyReplicas())
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
		c.w.fail("slots", "%s: %d slots with %d ready instances, expected %d to %d", f.name, n, pods, low, high)
	}
}

// scalesByReport says that core may be looking at a function for no other
// reason than a reported figure: until that counts no more and the replicas it
// asked for have gone.
func (c *checker) scalesByReport() bool {
	const counts = 60 * time.Second
	cfg := &c.cfg
	lasts := counts + max(cfg.ScaleDownWindow, cfg.ScaleToZeroGrace) + cfg.ScaleDownCooldown + 2*cfg.AutoscaleInterval
	return c.w.reportedAt >= 0 && c.w.loop.Now()-c.w.reportedAt <= int64(lasts)
}

// served checks that a function with work has an instance, or has asked for
// one.
func (c *checker) served(f *generation) {
	if f.core.Autoscaled() && f.queued+f.inFlight > 0 && f.core.DesiredReplicas() == 0 {
		c.w.fail("replicas", "%s: %d queued and %d in flight while no replica is wanted", f.name, f.queued, f.inFlight)
	}
}
