package kubernetes

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"simplane/server/provider"
)

// departure is the deletion of a function's objects. It goes on until the API
// server has taken it, however long that is out of reach: what were left would
// run for ever.
type departure struct {
	again chan struct{} // asks for a try now
	done  chan struct{} // closed at the end
}

const (
	firstRetry = 250 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// leave forgets a function, ends its waiting work and deletes its objects in
// the background. nil if it was forgotten before.
func (p *Provider) leave(f *function, why *provider.Error) *departure {
	d := &departure{again: make(chan struct{}, 1), done: make(chan struct{})}
	p.mu.Lock()
	known := p.functions[f.name] == f
	if known {
		delete(p.functions, f.name)
		delete(p.objects, f.object)
		p.leaving[f.object] = d
	}
	p.mu.Unlock()
	if !known {
		return nil
	}
	f.pool.Close(why)
	go d.run(f)
	return d
}

func (d *departure) run(f *function) {
	p := f.p
	defer func() {
		p.mu.Lock()
		delete(p.leaving, f.object)
		p.mu.Unlock()
		close(d.done)
	}()
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		ctx, cancel := p.bound(context.Background())
		err := f.delete(ctx)
		cancel()
		if err == nil {
			return
		}
		if p.ctx.Err() != nil {
			f.log.Error("objects of a deleted function are left in the cluster", "object", f.object, "error", err)
			return
		}
		f.log.Warn("a function's objects cannot be deleted; trying again", "object", f.object, "in", wait, "error", err)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-d.again:
		case <-p.ctx.Done():
		}
		timer.Stop()
	}
}

// wait tries at once, if it is waiting for the next try, and waits for the end.
func (d *departure) wait(ctx context.Context) error {
	select {
	case d.again <- struct{}{}:
	default:
	}
	select {
	case <-d.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// delete removes the objects, the one that keeps making others first.
func (f *function) delete(ctx context.Context) error {
	f.writing.Lock()
	defer f.writing.Unlock()
	f.gone = true
	ns, client := f.p.opt.Namespace, f.p.client
	background := metav1.DeletePropagationBackground
	var errs []error
	for _, step := range []func() error{
		func() error {
			return remove(ctx, f, client.AutoscalingV2().HorizontalPodAutoscalers(ns), metav1.DeleteOptions{})
		},
		func() error {
			return remove(ctx, f, client.AppsV1().Deployments(ns), metav1.DeleteOptions{PropagationPolicy: &background})
		},
		func() error { return remove(ctx, f, client.CoreV1().Services(ns), metav1.DeleteOptions{}) },
	} {
		err := step()
		errs = append(errs, err)
		if err != nil && apierrors.ReasonForError(err) == metav1.StatusReasonUnknown {
			break // out of reach: the others fare no better
		}
	}
	return errors.Join(errs...)
}

// kind is the part of a typed client that remove needs.
type kind[T metav1.Object] interface {
	Get(ctx context.Context, name string, opt metav1.GetOptions) (T, error)
	Delete(ctx context.Context, name string, opt metav1.DeleteOptions) error
}

// remove deletes a function's object of one kind, if there is one. What
// somebody else has put there is left alone: the object looked at is the one
// deleted, even if the request is delayed and a new one stands in its place.
func remove[T metav1.Object](ctx context.Context, f *function, objects kind[T], opt metav1.DeleteOptions) error {
	o, err := objects.Get(ctx, f.object, metav1.GetOptions{})
	if err != nil || !f.owns(o) {
		return gone(err)
	}
	uid := o.GetUID()
	opt.Preconditions = &metav1.Preconditions{UID: &uid}
	return gone(objects.Delete(ctx, f.object, opt))
}

// owns says that simplane made the object for this function.
func (f *function) owns(o metav1.Object) bool {
	return o.GetLabels()[labelManagedBy] == fieldManager && o.GetAnnotations()[annotationFunction] == f.name
}
