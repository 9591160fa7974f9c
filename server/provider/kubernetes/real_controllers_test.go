package kubernetes

import (
	"context"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"simplane/server/provider"
)

// withControllers is realCluster for tests that need kube-controller-manager.
func withControllers(t *testing.T) *real {
	t.Helper()
	r := realCluster(t)
	if !r.cluster.HasControllers() {
		t.Skip("no kube-controller-manager at hand; see docs/kubernetes.md")
	}
	return r
}

// kubelet plays a node and the scheduler that puts pods on it. They run at
// host, unless their image is called broken, which cannot be pulled.
func (r *real) kubelet(host string) {
	r.t.Helper()
	node := r.node(host, 10250)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	r.t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		for ; ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
			pods, err := r.admin.CoreV1().Pods(r.ns).List(ctx, metav1.ListOptions{})
			if err != nil {
				continue // the API server is away
			}
			for i := range pods.Items {
				_ = r.attend(ctx, node, host, &pods.Items[i]) // or the next time
			}
		}
	}()
}

// attend brings a pod one step further.
func (r *real) attend(ctx context.Context, node, host string, pod *corev1.Pod) error {
	pods := r.admin.CoreV1().Pods(r.ns)
	switch {
	case pod.DeletionTimestamp != nil: // it has ended
		now := int64(0)
		return pods.Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now})
	case pod.Spec.NodeName == "":
		return pods.Bind(ctx, &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: pod.Name}, Target: corev1.ObjectReference{Kind: "Node", Name: node}}, metav1.CreateOptions{})
	case len(pod.Status.ContainerStatuses) == 0:
		pod.Status = podStatus(pod, host)
		_, err := pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{})
		return err
	}
	return nil
}

func podStatus(pod *corev1.Pod, host string) corev1.PodStatus {
	container := corev1.ContainerStatus{Name: "function", Image: pod.Spec.Containers[0].Image}
	if strings.Contains(container.Image, "broken") {
		container.State.Waiting = &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "no such image"}
		return corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{container}}
	}
	container.Ready = true
	container.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.Now()}
	return corev1.PodStatus{
		Phase: corev1.PodRunning, PodIP: host, PodIPs: []corev1.PodIP{{IP: host}},
		Conditions: []corev1.PodCondition{
			{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now()},
			{Type: corev1.ContainersReady, Status: corev1.ConditionTrue},
		},
		ContainerStatuses: []corev1.ContainerStatus{container},
	}
}

func (r *real) podsWith(function, image string) (with, without int) {
	pods := must[*corev1.PodList](r.t)(r.admin.CoreV1().Pods(r.ns).List(ctx, metav1.ListOptions{LabelSelector: labelFunction + "=" + objectName(function)}))
	for _, pod := range pods.Items {
		if pod.Spec.Containers[0].Image == image {
			with++
		} else {
			without++
		}
	}
	return with, without
}

// TestRealLifeOfAFunction takes a function through its life with the cluster's
// own controllers between the Deployment and the EndpointSlices.
func TestRealLifeOfAFunction(t *testing.T) {
	r := withControllers(t)
	host, port := echo(t, "pod")
	r.kubelet(host)
	p, _ := r.provider(Options{Port: port})
	const want = `{"from":"pod","input":{"x":1}}`

	d := deployment("Life.Of_a-Function")
	d.Replicas, d.MaxReplicas = 0, 6
	provision(t, p, d)
	res := p.Invoke(ctx, d.Name, provider.Invocation{Input: []byte(`{"x":1}`), Deadline: time.Now().Add(hang)})
	if !res.OK() || strings.TrimSpace(string(res.Output)) != want || !res.ColdStart || res.InitDuration <= 0 {
		t.Fatalf("from zero: %+v", res)
	}

	ready := func(n int) {
		t.Helper()
		eventually(t, "the instances are ready", func() bool { s, _ := p.Status(d.Name); return s.Ready == n && s.Desired == n })
	}
	for _, n := range []int{4, 2} {
		if err := p.SetReplicas(ctx, d.Name, n); err != nil {
			t.Fatal(err)
		}
		ready(n)
	}

	// A rollout takes no capacity away: every invocation meanwhile succeeds.
	d.Image, d.Replicas = "registry.local/second:1", 2
	provision(t, p, d)
	eventually(t, "the rollout is through", func() bool {
		if got := called(p, d.Name); got != want {
			t.Fatalf("during the rollout: %s", got)
		}
		with, without := r.podsWith(d.Name, d.Image)
		return with == 2 && without == 0
	})
	ready(2)

	// A restart of simplane finds the instances.
	if err := p.Close(ctx); err != nil {
		t.Fatal(err)
	}
	d.Replicas = 0
	p, _ = r.provider(Options{Port: port})
	provision(t, p, d)
	ready(2)

	if err := p.Deprovision(ctx, d.Name); err != nil {
		t.Fatal(err)
	}
	r.nothingLeft()
}

// TestRealAutoscalerRules: the HorizontalPodAutoscaler controller accepts the
// autoscaler and acts on it, and simplane does not interfere.
func TestRealAutoscalerRules(t *testing.T) {
	r := withControllers(t)
	host, port := echo(t, "pod")
	r.kubelet(host)
	p, sent := r.provider(Options{Port: port})
	d := deployment("ruled")
	d.ScalingStrategy, d.MinReplicas, d.MaxReplicas = provider.ScaleHPA, 3, 5
	provision(t, p, d)
	eventually(t, "the autoscaler has raised it to its minimum", func() bool { s, _ := p.Status("ruled"); return s.Desired == 3 && s.Ready == 3 })
	hpa := r.objects("ruled").autoscaler
	for _, c := range hpa.Status.Conditions {
		if c.Type == autoscalingv2.AbleToScale && c.Status != corev1.ConditionTrue {
			t.Errorf("condition %+v", c)
		}
	}
	sent.take()
	generation := r.objects("ruled").deployment.Generation
	for range 5 {
		provision(t, p, d)
	}
	o := r.objects("ruled")
	if o.deployment.Generation != generation || *o.deployment.Spec.Replicas != 3 {
		t.Errorf("registering again made generation %d of %d, with %d replicas", o.deployment.Generation, generation, *o.deployment.Spec.Replicas)
	}
	// More than the maximum, by hand: the autoscaler puts it right.
	r.scaleAs("somebody", "ruled", 9)
	eventually(t, "the autoscaler has lowered it to its maximum", func() bool { s, _ := p.Status("ruled"); return s.Desired == 5 && s.Ready == 5 })

	// Over to simplane: the autoscaler goes, the replicas stay.
	d.ScalingStrategy, d.Replicas = provider.ScaleInternal, 5
	provision(t, p, d)
	if o := r.objects("ruled"); o.autoscaler != nil || *o.deployment.Spec.Replicas != 5 {
		t.Errorf("autoscaler %v, %d replicas", o.autoscaler, *o.deployment.Spec.Replicas)
	}
	if err := p.Deprovision(ctx, "ruled"); err != nil {
		t.Error(err)
	}
	r.nothingLeft()
}

// TestRealBrokenImagePutRight: delete and register again with another image,
// as a user does.
func TestRealBrokenImagePutRight(t *testing.T) {
	r := withControllers(t)
	host, port := echo(t, "pod")
	r.kubelet(host)
	p, _ := r.provider(Options{Port: port})
	d := deployment("wrong")
	d.Image = "registry.local/broken:1"
	for range 5 {
		d.Image = "registry.local/broken:1"
		provision(t, p, d)
		if got := called(p, "wrong"); !strings.Contains(got, "no such image") {
			t.Errorf("broken: %s", got)
		}
		if err := p.Deprovision(ctx, "wrong"); err != nil {
			t.Fatal(err)
		}
		d.Image = "registry.local/right:1"
		provision(t, p, d)
		if got := called(p, "wrong"); got != `{"from":"pod","input":{"x":1}}` {
			t.Errorf("put right: %s", got)
		}
		for _, e := range p.Endpoints("wrong") {
			pod, err := r.admin.CoreV1().Pods(r.ns).Get(ctx, e.ID, metav1.GetOptions{})
			if err != nil || pod.Spec.Containers[0].Image != d.Image {
				t.Errorf("the function runs on pod %s: %v, %v", e.ID, pod, err)
			}
		}
		if err := p.Deprovision(ctx, "wrong"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRealQuota: what admission refuses to a ReplicaSet ends the wait with the
// reason.
func TestRealQuota(t *testing.T) {
	r := withControllers(t)
	policy := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: "small"}, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
		Type: corev1.LimitTypeContainer, Max: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")},
	}}}}
	must[*corev1.LimitRange](t)(r.admin.CoreV1().LimitRanges(r.ns).Create(ctx, policy, metav1.CreateOptions{}))
	p, _ := r.provider(Options{})
	d := deployment("big")
	d.Memory = "1Gi"
	provision(t, p, d)
	if got := called(p, "big"); !strings.HasPrefix(got, provider.CodeStartFailed) || !strings.Contains(got, "64Mi") {
		t.Errorf("got %s", got)
	}
	d.Memory = "32Mi"
	host, port := echo(t, "small")
	r.kubelet(host)
	again, _ := r.provider(Options{Port: port})
	provision(t, again, d)
	// The condition is the old ReplicaSet's until the new one has a pod.
	eventually(t, "an invocation succeeds", func() bool { return called(again, "big") == `{"from":"small","input":{"x":1}}` })
	eventually(t, "the rollout is recorded", func() bool {
		c := r.objects("big").deployment.Status.Conditions
		for _, c := range c {
			if c.Type == appsv1.DeploymentReplicaFailure {
				return false
			}
		}
		return len(c) > 0
	})
}
