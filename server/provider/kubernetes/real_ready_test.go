package kubernetes

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"simplane/server/provider"
)

// endpoints makes or replaces the EndpointSlice of a function, as its
// controller does; with no instances it is empty.
func (r *real) endpoints(function, slice, host string, port int32, instances ...string) {
	r.t.Helper()
	object, name, yes := objectName(function), portName, true
	s := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: object + "-" + slice, Labels: map[string]string{
			labelManagedBy: fieldManager, labelFunction: object, discoveryv1.LabelServiceName: object,
		}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &name, Port: &port}},
	}
	for _, i := range instances {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{host}, Conditions: discoveryv1.EndpointConditions{Ready: &yes},
			TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: r.ns, Name: i},
		})
	}
	slices := r.admin.DiscoveryV1().EndpointSlices(r.ns)
	if have, err := slices.Get(ctx, s.Name, metav1.GetOptions{}); err == nil {
		s.ResourceVersion = have.ResourceVersion
		must[*discoveryv1.EndpointSlice](r.t)(slices.Update(ctx, s, metav1.UpdateOptions{}))
		return
	}
	must[*discoveryv1.EndpointSlice](r.t)(slices.Create(ctx, s, metav1.CreateOptions{}))
}

// pod makes a pod of a function's present Deployment, in the state given.
func (r *real) pod(function, name string, status corev1.PodStatus) {
	r.t.Helper()
	template := r.objects(function).deployment.Spec.Template
	pods := r.admin.CoreV1().Pods(r.ns)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: template.Labels, Annotations: template.Annotations}, Spec: template.Spec}
	// No ReplicaSet may adopt it: the controllers, where they run, delete what
	// is too much.
	pod.Labels["pod-template-hash"] = "none"
	pod = must[*corev1.Pod](r.t)(pods.Create(ctx, pod, metav1.CreateOptions{}))
	pod.Status = status
	must[*corev1.Pod](r.t)(pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{}))
}

// called invokes a function and returns its output.
func called(p *Provider, function string) string {
	r := p.Invoke(ctx, function, provider.Invocation{Input: []byte(`{"x":1}`), Deadline: time.Now().Add(hang)})
	if !r.OK() {
		return r.ErrorCode + ": " + r.ErrorMessage
	}
	return strings.TrimSpace(string(r.Output))
}

func TestRealReadinessFollowsEndpointSlices(t *testing.T) {
	r := realCluster(t)
	p, _ := r.provider(Options{})
	provision(t, p, deployment("live"))
	waiting := make(chan provider.Result, 1)
	p.Go("live", provider.Invocation{Input: []byte(`1`), Deadline: time.Now().Add(hang)}, func(r provider.Result) { waiting <- r })

	hostA, portA := echo(t, "a")
	r.endpoints("live", "test", hostA, portA, "pod-a", "pod-b")
	if res := <-waiting; !res.OK() || !res.ColdStart {
		t.Errorf("the invocation that waited: %+v", res)
	}
	if got := called(p, "live"); got != `{"from":"a","input":{"x":1}}` {
		t.Errorf("got %s", got)
	}
	eventually(t, "both are ready", func() bool { s, _ := p.Status("live"); return s.Ready == 2 })

	// The pods come back elsewhere under their names, as after a restart of
	// their node.
	hostB, portB := echo(t, "b")
	r.endpoints("live", "test", hostB, portB, "pod-a", "pod-b")
	eventually(t, "the new address counts", func() bool {
		for _, e := range p.Endpoints("live") {
			if e.Address != fmt.Sprintf("%s:%d", hostB, portB) {
				return false
			}
		}
		return true
	})
	for range 4 {
		if got := called(p, "live"); got != `{"from":"b","input":{"x":1}}` {
			t.Errorf("got %s", got)
		}
	}
	r.endpoints("live", "test", hostB, portB)
	eventually(t, "none is ready", func() bool { return len(p.Endpoints("live")) == 0 })
}

// TestRealWatchOutlivesTheAPIServer: while the API server is away, functions
// run on; when it is back, what changed meanwhile is seen.
func TestRealWatchOutlivesTheAPIServer(t *testing.T) {
	r := realCluster(t)
	p, _ := r.provider(Options{})
	host, port := echo(t, "a")
	for _, name := range []string{"running", "asleep"} {
		d := deployment(name)
		if name == "asleep" {
			d.Replicas = 0
		}
		provision(t, p, d)
	}
	r.endpoints("running", "test", host, port, "pod-a")
	eventually(t, "the pod is ready", func() bool { return len(p.Endpoints("running")) == 1 })

	for _, round := range []string{"first", "second"} {
		r.without(func() {
			for range 50 {
				if got := called(p, "running"); got != `{"from":"a","input":{"x":1}}` {
					t.Fatalf("without an API server: %s", got)
				}
			}
			if err := p.Provision(ctx, deployment("late")); err == nil {
				t.Error("provisioned without an API server")
			}
			if got := called(p, "asleep"); !strings.HasPrefix(got, provider.CodeStartFailed) {
				t.Errorf("a function that needs an instance: %s", got)
			}
		})
		r.endpoints("running", "test", host, port, "pod-a", "pod-b", "pod-"+round)
		eventually(t, "new pods are seen", func() bool {
			found := ""
			for _, e := range p.Endpoints("running") {
				found += e.ID + " "
			}
			return strings.Contains(found, "pod-b ") && strings.Contains(found, "pod-"+round+" ")
		})
	}
	// What failed for want of the API server is tried again.
	r.endpoints("asleep", "test", host, port)
	waiting := make(chan provider.Result, 1)
	p.Go("asleep", provider.Invocation{Input: []byte(`1`), Deadline: time.Now().Add(hang)}, func(r provider.Result) { waiting <- r })
	eventually(t, "the sleeper is woken", func() bool { return r.replicas("asleep") == 1 })
	r.endpoints("asleep", "test", host, port, "pod-z")
	if res := <-waiting; !res.OK() {
		t.Errorf("after it came back: %+v", res)
	}
	provision(t, p, deployment("late"))
}

// TestRealFailuresAreOfTheLatestTemplate: why an instance does not start is
// told while it is true of what was applied last.
func TestRealFailuresAreOfTheLatestTemplate(t *testing.T) {
	r := realCluster(t)
	p, _ := r.provider(Options{})
	d := deployment("typo")
	provision(t, p, d)
	r.pod("typo", "typo-1", corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
		Name: "function", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "no such image"}},
	}}})
	eventually(t, "the failure is known", func() bool { s, _ := p.Status("typo"); return strings.Contains(s.LastError, "no such image") })
	if got := called(p, "typo"); !strings.HasPrefix(got, provider.CodeStartFailed) {
		t.Errorf("got %s", got)
	}

	// With the image put right, invocations wait for the new pod, though the
	// old one is still there.
	host, port := echo(t, "right")
	d.Image = "registry.local/right:1"
	again, _ := r.provider(Options{}) // simplane was restarted for it
	eventually(t, "it sees the old pod", func() bool { pods, _ := again.watch.pods.List(labels.Everything()); return len(pods) > 0 })
	for _, p := range []*Provider{p, again} {
		provision(t, p, d)
		if s, _ := p.Status("typo"); s.LastError != "" {
			t.Errorf("status %+v", s)
		}
	}
	waiting := make(chan string, 1)
	go func() { waiting <- called(again, "typo") }()
	eventually(t, "it waits", func() bool { s, _ := again.Status("typo"); return s.Waiting == 1 })
	r.endpoints("typo", "test", host, port, "typo-2")
	if got := <-waiting; got != `{"from":"right","input":{"x":1}}` {
		t.Errorf("got %s", got)
	}
}

// TestRealOldPodsAreNotTheNewFunction: a function registered again after its
// deletion does not run on the pods of the deleted one, which the cluster takes
// a while to end.
func TestRealOldPodsAreNotTheNewFunction(t *testing.T) {
	r := realCluster(t)
	p, _ := r.provider(Options{})
	provision(t, p, deployment("twice"))
	r.pod("twice", "old-pod", corev1.PodStatus{Phase: corev1.PodRunning})
	host, port := echo(t, "old")
	r.endpoints("twice", "test", host, port, "old-pod")
	eventually(t, "the pod is ready", func() bool { return len(p.Endpoints("twice")) == 1 })
	if err := p.Deprovision(ctx, "twice"); err != nil {
		t.Fatal(err)
	}
	d := deployment("twice")
	d.Image = "registry.local/new:1"
	provision(t, p, d)
	r.endpoints("twice", "test2", host, port, "old-pod")
	newHost, newPort := echo(t, "new")
	r.endpoints("twice", "test3", newHost, newPort, "new-pod")
	eventually(t, "the new pod is ready", func() bool { return len(p.Endpoints("twice")) > 0 })
	for range 10 {
		if got := called(p, "twice"); got != `{"from":"new","input":{"x":1}}` {
			t.Errorf("got %s", got)
		}
	}
}

// TestRealRolloutFailure: a rollout that the cluster gives up on is told, and
// forgotten with the next change.
func TestRealRolloutFailure(t *testing.T) {
	r := realCluster(t)
	if r.cluster.HasControllers() {
		t.Skip("the deployment controller overwrites what the test plays")
	}
	p, _ := r.provider(Options{})
	d := deployment("stuck")
	provision(t, p, d)
	o := r.objects("stuck").deployment
	o.Status.ObservedGeneration = o.Generation
	o.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate", Message: "exceeded quota"}}
	must[*appsv1.Deployment](t)(r.admin.AppsV1().Deployments(r.ns).UpdateStatus(ctx, o, metav1.UpdateOptions{}))
	eventually(t, "the failure is known", func() bool { s, _ := p.Status("stuck"); return strings.Contains(s.LastError, "exceeded quota") })
	d.Image = "registry.local/smaller:1"
	provision(t, p, d)
	if s, _ := p.Status("stuck"); s.LastError != "" {
		t.Errorf("status %+v", s)
	}
}
