package core

import "time"

// The autoscaler looks at a function every Config.AutoscaleInterval while
// there is something to scale, from a timer of the function's own; a function
// at rest has none.

// noticeWork counts an accepted execution and reports whether the autoscaler
// must be woken. The caller holds fn.mu.
func (a *autoscale) noticeWork() bool {
	a.arrived++
	return a.mustWake()
}

// noticeRetry is noticeWork for an execution whose pause is over. It is no arrival, but
// work, whether or not a look meets it.
func (a *autoscale) noticeRetry(now int64) bool {
	a.busyAt = now
	return a.mustWake()
}

// mustWake reports whether work that has just come to the queue, or back to it, must
// wake the autoscaler: it sleeps, or nothing runs yet. The caller holds fn.mu.
func (a *autoscale) mustWake() bool {
	if a.waking || (a.armed && (!a.scaled.Load() || a.policy.desired > 0)) {
		return false
	}
	a.waking = true
	return true
}

// armAutoscale sets the function's timer; the caller holds fn.mu.
func (fn *Function) armAutoscale(wait time.Duration) {
	a := fn.auto.Load()
	a.armed = true
	if a.timer == nil {
		c := fn.core
		a.timer = c.clock.AfterFunc(wait, func() { c.take(fn, &input{kind: StepLookAgain, now: c.clock.Now()}) })
		return
	}
	a.timer.Reset(wait)
}

// look looks at once, and again soon. The caller holds fn.mu, as for all below.
func (fn *Function) look(fx *effects) {
	fn.auto.Load().waking = false
	if fn.deleted {
		return
	}
	fn.judge(fx)
	fn.armAutoscale(max(fn.core.cfg.AutoscaleInterval/wakeDivisor, 1))
	fn.askIfDue(fx)
}

// lookAgain looks, and again after an interval unless the function is at rest.
func (fn *Function) lookAgain(fx *effects) {
	if fn.deleted {
		fn.auto.Load().armed = false
		return
	}
	fn.judge(fx)
	if fn.atRest() {
		fn.auto.Load().armed = false
	} else {
		fn.armAutoscale(fn.core.cfg.AutoscaleInterval)
	}
	fn.askIfDue(fx)
}

// judge judges a function's load and changes what it wants.
func (fn *Function) judge(fx *effects) {
	a, cfg := fn.auto.Load(), &fn.core.cfg
	at := load{queued: fn.queue.live, inFlight: fn.InFlight(), slots: fn.EffectiveConcurrency(), ready: fn.ReadyReplicas(), now: fx.now.Mono}
	if a.perPod.adapt(a.spec.ConcurrencyControl, at) {
		fn.resize(fx)
	}
	if !a.scaled.Load() {
		return
	}
	a.arrivals.sample(at.now, a.arrived)
	want, outside := a.want(fn, at)
	if at.queued+at.inFlight > 0 || a.arrived != a.judged || outside {
		a.busyAt = at.now
	}
	a.judged = a.arrived
	times := scaleTimes{int64(cfg.ScaleUpCooldown), int64(cfg.ScaleDownCooldown), int64(cfg.ScaleDownWindow)}
	idle := a.idle(at, int64(cfg.ScaleToZeroGrace))
	if idle {
		want = a.spec.MinReplicas
	}
	fx.scaled = a.policy.decide(at.now, want, idle, times)
	fx.count = a.policy.desired
	fn.replicasWanted.Store(int32(fx.count))
	if fx.scaled || (!a.met(fn) && at.now-a.askedAt >= int64(askAgain)) {
		a.due = true
	}
}

// askIfDue has the Scaler called if that is due: one call at a time for a
// function, so that the last call has the last word. StepAsked follows it.
func (fn *Function) askIfDue(fx *effects) {
	a := fn.auto.Load()
	if !a.due || a.asking || fn.deleted {
		return
	}
	a.asking, a.due, a.askedAt = true, false, fx.now.Mono
	fx.ask, fx.count = true, a.policy.desired
}

// askScaler calls the Scaler, again for what became due meanwhile.
func (c *Core) askScaler(fn *Function, n int, now Instant) {
	for again := true; again; {
		c.cfg.Scaler.SetReplicas(fn, n)
		var fx effects
		fn.step(&input{kind: StepAsked, now: now}, &fx)
		again, n = fx.ask, fx.count
	}
}

// met says that as many instances are ready as wanted.
func (a *autoscale) met(fn *Function) bool {
	return !a.scaled.Load() || a.policy.desired == fn.ReadyReplicas()
}

// atRest says that further looks would change nothing until work, a report or
// news of the instances comes in. The caller holds fn.mu.
func (fn *Function) atRest() bool {
	a := fn.auto.Load()
	return fn.queue.live == 0 && fn.InFlight() == 0 && a.met(fn) &&
		(!a.scaled.Load() || a.policy.desired == a.spec.MinReplicas) && a.perPod.atFloor(a.spec.ConcurrencyControl)
}
