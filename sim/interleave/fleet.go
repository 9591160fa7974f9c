//go:build interleave

package interleave

import "simplane/core"

// fleet are the instances of one registration of a function, as its provider has them.
type fleet struct {
	asked  int  // for so many, in the last call
	asking bool // a call goes on
}

func (w *world) fleet(fn *core.Function) *fleet {
	if w.fleets[fn] == nil {
		w.fleets[fn] = &fleet{}
	}
	return w.fleets[fn]
}

// SetReplicas implements core.Scaler. The instances are ready when a task of their own says so.
func (w *world) SetReplicas(fn *core.Function, n int) {
	f := w.fleet(fn)
	if f.asking {
		w.j.fail("replicas", "two calls for %s at a time", fn.Name())
	}
	f.asking = true
	w.point()
	f.asked = n
	w.begin("instances", func() {
		w.point()
		w.core.ReplicasReady(fn.Name(), f.asked)
	})
	w.point()
	f.asking = false
}

// scaling is from none to two replicas, by the work that there is.
func (w *world) scaling(slots int) *core.ScalingConfigInput {
	least, most := 0, 2
	in := &core.ScalingConfigInput{MinReplicas: &least, MaxReplicas: &most, Metrics: []core.ScalingMetric{{Type: "queue_depth", Target: 1}}}
	if w.plan.PerPod {
		mode := core.ConcurrencyStatic
		in.ConcurrencyControl = &core.ConcurrencyControlInput{Mode: &mode, TargetInFlightPerPod: &slots}
	}
	return in
}

// replicas judges the autoscaler, when nobody does anything any more. At the end all work has
// been over for long.
func (j *judge) replicas(end bool) {
	for _, fn := range j.w.every {
		f := j.w.fleet(fn)
		switch {
		case j.w.core.Function(fn.Name()) != fn || !fn.Autoscaled():
		case f.asked != fn.DesiredReplicas():
			j.fail("replicas", "%s: %d are wanted, and %d were asked for last", fn.Name(), fn.DesiredReplicas(), f.asked)
		case fn.DesiredReplicas() == 0 && fn.QueueDepth()+fn.InFlight() > 0:
			j.fail("replicas", "%s: none is wanted, with %d queued and %d in flight", fn.Name(), fn.QueueDepth(), fn.InFlight())
		case end && (fn.DesiredReplicas() != 0 || fn.ReadyReplicas() != 0):
			j.fail("replicas", "%s: idle for long, with %d replicas wanted and %d ready", fn.Name(), fn.DesiredReplicas(), fn.ReadyReplicas())
		}
	}
}
