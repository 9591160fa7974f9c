// Package replicas keeps as many instances of a function running as are wanted:
// it starts them, replaces those that fail after a growing delay, and changes a
// function by starting new instances before the old ones end. What an instance
// is, a Runner knows.
package replicas

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"simplane/server/provider"
)

// Options tunes a Set. Functions.NewSet sets Hub and Stopped; every other field but
// Pool's must be set.
type Options struct {
	Logger *slog.Logger
	Pool   provider.PoolOptions
	Hub    *provider.Hub // that status changes are published to

	BackoffBase  time.Duration // first delay before a restart; doubles
	BackoffMax   time.Duration // longest delay
	StableAfter  time.Duration // an instance that lived this long resets it
	DrainTimeout time.Duration // for running invocations when an instance stops
	MaxReplicas  int           // of one function
	MaxStarting  int           // instances of one function starting at the same time
	LogLines     int           // kept for each function
	LogBytes     int           // kept for each function

	// New makes what runs an instance. It must not block.
	New func(*Instance) Runner
	// Sampler measures what runners that are Meters use, where functions are scaled by it.
	Sampler *Sampler
	// LimitsError is that of the Status; it must not use the Set.
	LimitsError func(provider.Deployment) string
	Stopped     func() // called once, when the Set is shut down and its last instance gone
}

// Set keeps the wanted number of instances of one deployment running.
type Set struct {
	Name string
	Log  *slog.Logger
	Pool *provider.Pool
	Logs *provider.Ring

	opt     Options
	gauge   atomic.Pointer[gauge]
	stopped chan struct{} // closed when shut down and the last instance is gone

	// starting is a semaphore: many instances that start at once slow each
	// other down. It belongs to one function, so that one that never gets
	// ready holds up no other.
	starting chan struct{}

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
	instances []*Instance // in the order they were started
	ready     int         // instances that take work
	restarts  int64
	backoff   backoff
	retry     *time.Timer     // set while a restart is delayed
	failure   *provider.Error // why the last instance did not start; nil after one did
	lastExit  string          // why the last one that failed did, whatever came after
}

// New makes a Set of a deployment, without an instance.
func New(d provider.Deployment, opt Options) *Set {
	f := &Set{
		Name: d.Name, release: &release{d}, opt: opt,
		Log:      opt.Logger.With("function", d.Name),
		Pool:     provider.NewPool(opt.Pool),
		Logs:     provider.NewRing(opt.LogLines, opt.LogBytes),
		stopped:  make(chan struct{}),
		starting: make(chan struct{}, opt.MaxStarting),
		backoff:  backoff{base: opt.BackoffBase, max: opt.BackoffMax},
	}
	f.adopt(d)
	if why := opt.LimitsError(d); why != "" {
		f.Logs.Add(provider.LogLine{Time: time.Now(), Stream: provider.System, Text: "limits that do not hold: " + why})
	}
	return f
}

// Note logs a line about the function, for the operator and in its own log.
func (f *Set) Note(instance string, level slog.Level, text string) {
	f.Log.Log(context.Background(), level, text, "instance", instance)
	f.Logs.Add(provider.LogLine{Time: time.Now(), Instance: instance, Stream: provider.System, Text: text})
}

// Most is how many replicas there may be.
func (f *Set) Most() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dep.Most(f.opt.MaxReplicas)
}

// Scale sets the number of instances wanted.
func (f *Set) Scale(n int) {
	f.mu.Lock()
	if f.desired != n {
		f.desired = n
		// A new request for instances ends the delay of a retry.
		f.cancelRetry()
	}
	f.reconcile()
	f.mu.Unlock()
}

// Invoke delivers inv, starting an instance when there is none.
func (f *Set) Invoke(inv provider.Invocation, done func(provider.Result)) {
	if inv.Deadline.IsZero() {
		inv.Deadline = time.Now().Add(f.timeout())
	}
	if err := f.refusal(); err != nil {
		done(provider.Failure(err.Code, err.Message))
		return
	}
	if f.Pool.Go(inv, done) {
		f.wake()
	}
}

func (f *Set) timeout() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dep.TimeoutMillis <= 0 {
		return 30 * time.Second
	}
	return time.Duration(f.dep.TimeoutMillis) * time.Millisecond
}

// refusal is why an invocation is refused: while the function fails to start
// and its next try is delayed, waiting would not help.
func (f *Set) refusal() *provider.Error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ready == 0 && f.retry != nil && f.next == nil {
		return f.failure
	}
	return nil
}

// wake starts an instance for work that waits, when none is wanted or when
// there may be another worker.
func (f *Set) wake() {
	f.mu.Lock()
	if f.desired == 0 || f.grow() {
		f.reconcile()
	}
	f.mu.Unlock()
}

// grow makes room for as many processes as calls overlap, within what the
// replicas may have, and reports whether that is more than before. They stay
// warm until replicas are taken away. Called with f.mu held.
func (f *Set) grow() bool {
	if f.workers == 1 {
		return false
	}
	inFlight, waiting := f.Pool.Load()
	n := min(inFlight+waiting, f.mostProcesses())
	if n <= f.grown {
		return false
	}
	f.grown = n
	return true
}

// mostProcesses is how many processes the wanted replicas may have.
func (f *Set) mostProcesses() int {
	return max(f.desired, min(f.desired*f.workers, f.opt.MaxReplicas))
}

// reconcile starts and stops instances until there are as many as wanted.
// Called with f.mu held.
func (f *Set) reconcile() {
	if f.next != nil && f.desired == 0 {
		f.takeOver() // there is nothing that the old release is to be kept for
	}
	if f.desired == 0 && f.retry == nil {
		if _, waiting := f.Pool.Load(); waiting > 0 {
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
			f.opt.Stopped()
		}
	}
	f.publish()
}

// start starts an instance of a release. Called with f.mu held.
func (f *Set) start(of *release) *Instance {
	in := newInstance(f, of)
	f.instances = append(f.instances, in)
	in.runner = f.opt.New(in)
	go in.run()
	return in
}

// retire makes an instance stop once its invocations have ended. Called with
// f.mu held.
func (f *Set) retire(in *Instance) {
	in.leaving = true
	if in.isReady {
		in.isReady = false
		f.ready--
	}
	close(in.stop)
}

// becameReady puts an instance into balancing, unless it is to stop already.
func (f *Set) becameReady(in *Instance, address string, took time.Duration, target provider.Instance) bool {
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
	f.Log.Debug("instance ready", "instance", in.id, "took", took)
	f.Pool.Add(in.id, address, limit, took, target)
	f.watch()
	f.mu.Lock()
	f.reconcile() // it may be the successor of an outdated one
	f.mu.Unlock()
	return true
}

// exited records the exit of an instance and starts its successor, at once or
// after a delay.
func (f *Set) exited(in *Instance, how Exit) {
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
		case how.StartFailure != nil:
			f.failure, f.lastExit = how.StartFailure, how.StartFailure.Error()
			if f.ready == 0 && f.next == nil {
				// Waiting invocations must fail with this error rather than
				// time out.
				fail = f.failure
			}
			if f.dep.Replicas == 0 && f.dep.MinReplicas == 0 && f.ready == 0 && f.dep.ScalingStrategy != provider.ScaleInternal {
				f.desired = 0 // started on demand, so the next try is too
			}
			f.delay()
		case how.Recycled:
		default:
			if how.lived >= f.opt.StableAfter {
				f.backoff.reset()
			}
			f.delay()
		}
	}
	f.reconcile()
	f.mu.Unlock()
	if fail != nil {
		f.Pool.FailWaiting(fail)
	}
}

// delay postpones the next start. Called with f.mu held.
func (f *Set) delay() {
	if f.down || f.retry != nil {
		return
	}
	d := f.backoff.next()
	f.Log.Info("next start delayed", "delay", d)
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

func (f *Set) cancelRetry() {
	if f.retry != nil {
		f.retry.Stop()
		f.retry = nil
	}
}

// ShutDown ends the waiting invocations with err, stops all instances, and tells
// watchers that the function is gone.
func (f *Set) ShutDown(err *provider.Error) {
	f.Pool.Close(err)
	f.mu.Lock()
	if !f.down {
		f.down = true
		f.opt.Hub.Publish(provider.Status{Function: f.Name, Deleted: true})
		f.abandon()
		f.cancelRetry()
		f.reconcile()
	}
	f.mu.Unlock()
}

func (f *Set) Status() provider.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.statusLocked()
}

func (f *Set) statusLocked() provider.Status {
	s := provider.Status{
		Function: f.Name, Desired: f.desired, Restarts: f.restarts, LastExit: f.lastExit,
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
	s.InFlight, s.Waiting = f.Pool.Load()
	s.LimitsError = f.opt.LimitsError(f.dep)
	if f.failure != nil {
		s.LastError = f.failure.Error()
	}
	return s
}

// publish tells watchers. Called with f.mu held, which keeps the order.
func (f *Set) publish() {
	if !f.down {
		f.opt.Hub.Publish(f.statusLocked())
	}
}

// Deployment is what is in force.
func (f *Set) Deployment() provider.Deployment {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dep
}

// Down is closed when the Set is shut down and its last instance gone.
func (f *Set) Down() <-chan struct{} { return f.stopped }

// Count is the number of instances, those that are stopping included.
func (f *Set) Count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.instances)
}

// Ready are the runners of the instances that take work.
func (f *Set) Ready() (ready []Runner) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, in := range f.instances {
		if in.isReady {
			ready = append(ready, in.runner)
		}
	}
	return ready
}
