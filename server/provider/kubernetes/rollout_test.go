package kubernetes

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"simplane/server/provider"
)

// Old pods are left while new ones start, and for good if those do not.
func TestRolloutIsReported(t *testing.T) {
	c := fake.NewClientset()
	p := start(t, c, Options{})
	d := deployment("rolled")
	provision(t, p, d)
	pods := c.CoreV1().Pods("functions")
	made := 0
	create := func(status corev1.PodStatus) *corev1.Pod {
		made++
		pod := &corev1.Pod{Status: status}
		pod.Name, pod.Namespace = fmt.Sprint("pod-", made), "functions"
		pod.Labels = map[string]string{labelManagedBy: "simplane", labelFunction: "fn-rolled"}
		pod.Annotations = getDeployment(t, c, "fn-rolled").Spec.Template.Annotations
		return must[*corev1.Pod](t)(pods.Create(ctx, pod, metav1.CreateOptions{}))
	}
	reaches := func(state string) provider.Rollout {
		t.Helper()
		var r provider.Rollout
		eventually(t, "the rollout is in state "+state, func() bool {
			s, _ := p.Status("rolled")
			r = s.Rollout
			return r.State == state
		})
		return r
	}
	old := create(corev1.PodStatus{})
	d.TimeoutMillis = 7 // not of the pods
	provision(t, p, d)
	reaches("")
	d.Image = "registry.local/rolled:2"
	provision(t, p, d)
	reaches(provider.RolloutProgressing)
	create(corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
		State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "no such image"}},
	}}})
	if r := reaches(provider.RolloutFailed); !strings.Contains(r.Message, "no such image") {
		t.Errorf("%+v", r)
	}
	if err := pods.Delete(ctx, old.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	reaches("")
}

func TestChangeKeepsReplicasThatWereSet(t *testing.T) {
	c := fake.NewClientset()
	p := start(t, c, Options{})
	d := deployment("kept")
	provision(t, p, d)
	if err := p.SetReplicas(ctx, "kept", 5); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		change func()
		want   int32
	}{
		{func() { d.TimeoutMillis = 7 }, 5},
		{func() { d.Image += "0" }, 5},
		{func() { d.MaxReplicas = 4 }, 4},
		{func() { d.Replicas = 2 }, 2},
		{func() { d.ScalingStrategy, d.Replicas, d.MinReplicas = provider.ScaleInternal, 3, 3 }, 3},
		{func() { d.Replicas, d.MinReplicas = 1, 1 }, 3},
	} {
		step.change()
		provision(t, p, d)
		if n := *getDeployment(t, c, "fn-kept").Spec.Replicas; n != step.want {
			t.Errorf("%d replicas with %+v, want %d", n, d, step.want)
		}
	}
}
