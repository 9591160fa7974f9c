package core

import "time"

// The autoscaler looks at a function every Config.AutoscaleInterval while
// there is something to scale, from a timer of the function's own; a function
// at rest has none.

// startScaling asks for the instances a new function begins with.
func (c *Core) startScaling(fn *Function) {
	if fn.Autoscaled() && fn.auto.spec.MinReplicas > 0 {
		c.wakeAutoscale(fn, c.clock.Now())
	}
}

// noticeWork counts an accepted execution and reports whether the autoscaler
// must be woken: it sleeps, or nothing runs yet. The caller holds fn.mu.
func (a *autoscale) noticeWork() bool {
	a.arrived++
	if a.waking || (a.armed && (!a.scaled || a.policy.desired > 0)) {
		return false
	}
	a.waking = true
	return true
}

// wakeAutoscale looks at once, and again soon.
func (c *Core) wakeAutoscale(fn *Function, now Instant) {
	fn.mu.Lock()
	fn.auto.waking = false
	if fn.deleted {
		fn.mu.Unlock()
		return
	}
	done := c.look(fn, now)
	fn.armAutoscale(max(c.cfg.AutoscaleInterval/wakeDivisor, 1))
	fn.mu.Unlock()
	c.follow(fn, done, now)
}

// armAutoscale sets the function's timer; the caller holds fn.mu.
func (fn *Function) armAutoscale(wait time.Duration) {
	a := fn.auto
	a.armed = true
	if a.timer == nil {
		a.timer = fn.core.clock.AfterFunc(wait, func() { fn.core.onAutoscale(fn) })
		return
	}
	a.timer.Reset(wait)
}

func (c *Core) onAutoscale(fn *Function) {
	now := c.clock.Now()
	fn.mu.Lock()
	if fn.deleted {
		fn.auto.armed = false
		fn.mu.Unlock()
		return
	}
	done := c.look(fn, now)
	if fn.atRest() {
		fn.auto.armed = false
	} else {
		fn.armAutoscale(c.cfg.AutoscaleInterval)
	}
	fn.mu.Unlock()
	c.follow(fn, done, now)
}

// looked is what a look has changed.
type looked struct {
	scaled, resized bool
	wanted          int
}

// look judges a function's load and changes what it wants; the caller holds
// fn.mu and calls follow without it.
func (c *Core) look(fn *Function, now Instant) (done looked) {
	a := fn.auto
	at := load{queued: fn.queue.live, inFlight: fn.InFlight(), slots: fn.EffectiveConcurrency(), ready: fn.ReadyReplicas(), now: now.Mono}
	if a.perPod.adapt(a.spec.ConcurrencyControl, at) {
		done.resized = fn.resize()
	}
	if !a.scaled {
		return done
	}
	a.arrivals.sample(now.Mono, a.arrived)
	want, outside := a.want(fn, at)
	if at.queued+at.inFlight > 0 || a.arrived != a.judged || outside {
		a.busyAt = now.Mono
	}
	a.judged = a.arrived
	times := scaleTimes{int64(c.cfg.ScaleUpCooldown), int64(c.cfg.ScaleDownCooldown), int64(c.cfg.ScaleDownWindow)}
	idle := a.idle(at, int64(c.cfg.ScaleToZeroGrace))
	if idle {
		want = a.spec.MinReplicas
	}
	done.scaled = a.policy.decide(now.Mono, want, idle, times)
	done.wanted = a.policy.desired
	fn.replicasWanted.Store(int32(done.wanted))
	if done.scaled || (!a.met(fn) && now.Mono-a.askedAt >= int64(askAgain)) {
		a.due = true
	}
	return done
}

// follow tells others what a look has changed.
func (c *Core) follow(fn *Function, done looked, now Instant) {
	if done.resized {
		c.concurrencyChanged(fn, now)
	}
	if done.scaled {
		c.observe(Event{Kind: EventScaled, Function: fn, At: now, Count: done.wanted})
	}
	c.ask(fn, now)
}

// ask calls the Scaler if that is due, one call at a time for a function and
// without its lock, so that the last call has the last word.
func (c *Core) ask(fn *Function, now Instant) {
	a := fn.auto
	if !a.scaled {
		return
	}
	fn.mu.Lock()
	defer fn.mu.Unlock()
	if a.asking {
		return
	}
	for a.asking = true; a.due && !fn.deleted; {
		a.due, a.askedAt = false, now.Mono
		n := a.policy.desired
		fn.mu.Unlock()
		c.cfg.Scaler.SetReplicas(fn, n)
		fn.mu.Lock()
	}
	a.asking = false
}

// met says that as many instances are ready as wanted.
func (a *autoscale) met(fn *Function) bool {
	return !a.scaled || a.policy.desired == fn.ReadyReplicas()
}

// atRest says that further looks would change nothing until work, a report or
// news of the instances comes in. The caller holds fn.mu.
func (fn *Function) atRest() bool {
	a := fn.auto
	return fn.queue.live == 0 && fn.InFlight() == 0 && a.met(fn) &&
		(!a.scaled || a.policy.desired == a.spec.MinReplicas) && a.perPod.atFloor(a.spec.ConcurrencyControl)
}
