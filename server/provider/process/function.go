package process

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"simplane/server/provider"
)

// function keeps the wanted number of instances of one deployment running.
type function struct {
	p       *Provider
	name    string
	log     *slog.Logger
	pool    *provider.Pool
	logs    *provider.Ring
	stopped chan struct{} // closed when shut down and the last instance is gone

	// starting is a semaphore: many instances that start at once slow each
	// other down. It belongs to one function, so that one that never gets
	// ready holds up no other.
	starting chan struct{}

	gauge atomic.Pointer[gauge] // of what the instances use; see sampler

	mu       sync.Mutex
	dep      provider.Deployment // what is in force; what concerns instances is release's
	release  *release            // that instances are started from
	next     *rollout            // nil unless a change is on trial
	rejected string              // why the last change was given up; empty if it was not

	// workers is how many processes a replica may have. Above 1 (STDIO with
	// concurrency) an instance is a process, and there may be more of them than
	// replicas are wanted: see grow.
	workers int

	desired   int // replicas wanted
	grown     int // processes that concurrent calls needed; counts above desired
	down      bool
	instances []*instance // in the order they were started
	ready     int         // instances that take work
	restarts  int64
	backoff   backoff
	retry     *time.Timer     // set while a restart is delayed
	unlimited string          // which limits its processes do without, beside those of the provider
	failure   *provider.Error // why the last instance did not start; nil after one did
}

func newFunction(p *Provider, d provider.Deployment) *function {
	f := &function{
		p: p, name: d.Name, release: &release{d},
		log:      p.log.With("function", d.Name),
		pool:     provider.NewPool(p.opt.Pool),
		logs:     provider.NewRing(p.opt.LogLines, p.opt.LogBytes),
		stopped:  make(chan struct{}),
		starting: make(chan struct{}, p.opt.MaxStarting),
		backoff:  backoff{base: p.opt.BackoffBase, max: p.opt.BackoffMax},
	}
	f.adopt(d)
	if why := f.unheld(); why != "" {
		f.logs.Add(provider.LogLine{Time: time.Now(), Stream: provider.System, Text: "limits that do not hold: " + why})
	}
	return f
}

// note logs a line about the function, for the operator and in its own log.
func (f *function) note(instance string, level slog.Level, text string) {
	f.log.Log(context.Background(), level, text, "instance", instance)
	f.logs.Add(provider.LogLine{Time: time.Now(), Instance: instance, Stream: provider.System, Text: text})
}

// most is how many replicas there may be.
func (f *function) most() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dep.MaxReplicas > 0 {
		return min(f.dep.MaxReplicas, f.p.opt.MaxReplicas)
	}
	return f.p.opt.MaxReplicas
}

func (f *function) scale(n int) {
	f.mu.Lock()
	if f.desired != n {
		f.desired = n
		// A new request for instances ends the delay of a retry.
		f.cancelRetry()
	}
	f.reconcile()
	f.mu.Unlock()
}

// invoke delivers inv, starting an instance when there is none.
func (f *function) invoke(inv provider.Invocation, done func(provider.Result)) {
	if inv.Deadline.IsZero() {
		inv.Deadline = time.Now().Add(f.timeout())
	}
	if err := f.refusal(); err != nil {
		done(provider.Failure(err.Code, err.Message))
		return
	}
	if f.pool.Go(inv, done) {
		f.wake()
	}
}

func (f *function) timeout() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dep.TimeoutMillis <= 0 {
		return 30 * time.Second
	}
	return time.Duration(f.dep.TimeoutMillis) * time.Millisecond
}

// refusal is why an invocation is refused: while the function fails to start
// and its next try is delayed, waiting would not help.
func (f *function) refusal() *provider.Error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ready == 0 && f.retry != nil && f.next == nil {
		return f.failure
	}
	return nil
}

// wake starts an instance for work that waits, when none is wanted or when
// there may be another worker.
func (f *function) wake() {
	f.mu.Lock()
	if f.desired == 0 || f.grow() {
		f.reconcile()
	}
	f.mu.Unlock()
}

// grow makes room for as many processes as calls overlap, within what the
// replicas may have, and reports whether that is more than before. They stay
// warm until replicas are taken away. Called with f.mu held.
func (f *function) grow() bool {
	if f.workers == 1 {
		return false
	}
	inFlight, waiting := f.pool.Load()
	n := min(inFlight+waiting, f.mostProcesses())
	if n <= f.grown {
		return false
	}
	f.grown = n
	return true
}

// mostProcesses is how many processes the wanted replicas may have.
func (f *function) mostProcesses() int {
	return max(f.desired, min(f.desired*f.workers, f.p.opt.MaxReplicas))
}

// reconcile starts and stops instances until there are as many as wanted.
// Called with f.mu held.
func (f *function) reconcile() {
	if f.next != nil && f.desired == 0 {
		f.takeOver() // there is nothing that the old release is to be kept for
	}
	if f.desired == 0 && f.retry == nil {
		if _, waiting := f.pool.Load(); waiting > 0 {
			f.desired = 1
		}
	}
	f.grow()
	f.grown = min(f.grown, f.mostProcesses())
	want := max(f.desired, f.grown)
	if f.down {
		want = 0
	}
	live, have := 0, 0 // have: those that need no successor
	for _, in := range f.instances {
		switch {
		case in.leaving || f.onTrial(in):
		case in.of == f.release:
			live++
			have++
		case f.next != nil: // its successor may be of the next release
			have++
		}
	}
	for ; have < want && f.retry == nil; have++ {
		f.start(f.release)
		live++
	}
	if f.next != nil && f.next.trial == nil && f.next.retry == nil {
		f.next.trial = f.start(f.next.to)
	}
	// The newest go first: the oldest are the best warmed up.
	for i := len(f.instances) - 1; i >= 0 && live > want; i-- {
		if in := f.instances[i]; !in.leaving && in.of == f.release {
			f.retire(in)
			live--
		}
	}
	f.retireOutdated(want)
	if f.down && len(f.instances) == 0 {
		select {
		case <-f.stopped:
		default:
			close(f.stopped)
			f.p.running.Done()
		}
	}
	f.publish()
}

// start starts an instance of a release. Called with f.mu held.
func (f *function) start(of *release) *instance {
	in := newInstance(f, of)
	f.instances = append(f.instances, in)
	go in.run()
	return in
}

// retire makes an instance stop once its invocations have ended. Called with
// f.mu held.
func (f *function) retire(in *instance) {
	in.leaving = true
	if in.isReady {
		in.isReady = false
		f.ready--
	}
	close(in.stop)
}

// becameReady puts an instance into balancing, unless it is to stop already.
func (f *function) becameReady(in *instance, address string, took time.Duration, target provider.Instance) bool {
	f.mu.Lock()
	if in.leaving {
		f.mu.Unlock()
		return false
	}
	in.isReady = true
	f.ready++
	f.failure = nil
	if f.onTrial(in) {
		f.takeOver()
	}
	limit := 0 // of its own; the pool has the function's
	if in.of.dep.RuntimeMode == provider.STDIO {
		limit = 1
	}
	f.publish()
	f.mu.Unlock()
	f.log.Debug("instance ready", "instance", in.id, "took", took)
	f.pool.Add(in.id, address, limit, took, target)
	if f.measured() {
		f.p.sampler.watch(f)
	}
	f.mu.Lock()
	f.reconcile() // it may be the successor of an outdated one
	f.mu.Unlock()
	return true
}

// exited records the exit of an instance and starts its successor, at once or
// after a delay.
func (f *function) exited(in *instance, how exit) {
	f.mu.Lock()
	for i, other := range f.instances {
		if other == in {
			f.instances = append(f.instances[:i:i], f.instances[i+1:]...)
			break
		}
	}
	if in.isReady {
		in.isReady = false
		f.ready--
	}
	var fail *provider.Error
	switch {
	case in.leaving:
	case f.onTrial(in):
		fail = f.tried(how)
	case in.of != f.release:
		f.restarts++ // its successor has been started
	default:
		f.restarts++
		switch {
		case how.startFailure != nil:
			f.failure = how.startFailure
			if f.ready == 0 && f.next == nil {
				// Waiting invocations must fail with this error rather than
				// time out.
				fail = f.failure
			}
			if f.dep.Replicas == 0 && f.dep.MinReplicas == 0 && f.ready == 0 && f.dep.ScalingStrategy != provider.ScaleInternal {
				f.desired = 0 // started on demand, so the next try is too
			}
			f.delay()
		case how.recycled:
		default:
			if how.lived >= f.p.opt.StableAfter {
				f.backoff.reset()
			}
			f.delay()
		}
	}
	f.reconcile()
	f.mu.Unlock()
	if fail != nil {
		f.pool.FailWaiting(fail)
	}
}

// delay postpones the next start. Called with f.mu held.
func (f *function) delay() {
	if f.down || f.retry != nil {
		return
	}
	d := f.backoff.next()
	f.log.Info("next start delayed", "delay", d)
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.retry == t {
			f.retry = nil
			f.reconcile()
		}
	})
	f.retry = t
}

func (f *function) cancelRetry() {
	if f.retry != nil {
		f.retry.Stop()
		f.retry = nil
	}
}

// shutDown ends the waiting invocations with err and stops all instances.
// announce tells watchers that the function is gone.
func (f *function) shutDown(err *provider.Error, announce bool) {
	f.pool.Close(err)
	f.mu.Lock()
	if !f.down {
		f.down = true
		if announce {
			f.p.hub.Publish(provider.Status{Function: f.name, Deleted: true})
		}
		f.abandon()
		f.cancelRetry()
		f.reconcile()
	}
	f.mu.Unlock()
}

func (f *function) status() provider.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.statusLocked()
}

func (f *function) statusLocked() provider.Status {
	s := provider.Status{
		Function: f.name, Desired: f.desired, Restarts: f.restarts,
	}
	for _, in := range f.instances {
		if !in.isReady && !in.leaving && !f.onTrial(in) {
			s.Starting++
		}
	}
	// Replicas, not processes, and not old and new ones during a rollout.
	s.Ready = min(f.ready, s.Desired)
	s.Starting = min(s.Starting, s.Desired-s.Ready)
	s.Rollout = f.rolloutStatus()
	s.InFlight, s.Waiting = f.pool.Load()
	s.LimitsError = f.unheld()
	if f.failure != nil {
		s.LastError = f.failure.Error()
	}
	return s
}

// publish tells watchers. Called with f.mu held, which keeps the order.
func (f *function) publish() {
	if !f.down {
		f.p.hub.Publish(f.statusLocked())
	}
}
