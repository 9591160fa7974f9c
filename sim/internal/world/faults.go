package world

import (
	"math"
	"slices"
	"time"

	"simplane/core"
	"simplane/sim/scenario"
)

// faultStep is the beginning or the end of a fault.
type faultStep struct {
	fault *scenario.Fault
	end   bool
}

func (w *World) addFaults() {
	for i := range w.sc.Faults {
		f := &w.sc.Faults[i]
		w.addStep(f.At, faultStep{fault: f})
		if f.For > 0 {
			w.addStep(f.At+f.For, faultStep{fault: f, end: true})
		}
	}
}

func (w *World) addStep(at time.Duration, s faultStep) {
	w.steps = append(w.steps, s)
	w.faults.At(int64(at), int32(len(w.steps)-1))
}

// step carries out a fault: on the backends, the clock, or by asking core.
func (w *World) step(i int32) {
	s := &w.steps[i]
	f := s.fault
	w.witness.Fault(f, s.end)
	if f.Kind == "clock-jump" {
		w.clock.jump(f.By)
		return
	}
	switch f.Kind {
	case "crash":
		if s.end {
			w.restart(0)
		} else {
			w.crashFault(f)
		}
		return
	case "disk-failure", "disk-slow", "disk-full", "disk-lies":
		w.node.disk.diskFault(f, s.end)
		return
	case "drain", "set-rate", "set-sync-queue":
		switch {
		case w.remote != nil:
			w.remote.Configure(*f.Rate)
		case w.core == nil:
		case s.end:
			w.cancelMemory()
		default:
			w.configure(f)
		}
		return
	}
	if f.OfNodes() {
		w.remote.Fault(f, s.end)
		return
	}
	for _, b := range w.declared(f.Function) {
		if w.remote != nil && w.stepThere(b, s) {
			continue
		}
		if w.core != nil || s.fault.For > 0 { // or there is nobody to ask
			w.stepOn(b, s)
		}
	}
}

func (w *World) stepOn(b *backend, s *faultStep) {
	f := s.fault
	switch f.Kind {
	case "outage":
		if s.end {
			b.outages--
		} else {
			b.outages++
		}
	case "slowdown":
		if s.end {
			i := slices.Index(b.slowdown, f.Factor)
			b.slowdown = slices.Delete(b.slowdown, i, i+1)
		} else {
			b.slowdown = append(b.slowdown, f.Factor)
		}
		b.slow = 1
		for _, factor := range b.slowdown {
			b.slow = float64(b.slow * factor)
		}
	case "delete-function":
		d, err := w.core.Retire(b.name)
		if err == nil {
			w.deletions = append(w.deletions, d)
			w.batches.In(0, int32(len(w.deletions)-1))
		}
		b.registered = false
		b.service.Forget()
		w.witness.Deleted(b.number, err)
		if err == nil && w.node.disk != nil {
			w.witness.Conditional(b.number, core.ID{}, d.LSN)
		}
		if b.fleet != nil {
			b.fleet.close()
		}
	case "create-function":
		_ = w.register(b) // the witness judges the answer
	case "provider-outage":
		b.fleet.outage(s.end)
	case "update", "reconfigure":
		w.update(b, f)
	case "cancel":
		for _, id := range w.witness.Unended(b.number) {
			if b.service.Hit(f.Share) {
				w.cancel(b, id)
			}
		}
	case "redrive":
		w.redrive(b, math.MaxInt)
	case "purge":
		n, at, err := w.core.PurgeDeadLetters(b.name)
		w.witness.Purged(b.number, n, err)
		if err == nil && w.node.disk != nil {
			w.witness.Conditional(b.number, core.ID{}, at)
		}
	case "set-replicas":
		w.witness.SettingReplicas(b.number, *f.Replicas)
		err := w.core.SetReplicas(b.name, *f.Replicas)
		w.witness.ReplicasSet(b.number, *f.Replicas, err)
	}
}

// redrive submits the dead letters of a function again, oldest first, as an
// operator would, at most so many.
func (w *World) redrive(b *backend, most int) {
	letters, err := w.core.DeadLetterIDs(b.name)
	if err != nil {
		return // no such function, and nothing left of one
	}
	for _, id := range letters[:min(most, len(letters))] {
		tag := newTag(b.redrives, -1, 0)
		w.witness.Offering(tag, nil, nil, id)
		var err error
		w.res, err = w.core.Redrive(b.name, id, uint64(tag))
		res := &w.res
		w.witness.Offered(tag, nil, res, err)
		if err == nil && w.node.disk != nil {
			w.witness.Rests(tag, res.ID, res.LSN)
		}
		w.witness.Redriven(tag, id, res.ID, err)
	}
}

// endQueued ends a batch of a deleted function's queue. What else is due at this
// instant comes before, between and after the batches.
func (w *World) endQueued(i int32) {
	if w.deletions[i] != nil && w.deletions[i].Next() {
		w.batches.In(0, i)
	}
}

// update puts a changed spec in place of the one in force, as a client does that
// has read it.
func (w *World) update(b *backend, f *scenario.Fault) {
	changed := f.Change.Of(b.inForce)
	next, err := w.spec(b.name, &changed)
	if err != nil {
		panic(err) // New has tried each change
	}
	w.witness.Updating(b.number, next, f.IfGeneration)
	now, err := w.core.Update(next, f.IfGeneration)
	w.witness.Updated(b.number, now, err)
	if err == nil {
		b.inForce = changed
	}
}
