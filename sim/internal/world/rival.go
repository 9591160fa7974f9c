package world

import "time"

// Rival decides on a function's replicas instead of core's autoscaler, for
// comparisons on the same scenario. Queues, slots and the provider stay the same.
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
	w        *World
	b        *backend
	r        Rival
	wanted   int   // instances
	lastArea int64 // Witness.Occupancy at the last second
}

func (w *World) startRival(b *backend) {
	if w.rival == nil || b.fleet == nil {
		return
	}
	b.rival = &rivalry{w: w, b: b, r: w.rival(b.decl)}
	b.rival.restart()
	w.loop.AfterFunc(time.Second, b.rival.second)
}

// restart is called when the function is registered (again).
func (v *rivalry) restart() {
	if v != nil {
		v.wanted = v.b.decl.Scaling.MinReplicas
	}
}

func (v *rivalry) second() {
	area := v.w.witness.Occupancy(v.b.number)
	v.r.Second(v.now(), float64(area-v.lastArea)/float64(time.Second))
	v.lastArea = area
	if v.now()%v.r.Interval() == 0 {
		v.decide(false) // it knows the second that has just passed
	}
	v.w.loop.AfterFunc(time.Second, v.second)
}

func (v *rivalry) now() time.Duration { return time.Duration(v.w.loop.Now()) }

func (v *rivalry) decide(woken bool) {
	if !v.b.registered {
		return
	}
	s := &v.b.decl.Scaling
	n := v.r.Decide(v.now(), v.b.fleet.ready, woken)
	n = min(max(n, s.MinReplicas), s.MaxReplicas)
	if n != v.wanted {
		v.wanted = n
		v.w.witness.Scaled(v.b.number, n)
	}
	v.b.fleet.set(n)
}

// arrived wakes the rival of a function at zero.
func (v *rivalry) arrived() {
	if v.wanted == 0 {
		v.decide(true)
	}
}
