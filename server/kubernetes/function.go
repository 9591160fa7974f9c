package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"simplane/server/provider"
)

// function is what the provider keeps of one function.
type function struct {
	p      *Provider
	name   string
	object string
	log    *slog.Logger
	pool   *provider.Pool

	writing sync.Mutex // one apply, scale or delete at a time

	mu       sync.Mutex
	dep      provider.Deployment
	desired  int
	began    time.Time // when instances were last asked for; for cold starts
	members  map[string]*provider.HTTPInstance
	restarts int64
	failure  *provider.Error // why no instance becomes ready; nil while that is open
	waking   bool            // a start from zero is under way
}

func newFunction(p *Provider, d provider.Deployment) *function {
	return &function{
		p: p, name: d.Name, object: objectName(d.Name), dep: d,
		log:     p.log.With("function", d.Name),
		pool:    provider.NewPool(p.opt.Pool),
		members: map[string]*provider.HTTPInstance{},
		began:   time.Now(),
	}
}

// apply makes the cluster's objects those of d.
func (f *function) apply(ctx context.Context, d provider.Deployment) error {
	f.writing.Lock()
	defer f.writing.Unlock()
	return f.write(ctx, d, d.Replicas)
}

// write applies all objects; f.writing is held.
func (f *function) write(ctx context.Context, d provider.Deployment, n int) error {
	ns, opt := f.p.opt.Namespace, metav1.ApplyOptions{FieldManager: fieldManager, Force: true}
	hpa := d.ScalingStrategy == provider.ScaleHPA
	var replicas *int32
	if !hpa {
		r := int32(n)
		replicas = &r
	}
	f.mu.Lock()
	f.dep = d
	if !hpa {
		f.want(n)
	}
	f.mu.Unlock()

	dep, err := f.p.client.AppsV1().Deployments(ns).Apply(ctx, f.deployment(d, replicas), opt)
	if err != nil {
		return fmt.Errorf("deployment %s: %w", f.object, err)
	}
	owner := ownedBy(dep)
	if _, err := f.p.client.CoreV1().Services(ns).Apply(ctx, f.service(owner), opt); err != nil {
		return fmt.Errorf("service %s: %w", f.object, err)
	}
	scalers := f.p.client.AutoscalingV2().HorizontalPodAutoscalers(ns)
	if !hpa {
		if err := gone(scalers.Delete(ctx, f.object, metav1.DeleteOptions{})); err != nil {
			return fmt.Errorf("autoscaler %s: %w", f.object, err)
		}
		return nil
	}
	scaler, err := f.autoscaler(d, owner)
	if err == nil {
		_, err = scalers.Apply(ctx, scaler, opt)
	}
	if err != nil {
		return fmt.Errorf("autoscaler %s: %w", f.object, err)
	}
	return nil
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
	d := f.dep
	f.mu.Unlock()
	most := f.p.opt.MaxReplicas
	if d.MaxReplicas > 0 {
		most = min(most, d.MaxReplicas)
	}
	if n < 0 || n > most {
		return fmt.Errorf("0 to %d replicas are allowed", most)
	}
	if d.ScalingStrategy == provider.ScaleHPA {
		return ErrScaledByHPA
	}
	if err := f.write(ctx, d, n); err != nil {
		return err
	}
	f.publish()
	return nil
}

// delete removes the objects, the one that keeps making others first.
func (f *function) delete(ctx context.Context) error {
	f.writing.Lock()
	defer f.writing.Unlock()
	ns := f.p.opt.Namespace
	background := metav1.DeletePropagationBackground
	opt := metav1.DeleteOptions{PropagationPolicy: &background}
	return errors.Join(
		gone(f.p.client.AutoscalingV2().HorizontalPodAutoscalers(ns).Delete(ctx, f.object, opt)),
		gone(f.p.client.AppsV1().Deployments(ns).Delete(ctx, f.object, opt)),
		gone(f.p.client.CoreV1().Services(ns).Delete(ctx, f.object, opt)),
	)
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
	if f.desired > 0 || f.waking || f.dep.ScalingStrategy == provider.ScaleHPA {
		return
	}
	if _, waiting := f.pool.Load(); waiting == 0 {
		return
	}
	f.waking = true
	go func() {
		ctx, cancel := f.p.bound(context.Background())
		defer cancel()
		err := f.scale(ctx, 1)
		f.mu.Lock()
		f.waking = false
		f.mu.Unlock()
		if err != nil {
			f.log.Error("the function could not be started", "error", err)
			f.pool.FailWaiting(&provider.Error{Code: provider.CodeStartFailed, Message: "kubernetes: the function could not be started: " + err.Error()})
		}
	}()
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
	return s
}

func (f *function) publish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.p.hub.Publish(f.statusLocked())
}
