package sim

import "simplane/core"

// The times of an execution go on over restarts: the wall clock of a process that starts is
// not behind, and without jumps the times of events are those between two of its readings.

// waited checks how long a first attempt has waited.
func (d *durable) waited(ev *core.Event, a *account) {
	if a != nil && a.isDurable && !d.nodes && ev.Attempt == 1 && int64(ev.QueueWait) != ev.At.Wall-a.created {
		d.fail("latencies add up", "execution #%d: queue wait %v, expected %d ns", a.rec.number, ev.QueueWait, ev.At.Wall-a.created)
	}
}

// endsAsItMay checks how long an execution has taken, and that one whose attempt was
// interrupted has no more attempts, if that ends it.
func (d *durable) endsAsItMay(ev *core.Event, f *generation, a *account) {
	if a == nil || !a.isDurable || d.nodes {
		return
	}
	if int64(ev.E2E) != ev.At.Wall-a.created {
		d.fail("latencies add up", "execution #%d: e2e %v, expected %d ns", a.rec.number, ev.E2E, ev.At.Wall-a.created)
	}
	if ev.Code == core.CodeInterrupted && int(ev.Attempt) <= f.core.Spec().MaxRetries && d.core.Function(f.name) == f.core {
		d.fail("failures are retried", "execution #%d ends with its attempt %d interrupted, of %d", a.rec.number, ev.Attempt, f.core.Spec().MaxRetries+1)
	}
}

// nothingWaits checks, when a process has just started, that nothing is left to wait at
// functions that are deleted.
func (d *durable) nothingWaits() {
	if d.nodes || d.losses.of != nil {
		return
	}
	for _, a := range d.inOrder() {
		if set, is := d.specs[a.name]; a.isDurable && a.there && !a.over && (!is || set.Registration != a.registration) {
			d.fail("everything ends", "execution #%d is restored, and its function %s is deleted", a.rec.number, a.name)
		}
	}
}
