package replicas

import (
	"log/slog"
	"reflect"
	"time"

	"simplane/server/provider"
)

// release is a spec of a function as its instances are started from it.
type release struct{ dep provider.Deployment }

// rollout is a change of what concerns instances that is on trial: one instance
// of the new release is started beside the old ones. Once it is ready the
// release is the function's, and reconcile replaces the old instances one by
// one. If none gets ready the old release stays.
type rollout struct {
	to      *release
	dep     provider.Deployment // the function's, once the release is
	trial   *Instance           // nil while the next try is delayed
	backoff backoff
	retry   *time.Timer // set while the next try is delayed
}

// rolloutTries is how many instances of a new release may fail to get ready
// before it is given up.
const rolloutTries = 3

// withProgram is d with what concerns instances as of says: to change that takes
// new instances, the rest is changed in place.
func withProgram(d, of provider.Deployment) provider.Deployment {
	d.Image, d.RuntimeMode, d.Commands, d.RuntimeCommand = of.Image, of.RuntimeMode, of.Commands, of.RuntimeCommand
	d.Env, d.WorkDir, d.CPU, d.Memory, d.HealthCheck = of.Env, of.WorkDir, of.CPU, of.Memory, of.HealthCheck
	return d
}

// sameProgram reports whether instances of a and b do not differ.
func sameProgram(a, b provider.Deployment) bool {
	return reflect.DeepEqual(withProgram(provider.Deployment{}, a), withProgram(provider.Deployment{}, b))
}

// Change makes the function be as d says. A change under way is replaced.
func (f *Set) Change(d provider.Deployment) {
	f.mu.Lock()
	if f.down {
		f.mu.Unlock()
		return
	}
	have, old := f.dep, f.release.dep
	settings := withProgram(d, old)
	if d.RuntimeMode != old.RuntimeMode {
		settings.EndpointConcurrency = have.EndpointConcurrency // it is meant for the new mode
	}
	f.adopt(settings)
	f.bound(have, d)
	f.rejected = ""
	switch {
	case sameProgram(old, d):
		f.abandon()
	case f.next != nil && sameProgram(f.next.to.dep, d):
		f.next.dep = d
	case old.RuntimeMode.PerCall() && old.RuntimeMode == d.RuntimeMode:
		// An instance is no process, only the right to start some.
		f.abandon()
		f.release = &release{d}
		for _, in := range f.instances {
			in.of = f.release
		}
		f.adopt(d)
	default:
		f.abandon()
		f.next = &rollout{to: &release{d}, dep: d, backoff: backoff{base: f.opt.BackoffBase, max: f.opt.BackoffMax}}
		f.Log.Info("rollout began")
	}
	f.reconcile()
	takes := f.ready > 0
	f.mu.Unlock()
	f.Pool.Serve() // there may be more room now
	if takes {
		f.watch()
	}
}

// bound follows new numbers of replicas. Called with f.mu held.
func (f *Set) bound(had, d provider.Deployment) {
	if n := d.Rescaled(had, f.desired); n != f.desired {
		f.desired = n
		f.cancelRetry()
	}
}

// adopt puts d in force for everything that is not of an instance. Called with
// f.mu held, and by New.
func (f *Set) adopt(d provider.Deployment) {
	f.dep, f.workers = d, d.Workers()
	f.Pool.SetLimit(d.Concurrency())
	f.measure(d)
}

// takeOver makes the release on trial the function's. Called with f.mu held.
func (f *Set) takeOver() {
	n := f.next
	f.next = nil
	n.cancelRetry()
	f.release = n.to
	f.adopt(n.dep)
	f.cancelRetry()
	f.backoff.reset()
	f.failure, f.lastExit = nil, ""
	f.Log.Info("rollout goes on: new instances take over")
}

// abandon ends a rollout without a successor, if there is one. Called with f.mu
// held.
func (f *Set) abandon() {
	n := f.next
	if n == nil {
		return
	}
	f.next = nil
	n.cancelRetry()
	if n.trial != nil {
		f.retire(n.trial)
	}
}

// tried records that the instance on trial has ended. It returns the error that
// waiting invocations are to end with, if any. Called with f.mu held.
func (f *Set) tried(how Exit) *provider.Error {
	n := f.next
	why := how.StartFailure
	if why == nil {
		why = &provider.Error{Code: provider.CodeStartFailed, Message: "the function's process did not stay"}
	}
	n.trial = nil
	delay := n.backoff.next()
	if n.backoff.tries < rolloutTries {
		var t *time.Timer
		t = time.AfterFunc(delay, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			if n.retry == t {
				n.retry = nil
				f.reconcile()
			}
		})
		n.retry = t
		return nil
	}
	f.next = nil
	f.rejected = why.Error()
	text := "rollout failed, the instances of before stay: " + f.rejected
	f.Note("", slog.LevelError, text)
	if f.ready == 0 && f.retry != nil {
		return f.failure // the old ones do not start either
	}
	return nil
}

func (n *rollout) cancelRetry() {
	if n.retry != nil {
		n.retry.Stop()
		n.retry = nil
	}
}

// onTrial reports whether an instance is that of a rollout that may still fail.
// Called with f.mu held.
func (f *Set) onTrial(in *Instance) bool { return f.next != nil && f.next.trial == in }

// outdated reports whether an instance is of an earlier release and takes calls
// until there are enough new ones. Called with f.mu held.
func (f *Set) outdated(in *Instance) bool {
	return !in.leaving && in.of != f.release && !f.onTrial(in)
}

// retireOutdated stops the instances of earlier releases that are not needed to
// have as many ready as wanted. Called with f.mu held.
func (f *Set) retireOutdated(want int) {
	for _, in := range f.instances {
		if in.isReady && in.of == f.release {
			want--
		}
	}
	for _, in := range f.instances {
		switch {
		case !f.outdated(in):
		case in.isReady && want > 0:
			want--
		default:
			f.retire(in)
		}
	}
}

// rolloutStatus is what there is to say of a change. Called with f.mu held.
func (f *Set) rolloutStatus() provider.Rollout {
	under := f.next != nil
	for _, in := range f.instances {
		under = under || f.outdated(in)
	}
	switch {
	case under:
		return provider.Rollout{State: provider.RolloutProgressing}
	case f.rejected != "":
		return provider.Rollout{State: provider.RolloutFailed, Message: f.rejected}
	}
	return provider.Rollout{}
}
