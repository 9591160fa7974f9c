package kubernetes

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	appslisters "k8s.io/client-go/listers/apps/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"

	"simplane/server/internal/fncall"
	"simplane/server/provider"
)

// watch follows the cluster through informers: EndpointSlices say where the
// ready instances are, Deployments how many are wanted, pods why they do not
// start.
type watch struct {
	p           *Provider
	factory     informers.SharedInformerFactory
	slices      discoverylisters.EndpointSliceLister
	deployments appslisters.DeploymentLister
	pods        corelisters.PodLister
}

func newWatch(p *Provider) (*watch, error) {
	factory := informers.NewSharedInformerFactoryWithOptions(p.client, 0,
		informers.WithNamespace(p.opt.Namespace),
		// EndpointSlices and pods carry the labels of their Service and
		// Deployment, so that other workloads cost nothing here.
		informers.WithTweakListOptions(func(o *metav1.ListOptions) {
			o.LabelSelector = labelManagedBy + "=" + fieldManager
		}))
	w := &watch{
		p: p, factory: factory,
		slices:      factory.Discovery().V1().EndpointSlices().Lister(),
		deployments: factory.Apps().V1().Deployments().Lister(),
		pods:        factory.Core().V1().Pods().Lister(),
	}
	for what, informer := range map[string]cache.SharedIndexInformer{
		"endpointslices": factory.Discovery().V1().EndpointSlices().Informer(),
		"deployments":    factory.Apps().V1().Deployments().Informer(),
		"pods":           factory.Core().V1().Pods().Informer(),
	} {
		handler := cache.ResourceEventHandlerFuncs{
			AddFunc:    w.changed,
			UpdateFunc: func(_, obj any) { w.changed(obj) },
			DeleteFunc: func(obj any) {
				if last, ok := obj.(cache.DeletedFinalStateUnknown); ok {
					obj = last.Obj
				}
				w.changed(obj)
			},
		}
		if _, err := informer.AddEventHandler(handler); err != nil {
			return nil, fmt.Errorf("kubernetes: watch %s: %w", what, err)
		}
		if err := informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
			p.log.Warn("watching the cluster failed; trying again", "what", what, "error", err)
		}); err != nil {
			return nil, fmt.Errorf("kubernetes: watch %s: %w", what, err)
		}
	}
	factory.StartWithContext(p.ctx)
	return w, nil
}

// wait waits until the informers have ended, or for ctx.
func (w *watch) wait(ctx context.Context) error {
	done := make(chan struct{})
	go func() { w.factory.Shutdown(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// changed finds the function an object belongs to and looks at it anew.
func (w *watch) changed(obj any) {
	if o, ok := obj.(metav1.Object); ok {
		if f := w.p.byObject(o.GetLabels()[labelFunction]); f != nil {
			f.refresh()
		}
	}
}

// replicas is how many the Deployment wants, as far as it is known; -1 if not.
func (w *watch) replicas(f *function) int {
	d, err := w.deployments.Deployments(w.p.opt.Namespace).Get(f.object)
	if err != nil || d.Spec.Replicas == nil {
		return -1
	}
	return int(*d.Spec.Replicas)
}

// readySince is when a pod became ready by its own account; the zero time when
// it is not known.
func (w *watch) readySince(name string) time.Time {
	pod, err := w.pods.Pods(w.p.opt.Namespace).Get(name)
	if err != nil {
		return time.Time{}
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return c.LastTransitionTime.Time
		}
	}
	return time.Time{}
}

// refresh brings a function up to date with the informers' caches.
func (f *function) refresh() {
	f.looking.Lock()
	defer f.looking.Unlock()
	w := f.p.watch
	selector := labels.SelectorFromSet(f.selector())
	slices, _ := w.slices.EndpointSlices(f.p.opt.Namespace).List(selector)
	pods, _ := w.pods.Pods(f.p.opt.Namespace).List(selector)
	deployment, err := w.deployments.Deployments(f.p.opt.Namespace).Get(f.object)
	if err != nil {
		deployment = nil
	}
	f.update(slices, deployment, pods)
}

// update takes instances into and out of balancing and notes failures. Nil d
// means there is no Deployment. Called with f.looking held.
func (f *function) update(slices []*discoveryv1.EndpointSlice, d *appsv1.Deployment, pods []*corev1.Pod) {
	type joined struct {
		id string
		member
	}
	var added []joined
	var removed []string

	f.mu.Lock()
	if !f.written {
		// What is there now may be left of an earlier function of that name.
		f.mu.Unlock()
		return
	}
	if d != nil && d.UID != f.self {
		d = nil // of an earlier function of that name
	}
	f.follow(d)
	ours := map[string]bool{} // by pod; false for one of an earlier Deployment
	var own, current []*corev1.Pod
	for _, pod := range pods {
		ours[pod.Name] = !f.origin.strange(pod)
		if !ours[pod.Name] {
			continue
		}
		own = append(own, pod)
		if !f.origin.outdated(pod) {
			current = append(current, pod)
		}
	}
	ready := addresses(slices, ours)
	for id, m := range f.members {
		if ready[id] != m.addr { // gone, or started anew elsewhere
			delete(f.members, id)
			removed = append(removed, id)
			m.in.Close()
		}
	}
	for id, addr := range ready {
		if _, ok := f.members[id]; !ok {
			m := member{addr, provider.NewHTTPInstance(addr, provider.HTTPOptions{MaxOutputBytes: f.p.opt.MaxOutputBytes})}
			f.members[id] = m
			added = append(added, joined{id, m})
		}
	}
	took := time.Since(f.began)
	f.restarts = restarts(own)
	var fail *provider.Error
	if d != nil && d.Status.ObservedGeneration < f.generation {
		d = nil // its status is about what was wanted before
	}
	if len(f.members) == 0 && f.desired > 0 {
		if why := startFailure(d, current); why != "" {
			fail = &provider.Error{Code: provider.CodeStartFailed, Message: why}
		}
	}
	f.rollout = rollout(d, own, current)
	news := fail != nil && (f.failure == nil || f.failure.Message != fail.Message)
	f.failure = fail
	f.p.hub.Publish(f.statusLocked())
	f.mu.Unlock()

	for _, id := range removed {
		f.pool.Remove(id)
	}
	for _, j := range added {
		f.pool.Add(j.id, j.addr, 0, took, j.in)
	}
	if news {
		f.log.Error(fail.Error())
	}
	if fail != nil {
		f.pool.FailWaiting(fail)
	}
}

// follow takes over how many instances the cluster wants, which others change
// too: an autoscaler, or somebody by hand. f.mu is held.
func (f *function) follow(d *appsv1.Deployment) {
	switch {
	case d == nil && f.seen:
		f.seen, f.lost = false, true
		f.log.Warn("the Deployment was deleted by somebody; the next invocation makes it again", "deployment", f.object)
		f.want(0)
	case d == nil || d.Generation < f.generation || d.DeletionTimestamp != nil:
		// Not there yet, older than what was written last, or on its way out.
	default:
		f.seen = true
		if d.Spec.Replicas != nil {
			f.want(int(*d.Spec.Replicas))
		}
	}
}

// addresses lists the ready endpoints of a function: id to host:port. Those of
// pods that are not ours are left out; so are, in a slice of the cluster's
// controller, those of pods nobody knows: they are of a function deleted just
// now, and the slice is about to go too. A pod with addresses of several
// families is listed once.
func addresses(slices []*discoveryv1.EndpointSlice, ours map[string]bool) map[string]string {
	out := map[string]string{}
	for _, s := range slices {
		port := 0
		for _, p := range s.Ports {
			if p.Port != nil && (p.Name == nil || *p.Name == portName || len(s.Ports) == 1) {
				port = int(*p.Port)
			}
		}
		if port == 0 || s.AddressType == discoveryv1.AddressTypeFQDN {
			continue
		}
		for _, e := range s.Endpoints {
			// No condition means ready; a terminating endpoint is not.
			if len(e.Addresses) == 0 || e.Conditions.Ready != nil && !*e.Conditions.Ready {
				continue
			}
			addr := net.JoinHostPort(e.Addresses[0], strconv.Itoa(port))
			id := addr
			if e.TargetRef != nil && e.TargetRef.Name != "" {
				id = e.TargetRef.Name
			}
			if own, known := ours[id]; known && !own || !known && len(s.OwnerReferences) > 0 {
				continue
			}
			// The smaller one, whatever the order of the slices.
			if have, ok := out[id]; !ok || addr < have {
				out[id] = addr
			}
		}
	}
	return out
}

// rollout is how the replacement of pods goes: while there are any of an earlier
// template, which take calls until those of the current one are ready.
func rollout(d *appsv1.Deployment, own, current []*corev1.Pod) provider.Rollout {
	old := false
	for _, pod := range own {
		old = old || pod.DeletionTimestamp == nil && !slices.Contains(current, pod)
	}
	if !old {
		return provider.Rollout{}
	}
	if why := startFailure(d, current); why != "" {
		return provider.Rollout{State: provider.RolloutFailed, Message: why}
	}
	return provider.Rollout{State: provider.RolloutProgressing}
}

// hopeless are the reasons for which a waiting container does not start
// without somebody's help.
var hopeless = map[string]bool{
	"ErrImagePull": true, "ImagePullBackOff": true, "InvalidImageName": true, "ErrImageNeverPull": true,
	"CrashLoopBackOff": true, "CreateContainerConfigError": true, "CreateContainerError": true, "RunContainerError": true,
}

// startFailure says why a function has no ready instance; empty while there
// is hope.
func startFailure(d *appsv1.Deployment, pods []*corev1.Pod) string {
	for _, pod := range pods {
		for _, c := range pod.Status.ContainerStatuses {
			if w := c.State.Waiting; w != nil && hopeless[w.Reason] {
				why := fmt.Sprintf("pod %s: %s: %s", pod.Name, w.Reason, w.Message)
				if t := c.LastTerminationState.Terminated; t != nil {
					why += fmt.Sprintf("; it last exited with code %d %s", t.ExitCode, t.Message)
				}
				return fncall.Snippet([]byte(why))
			}
		}
	}
	if d == nil {
		return ""
	}
	for _, c := range d.Status.Conditions {
		late := c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse
		// With a pod on its way there is hope, even if more are refused.
		refused := c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue && len(pods) == 0
		if late || refused {
			return fncall.Snippet([]byte(fmt.Sprintf("deployment %s: %s: %s", d.Name, c.Reason, c.Message)))
		}
	}
	return ""
}

func restarts(pods []*corev1.Pod) (n int64) {
	for _, pod := range pods {
		for _, c := range pod.Status.ContainerStatuses {
			n += int64(c.RestartCount)
		}
	}
	return n
}
