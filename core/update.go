package core

// Update changes a registered function in place: its queue, running work, dead
// letters, history, keys and counters go on. What the spec says of admission,
// retries, timeouts, rates and scaling holds from the next decision on; an
// execution keeps the timeout that it was accepted with, and a smaller queue
// keeps what is in it and refuses newcomers until it has drained. Generation
// counts up. ifGeneration, when not 0, is the one that the caller has seen. The
// spec must come from ResolveSpec. The error is ErrNotFound, ErrGenerationConflict,
// ErrNoJournal, or one of Config.Specs. Nobody may be told of the success before
// the fact at the spec's LSN is durable.
func (c *Core) Update(spec *Spec, ifGeneration uint64) (*Spec, error) {
	fn := c.registry.get(spec.Name)
	if fn == nil {
		return nil, ErrNotFound
	}
	var fx effects
	fn.step(&input{kind: StepUpdate, now: c.clock.Now(), spec: spec, generation: ifGeneration}, &fx)
	c.carryOut(&fx)
	switch {
	case fx.why != nil:
		return nil, fx.why
	case fx.failed != nil:
		return nil, fx.failed
	}
	return fx.spec, nil
}

// update puts a changed spec in force; the caller holds fn.mu.
func (fn *Function) update(in *input, fx *effects) {
	now := fn.spec.Load()
	switch {
	case fn.deleted: // between look-up and here
		fx.why = ErrNotFound
		return
	case in.generation != 0 && in.generation != now.Generation:
		fx.why = ErrGenerationConflict
		return
	}
	spec := *in.spec
	spec.Generation = now.Generation + 1
	stored, err := fn.core.encodeSpec(&spec)
	if err != nil {
		fx.failed = err
		return
	}
	if fn.core.cfg.Journal != nil {
		fn.recordSpec(fx, &spec, stored)
	}
	fn.setSpec(&spec)
	fx.spec = &spec
	fn.rescale(&spec, fx)
	fx.happened = true
	fx.event = Event{Kind: EventReconfigured, Function: fn, At: fx.now}
	fn.resize(fx)
}

// rescale has the autoscaler follow a changed spec; the caller holds fn.mu.
func (fn *Function) rescale(spec *Spec, fx *effects) {
	fresh := newAutoscale(fn.core, spec)
	a := fn.auto.Load()
	switch {
	case a == nil && fresh == nil:
		return
	case a == nil:
		fresh.waking, fx.wake = true, true
		fn.auto.Store(fresh)
		return
	case fresh == nil:
		// It stays, for its timer and its calls under way, and changes nothing
		// any more.
		fresh = &autoscale{perPod: newPerPodTarget(spec.controlOrNil())}
	}
	if !a.scaled.Load() && fresh.scaled.Load() {
		a.policy, a.arrivals = fresh.policy, fresh.arrivals
	}
	a.scaled.Store(fresh.scaled.Load())
	if !fresh.scaled.Load() {
		fn.replicasWanted.Store(0)
	}
	lowered := fresh.spec.MaxReplicas < a.spec.MaxReplicas
	a.spec, a.reports = fresh.spec, fresh.reports
	a.perPod = a.perPod.within(fresh.perPod, fresh.spec.ConcurrencyControl)
	if lowered && a.policy.desired > a.spec.MaxReplicas {
		fn.setReplicas(a.spec.MaxReplicas, fx) // a lower bound holds at once, not after the window
	}
	if !a.armed && !a.waking {
		a.waking, fx.wake = true, true
	}
}

// controlOrNil is the spec's concurrency control.
func (s *Spec) controlOrNil() *ConcurrencyControl {
	if s.ScalingConfig == nil {
		return nil
	}
	return s.ScalingConfig.ConcurrencyControl
}
