package kubernetes

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"simplane/server/provider"
)

// function is what the provider keeps of one function.
type function struct {
	p      *Provider
	name   string
	object string
	log    *slog.Logger
	pool   *provider.Pool

	writing  sync.Mutex // one apply, scale or delete at a time; guards the next three
	complete bool       // the other objects have been written too
	uid      types.UID  // of the Deployment they were written for
	gone     bool       // deleted: nothing may be written any more

	looking sync.Mutex // one refresh at a time, or an older view could win

	mu         sync.Mutex
	dep        provider.Deployment
	desired    int
	began      time.Time // when instances were last asked for; for cold starts
	written    bool      // the API server has taken the Deployment
	self       types.UID // of the Deployment
	generation int64     // of the Deployment, when simplane last wrote it
	origin     origin    // of the pods
	seen, lost bool      // the Deployment was there, and somebody deleted it
	members    map[string]member
	restarts   int64
	failure    *provider.Error // why no instance becomes ready; nil while that is open
	rollout    provider.Rollout
	waking     bool   // a start from zero is under way
	blind      string // what is wrong with the figures of the pods; see sampler

	activity provider.Activity // the sampler's loop only
}

// member is a ready instance.
type member struct {
	addr string
	in   *provider.HTTPInstance
}

func newFunction(p *Provider, d provider.Deployment) *function {
	return &function{
		p: p, name: d.Name, object: objectName(d.Name), dep: d,
		log:     p.log.With("function", d.Name),
		pool:    provider.NewPool(p.opt.Pool),
		members: map[string]member{},
		began:   time.Now(),
	}
}

// apply makes the cluster's objects those of d. fresh says that this provider
// has not known the function before. created says that the Deployment did not
// exist and now may.
func (f *function) apply(ctx context.Context, d provider.Deployment, fresh bool) (created bool, err error) {
	f.writing.Lock()
	defer f.writing.Unlock()
	if f.gone {
		return false, provider.ErrNotFound
	}
	existing, err := f.p.client.AppsV1().Deployments(f.p.opt.Namespace).Get(ctx, f.object, metav1.GetOptions{})
	n := d.Replicas
	switch {
	case apierrors.IsNotFound(err):
		created = true
		f.mu.Lock()
		f.origin.incarnation = rand.Text()
		f.mu.Unlock()
	case err != nil:
		return false, fmt.Errorf("deployment %s: %w", f.object, err)
	case !f.owns(existing):
		return false, provider.Invalid(fmt.Errorf("name: the cluster has a Deployment %s that is not this function's", f.object))
	default:
		f.mu.Lock()
		f.origin = originOf(existing.Spec.Template.Annotations)
		f.mu.Unlock()
		if fresh && existing.Spec.Replicas != nil {
			// A restart of simplane takes no running instances away.
			n = max(n, min(int(*existing.Spec.Replicas), f.most(d)))
		}
		if !fresh && existing.Spec.Replicas != nil {
			f.mu.Lock()
			n = d.Rescaled(f.dep, int(*existing.Spec.Replicas))
			f.mu.Unlock()
		}
		if d.ScalingStrategy == provider.ScaleHPA {
			if err := f.handOver(ctx, existing); err != nil {
				return false, fmt.Errorf("deployment %s: %w", f.object, err)
			}
		}
	}
	f.complete = false // the other objects are to be written too
	return created, f.write(ctx, d, n)
}

// most is how many replicas d may have.
func (f *function) most(d provider.Deployment) int {
	if d.MaxReplicas > 0 {
		return min(d.MaxReplicas, f.p.opt.MaxReplicas)
	}
	return f.p.opt.MaxReplicas
}

// write applies the Deployment and what else is missing; f.writing is held.
func (f *function) write(ctx context.Context, d provider.Deployment, n int) error {
	uid, err := f.writeDeployment(ctx, d, n)
	if err != nil {
		return fmt.Errorf("deployment %s: %w", f.object, err)
	}
	if f.complete && uid == f.uid {
		return nil
	}
	f.complete = false
	ns, owner := f.p.opt.Namespace, f.ownedBy(uid)
	if _, err := f.p.client.CoreV1().Services(ns).Apply(ctx, f.service(owner), applied); err != nil {
		return fmt.Errorf("service %s: %w", f.object, err)
	}
	scalers := f.p.client.AutoscalingV2().HorizontalPodAutoscalers(ns)
	if d.ScalingStrategy != provider.ScaleHPA {
		err = remove(ctx, f, scalers, metav1.DeleteOptions{})
	} else if scaler, bad := f.autoscaler(d, owner); bad != nil {
		err = bad
	} else {
		_, err = scalers.Apply(ctx, scaler, applied)
	}
	if err != nil {
		return fmt.Errorf("autoscaler %s: %w", f.object, err)
	}
	f.complete, f.uid = true, uid
	return nil
}

// applied makes simplane's word count for the fields it names.
var applied = metav1.ApplyOptions{FieldManager: fieldManager, Force: true}

func (f *function) writeDeployment(ctx context.Context, d provider.Deployment, n int) (types.UID, error) {
	hpa := d.ScalingStrategy == provider.ScaleHPA
	var replicas *int32
	if !hpa {
		r := int32(n)
		replicas = &r
	}
	f.mu.Lock()
	before := f.desired
	if !hpa {
		f.want(n) // from now on a cold start takes time
	}
	config, origin := f.deployment(d, replicas, f.origin.incarnation)
	f.mu.Unlock()

	dep, err := f.p.client.AppsV1().Deployments(f.p.opt.Namespace).Apply(ctx, config, applied)

	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.desired = before // so that the next invocation tries to wake it again
		return "", err
	}
	f.dep, f.origin = d, origin
	f.pool.SetLimit(d.Concurrency())
	f.written, f.self, f.generation = true, dep.UID, dep.Generation
	f.seen, f.lost = false, false
	if !hpa {
		f.want(n) // a look at the old state may have come in between
	}
	return dep.UID, nil
}

// want notes the number of replicas asked for. Called with f.mu held.
func (f *function) want(n int) {
	if n > f.desired {
		f.began = time.Now()
		f.failure = nil
	}
	f.desired = n
}

func (f *function) scale(ctx context.Context, n int) error {
	f.writing.Lock()
	defer f.writing.Unlock()
	f.mu.Lock()
	d, unchanged := f.dep, n == f.desired
	f.mu.Unlock()
	if most := f.most(d); n < 0 || n > most {
		return provider.Invalid(fmt.Errorf("replicas: 0 to %d are allowed, not %d", most, n))
	}
	if d.ScalingStrategy == provider.ScaleHPA {
		return ErrScaledByHPA
	}
	if f.gone {
		return provider.ErrNotFound
	}
	if unchanged && f.complete && f.p.watch.replicas(f) == n {
		return nil // an autoscaler repeats itself until the instances are ready
	}
	if err := f.write(ctx, d, n); err != nil {
		return err
	}
	f.publish()
	return nil
}

func (f *function) invoke(inv provider.Invocation, done func(provider.Result)) {
	f.mu.Lock()
	timeout := time.Duration(f.dep.TimeoutMillis) * time.Millisecond
	var failure *provider.Error
	if len(f.members) == 0 {
		failure = f.failure
	}
	f.mu.Unlock()
	if failure != nil {
		done(provider.Failure(failure.Code, failure.Message))
		return
	}
	if inv.Deadline.IsZero() {
		if timeout <= 0 {
			timeout = 30 * time.Second
		}
		inv.Deadline = time.Now().Add(timeout)
	}
	f.pool.Go(inv, done)
	f.wake()
}

// wake starts an instance when work waits and none is wanted.
func (f *function) wake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.desired > 0 || f.waking || f.dep.ScalingStrategy == provider.ScaleHPA && !f.lost {
		return
	}
	if _, waiting := f.pool.Load(); waiting == 0 {
		return
	}
	f.waking = true
	go func() {
		ctx, cancel := f.p.bound(context.Background())
		defer cancel()
		err := f.start(ctx)
		f.mu.Lock()
		f.waking = false
		f.mu.Unlock()
		if err != nil {
			f.log.Error("the function could not be started", "error", err)
			f.pool.FailWaiting(&provider.Error{Code: provider.CodeStartFailed, Message: "kubernetes: the function could not be started: " + err.Error()})
		}
	}()
}

// start asks for the first instance.
func (f *function) start(ctx context.Context) error {
	f.writing.Lock()
	defer f.writing.Unlock()
	f.mu.Lock()
	d, started := f.dep, f.desired > 0
	f.mu.Unlock()
	switch {
	case f.gone:
		return provider.ErrNotFound
	case started: // somebody else was faster
		return nil
	}
	if err := f.write(ctx, d, 1); err != nil {
		return err
	}
	f.publish()
	return nil
}

func (f *function) status() provider.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.statusLocked()
}

func (f *function) statusLocked() provider.Status {
	s := provider.Status{Function: f.name, Desired: f.desired, Ready: len(f.members), Restarts: f.restarts}
	s.Starting = max(0, s.Desired-s.Ready)
	s.InFlight, s.Waiting = f.pool.Load()
	if f.failure != nil {
		s.LastError = f.failure.Error()
	}
	s.Rollout = f.rollout
	s.MetricsError = f.blind
	if t := f.p.sampler.trouble.Load(); t != nil && len(f.dep.Measured()) > 0 {
		s.MetricsError = t.text
	}
	return s
}

func (f *function) publish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.p.hub.Publish(f.statusLocked())
}
