package kubernetes

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"simplane/server/provider"
)

// When a function moves to another control plane that one takes its objects over as they
// are, and the one before leaves them, whenever it does and however it ends.
func TestAFunctionMovesWithItsObjects(t *testing.T) {
	c := fake.NewClientset()
	d := deployment("resize")
	d.ScalingStrategy, d.MinReplicas, d.MaxReplicas = provider.ScaleInternal, 1, 9
	before, next := start(t, c, Options{}), start(t, c, Options{})
	provision(t, before, d)
	if err := before.SetReplicas(ctx, "resize", 4); err != nil {
		t.Fatal(err)
	}
	was := getDeployment(t, c, "fn-resize")
	deletes := func() (n int) {
		for _, a := range c.Actions() {
			if a.GetVerb() == "delete" {
				n++
			}
		}
		return n
	}
	same := func(when string) *appsv1.Deployment {
		t.Helper()
		is := getDeployment(t, c, "fn-resize")
		list := must[*appsv1.DeploymentList](t)(c.AppsV1().Deployments("functions").List(ctx, metav1.ListOptions{}))
		if len(list.Items) != 1 || *is.Spec.Replicas != 4 || originOf(is.Spec.Template.Annotations) != originOf(was.Spec.Template.Annotations) || deletes() != 0 {
			t.Errorf("%s: %d Deployments, %d deletions, %d replicas, origin %v, was %v", when, len(list.Items), deletes(), *is.Spec.Replicas,
				originOf(is.Spec.Template.Annotations), originOf(was.Spec.Template.Annotations))
		}
		return is
	}
	provision(t, next, d)
	same("taken over")
	if err := before.Leave("resize"); err != nil {
		t.Fatal(err)
	}
	same("left")
	if err := next.SetReplicas(ctx, "resize", 2); err != nil {
		t.Fatal(err)
	}
	// It comes back while the other one still has it.
	provision(t, before, d)
	if n := *getDeployment(t, c, "fn-resize").Spec.Replicas; n != 2 {
		t.Errorf("%d replicas after it came back", n)
	}
	if err := next.Leave("resize"); err != nil {
		t.Fatal(err)
	}
	if err := next.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if deletes() != 0 {
		t.Error("objects were deleted")
	}
	third := start(t, c, Options{})
	provision(t, third, d) // before has not left yet
	if err := third.Deprovision(ctx, "resize"); err != nil {
		t.Fatal(err)
	}
	gone := func() bool {
		_, err := c.AppsV1().Deployments("functions").Get(ctx, "fn-resize", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	}
	eventually(t, "it is deleted", gone)
	time.Sleep(50 * time.Millisecond)
	if err := before.Leave("resize"); err != nil {
		t.Fatal(err)
	}
	if !gone() {
		t.Error("the control plane that has not left yet has made a deleted function's objects again")
	}
}
