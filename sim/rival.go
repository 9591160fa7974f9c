package sim

import (
	"time"
)

// Rival decides on a function's replicas in the autoscaler's stead, for
// comparisons on the same scenario. Everything else stays: queues, slots, the
// provider.
type Rival interface {
	// Interval is the time between calls of Decide: whole seconds, > 0.
	Interval() time.Duration
	// Second is told each second the mean concurrency (queued and running) of
	// the second that has passed.
	Second(now time.Duration, concurrency float64)
	// Decide returns the number of instances wanted; ready are ready now. woken
	// says that work has arrived while none was wanted: it is called at once
	// then.
	Decide(now time.Duration, ready int, woken bool) int
}

// rivalry drives a Rival for one function.
type rivalry struct {
	e        *engine
	b        *backend
	r        Rival
	lastArea int64
}

func (e *engine) startRival(b *backend) {
	if e.opts.Rival == nil || b.fleet == nil {
		return
	}
	v := &rivalry{e: e, b: b, r: e.opts.Rival(b.group.decl)}
	b.rival = v
	e.AfterFunc(time.Second, v.second)
}

func (v *rivalry) second() {
	area := int64(0)
	if f := v.b.fn; f != nil {
		f.elapse(v.e.now)
		area = f.queueArea + f.runningArea
	}
	v.r.Second(time.Duration(v.e.now), float64(area-v.lastArea)/float64(time.Second))
	v.lastArea = area
	if v.e.now%int64(v.r.Interval()) == 0 {
		v.decide(false) // it knows the second that has just passed
	}
	v.e.AfterFunc(time.Second, v.second)
}

func (v *rivalry) decide(woken bool) {
	f, s := v.b.fn, &v.b.group.decl.Scaling
	if f == nil {
		return
	}
	n := v.r.Decide(time.Duration(v.e.now), v.b.fleet.ready, woken)
	n = min(max(n, s.MinReplicas), s.MaxReplicas)
	if n != f.wanted {
		v.e.scaled(f, n)
	}
	v.b.fleet.set(n)
}

// arrived wakes the rival of a function at zero.
func (v *rivalry) arrived() {
	if v != nil && v.b.fn.wanted == 0 {
		v.decide(true)
	}
}
