package core

import "time"

// Modes of concurrency control.
const (
	ConcurrencyFixed    = "FIXED"            // spec.concurrency, however many instances
	ConcurrencyStatic   = "STATIC_PER_POD"   // targetInFlightPerPod for each ready instance
	ConcurrencyAdaptive = "ADAPTIVE_PER_POD" // a target for each instance that follows the load
)

// perPod says that slots grow with the ready instances. A nil control is FIXED.
func (cc *ConcurrencyControl) perPod() bool { return cc != nil && cc.Mode != ConcurrencyFixed }

func (cc *ConcurrencyControl) adaptive() bool { return cc != nil && cc.Mode == ConcurrencyAdaptive }

// defaultPerPod is the per-pod target without concurrency control.
const defaultPerPod = 2

// effectiveConcurrency is how many executions may run at once: with a per-pod
// mode target * max(1, ready), so that work for a function with no instance
// yet is dispatched and waits for the first; at most MaxConcurrency.
func effectiveConcurrency(spec *Spec, target, ready int) int {
	if spec.ScalingConfig == nil || !spec.ScalingConfig.ConcurrencyControl.perPod() {
		return spec.Concurrency
	}
	return int(min(int64(target)*int64(max(1, ready)), MaxConcurrency))
}

// perPodTarget is how many executions one instance is given at once.
type perPodTarget struct {
	target    int
	changedAt int64 // elapsed ns
}

func newPerPodTarget(cc *ConcurrencyControl) perPodTarget {
	p := perPodTarget{target: defaultPerPod, changedAt: never}
	if cc != nil {
		p.target = cc.TargetInFlightPerPod
	}
	if cc.adaptive() {
		p.target = min(max(p.target, cc.MinTargetInFlightPerPod), cc.MaxTargetInFlightPerPod)
	}
	return p
}

// within is the target after a change of the concurrency control, whose own
// first target is fresh: an adapted one goes on, within the new bounds.
func (p perPodTarget) within(fresh perPodTarget, cc *ConcurrencyControl) perPodTarget {
	if !cc.adaptive() || p.changedAt == never {
		return fresh
	}
	p.target = min(max(p.target, cc.MinTargetInFlightPerPod), cc.MaxTargetInFlightPerPod)
	return p
}

// adapt moves the target of ADAPTIVE_PER_POD by one, within its bounds, and
// reports whether it did. The load is the share of slots in use: at or above
// highLoadThreshold with work queued it rises, at or below lowLoadThreshold it
// falls, each when its cooldown has passed since the last change either way.
func (p *perPodTarget) adapt(cc *ConcurrencyControl, at load) bool {
	if !cc.adaptive() {
		return false
	}
	share := float64(at.inFlight) / float64(at.slots)
	since := time.Duration(at.now - p.changedAt)
	switch {
	case share >= cc.HighLoadThreshold && at.queued > 0:
		if p.target >= cc.MaxTargetInFlightPerPod || since < millis(cc.UpscaleCooldownMs) {
			return false
		}
		p.target++
	case share <= cc.LowLoadThreshold:
		if p.target <= cc.MinTargetInFlightPerPod || since < millis(cc.DownscaleCooldownMs) {
			return false
		}
		p.target--
	default:
		return false
	}
	p.changedAt = at.now
	return true
}

// atFloor says that an idle function's target falls no further.
func (p *perPodTarget) atFloor(cc *ConcurrencyControl) bool {
	return !cc.adaptive() || p.target <= cc.MinTargetInFlightPerPod
}

func millis(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// resize brings the number of slots up to date, and lets work into new ones.
// Fewer slots than are in use take nothing from what runs: new work waits until
// enough are free. The caller holds fn.mu.
func (fn *Function) resize(fx *effects) {
	n := fn.slotsNow()
	if fn.slots.Swap(n) != n {
		fx.resized = true
		fn.noteReady(fx)
	}
}

// slotsNow is how many slots there are to be; the caller holds fn.mu.
func (fn *Function) slotsNow() int32 {
	target := defaultPerPod
	if a := fn.auto.Load(); a != nil {
		target = a.perPod.target
	} else if sc := fn.spec.Load().ScalingConfig; sc != nil {
		target = newPerPodTarget(sc.ConcurrencyControl).target
	}
	return int32(effectiveConcurrency(fn.spec.Load(), target, fn.ReadyReplicas()))
}
