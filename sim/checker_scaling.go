package sim

import (
	"errors"
	"time"

	"simplane/core"
)

// autoscaled says that core sets the instances of a function by the spec in force.
func (f *generation) autoscaled() bool {
	sc := f.spec.ScalingConfig
	return sc != nil && sc.Strategy == "INTERNAL"
}

// wantsReplicas checks a new number of wanted instances.
func (c *checker) wantsReplicas(f *generation, n int) {
	w, s := c.w, f.spec.ScalingConfig
	switch {
	case !f.autoscaled():
		w.fail("replicas", "%s: %d replicas are wanted of a function that is not autoscaled", f.name, n)
	case n == f.wanted:
		w.fail("replicas", "%s: %d replicas are announced as a change and were wanted before", f.name, n)
	case f.byHand:
	case f.lowered && n == s.MaxReplicas:
	case n < s.MinReplicas || n > max(s.MaxReplicas, f.mostByHand):
		w.fail("replicas", "%s: %d replicas are wanted, outside %d to %d", f.name, n, s.MinReplicas, s.MaxReplicas)
	case n == 0 && f.queued+f.inFlight > 0:
		w.fail("replicas", "%s: no replicas are wanted with %d queued and %d in flight", f.name, f.queued, f.inFlight)
	case n < f.wanted && f.queued+f.inFlight > 0 && w.loop.Now()-f.scaledUpAt < int64(c.cfg.ScaleDownWindow):
		w.fail("replicas", "%s: from %d to %d replicas with work, %d ns after a step up", f.name, f.wanted, n, w.loop.Now()-f.scaledUpAt)
	}
	c.cooled(f, n)
	if n > f.wanted {
		f.scaledUpAt = w.loop.Now()
	}
}

// never is a time before all others, far enough from the edge for differences.
const never = int64(-1) << 61

// cooled checks the pauses between steps, that a busy function falls for no less than a
// fifth, and that one goes to zero after the grace period only. One look may have come
// between the end of the work and that, and seen none.
func (c *checker) cooled(f *generation, n int) {
	now, cfg := c.w.loop.Now(), &c.cfg
	busy := f.queued+f.inFlight > 0
	switch {
	case f.byHand, f.lowered && n == f.spec.ScalingConfig.MaxReplicas:
		f.upAt, f.downAt, f.lowered = now, now, false
		return
	case n > f.wanted && n < 2*f.wanted && now-f.upAt < int64(cfg.ScaleUpCooldown):
		c.w.fail("replicas", "%s: from %d to %d replicas %d ns after a step up", f.name, f.wanted, n, now-f.upAt)
	case n < f.wanted && now-max(f.upAt, f.downAt) < int64(cfg.ScaleDownCooldown):
		c.w.fail("replicas", "%s: from %d to %d replicas %d ns after the last step", f.name, f.wanted, n, now-max(f.upAt, f.downAt))
	case n < f.wanted && busy && 5*(f.wanted-n) < f.wanted:
		c.w.fail("replicas", "%s: from %d to %d replicas, which is less than a fifth", f.name, f.wanted, n)
	case n == 0 && now-f.workAt < int64(cfg.ScaleToZeroGrace-cfg.AutoscaleInterval):
		c.w.fail("replicas", "%s: to zero %d ns after its last work", f.name, now-f.workAt)
	}
	if n > f.wanted {
		f.upAt = now
	} else {
		f.downAt = now
	}
}

// adapted checks a change of the slots that an instance has: by one, and when the
// pause since the last one is over.
func (c *checker) adapted(f *generation, target int) {
	cc, now := f.spec.ScalingConfig.ConcurrencyControl, c.w.loop.Now()
	switch by := target - f.target; {
	case f.target == 0 || by == 0:
	case by < -1 || by > 1,
		by == 1 && now-f.targetAt < int64(cc.UpscaleCooldownMs)*1e6,
		by == -1 && now-f.targetAt < int64(cc.DownscaleCooldownMs)*1e6:
		c.w.fail("slots", "%s: from %d to %d for each instance, %d ns after the last change", f.name, f.target, target, now-f.targetAt)
	default:
		f.targetAt = now
	}
	f.target = target
}

// SettingReplicas implements world.Witness.
func (w *witness) SettingReplicas(fn, n int) {
	if f := w.functions[fn].current; f != nil {
		f.byHand = true
	}
}

// ReplicasSet implements world.Witness.
func (w *witness) ReplicasSet(fn, n int, err error) {
	f := w.functions[fn].current
	invalid := (*core.ValidationError)(nil)
	switch {
	case f == nil:
		if !errors.Is(err, core.ErrNotFound) {
			w.fail("replicas", "%s is not there, and core says %v", w.functions[fn].name, err)
		}
		return
	case f.autoscaled() != (err == nil) || (err != nil && !errors.As(err, &invalid)):
		w.fail("replicas", "%s: autoscaled %v, set by hand core says %v", f.name, f.autoscaled(), err)
	case err == nil && f.core.DesiredReplicas() != n:
		w.fail("replicas", "%s: set to %d by hand, %d are wanted", f.name, n, f.core.DesiredReplicas())
	}
	if f.byHand = false; err == nil {
		f.upAt, f.downAt = w.loop.Now(), w.loop.Now()
		f.mostByHand, f.byHandAt = max(f.mostByHand, n), w.loop.Now()
	}
}

// rescaled follows a changed spec.
func (f *generation) rescaled(before *core.Spec, at int64) {
	if f.target = 0; !adaptive(before) || !adaptive(&f.spec) {
		f.targetAt = never // what is adapted now begins anew
	}
	was := before.ScalingConfig != nil && before.ScalingConfig.Strategy == "INTERNAL"
	switch now := f.spec.ScalingConfig; {
	case !was && f.autoscaled():
		f.wanted, f.mostByHand, f.byHandAt, f.upAt, f.downAt = 0, 0, at, never, never
	case was && f.autoscaled() && now.MaxReplicas < before.ScalingConfig.MaxReplicas:
		f.scaledUpAt = -1 << 62 // it may fall at once
		f.lowered = f.wanted > now.MaxReplicas
	}
}

// adaptive says that the slots of an instance are adapted to the load.
func adaptive(s *core.Spec) bool {
	sc := s.ScalingConfig
	return sc != nil && sc.ConcurrencyControl != nil && sc.ConcurrencyControl.Mode == core.ConcurrencyAdaptive
}

// replicasReady checks that core has taken in what the provider says.
func (c *checker) replicasReady(f *generation, n int) {
	if c.w.fleets.Instances(f.function.number).Ready != n {
		c.w.fail("replicas", "%s: core announces %d ready instances", f.name, n)
	}
}

// resized checks the slots of a function.
func (c *checker) resized(f *generation, n int) {
	low, high := f.spec.Concurrency, f.spec.Concurrency
	if f.perPod() {
		cc, pods := f.spec.ScalingConfig.ConcurrencyControl, max(1, f.core.ReadyReplicas())
		low, high = cc.TargetInFlightPerPod*pods, cc.TargetInFlightPerPod*pods
		if cc.Mode == core.ConcurrencyAdaptive {
			low, high = cc.MinTargetInFlightPerPod*pods, cc.MaxTargetInFlightPerPod*pods
		}
	}
	if f.perPod() && low < high {
		c.adapted(f, n/max(1, f.core.ReadyReplicas()))
	}
	if n < low || n > high {
		c.w.fail("slots", "%s: %d slots with %d ready instances, expected %d to %d", f.name, n, f.core.ReadyReplicas(), low, high)
	}
}

// mayScale says that core may still be looking at a function, after so many ns without
// work: until its instances may go, and a reported figure, or instances set by hand,
// count no more and the replicas that they asked for have gone.
func (c *checker) mayScale(settled int64) bool {
	const counts = 60 * time.Second
	cfg := &c.cfg
	lasts := max(cfg.ScaleDownWindow, cfg.ScaleToZeroGrace) + cfg.ScaleDownCooldown + 2*cfg.AutoscaleInterval
	last := c.w.reportedAt
	for _, f := range c.w.functions {
		if f.current != nil {
			last = max(last, f.current.byHandAt)
		}
		if f.group.decl.Scaled() && settled <= int64(lasts) {
			return true
		}
	}
	return last >= 0 && c.w.loop.Now()-last <= int64(counts+lasts)
}

// served checks that a function with work has an instance, or has asked for
// one. One whose instances were taken by hand, or that has just begun to be scaled,
// has until the next look.
func (c *checker) served(f *generation) {
	byHand := f.byHandAt >= 0 && c.w.loop.Now()-f.byHandAt <= int64(c.cfg.AutoscaleInterval)
	if f.core.Autoscaled() != f.autoscaled() {
		c.w.fail("replicas", "%s: core scales it %v, its spec says %v", f.name, f.core.Autoscaled(), f.autoscaled())
	}
	if f.autoscaled() && f.queued+f.inFlight > 0 && f.core.DesiredReplicas() == 0 && !byHand {
		c.w.fail("replicas", "%s: %d queued and %d in flight while no replica is wanted", f.name, f.queued, f.inFlight)
	}
}
