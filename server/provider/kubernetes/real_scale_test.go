package kubernetes

import (
	"errors"
	"slices"
	"testing"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"simplane/server/provider"
)

func (r *real) replicas(function string) int {
	r.t.Helper()
	return int(*r.objects(function).deployment.Spec.Replicas)
}

// scaleAs sets the replicas as an autoscaler does, through the scale subresource.
func (r *real) scaleAs(manager, function string, n int32) {
	r.t.Helper()
	deployments := r.admin.AppsV1().Deployments(r.ns)
	scale := must[*autoscalingv1.Scale](r.t)(deployments.GetScale(ctx, objectName(function), metav1.GetOptions{}))
	scale.Spec.Replicas, scale.ResourceVersion = n, "" // whatever the controllers write
	must[*autoscalingv1.Scale](r.t)(deployments.UpdateScale(ctx, objectName(function), scale, metav1.UpdateOptions{FieldManager: manager}))
}

// TestRealReplicasBelongToTheAutoscaler: under strategy HPA simplane claims no
// replicas, and registering again, or restarting, leaves those that are there.
func TestRealReplicasBelongToTheAutoscaler(t *testing.T) {
	r := realCluster(t)
	p, _ := r.provider(Options{})
	d := deployment("elastic")
	d.ScalingStrategy, d.MinReplicas, d.MaxReplicas, d.Replicas = provider.ScaleHPA, 1, 9, 1
	provision(t, p, d)
	r.scaleAs("autoscaler", "elastic", 4)
	eventually(t, "simplane knows", func() bool { s, _ := p.Status("elastic"); return s.Desired == 4 })
	before := r.objects("elastic").versions()
	provision(t, p, d)
	restarted, _ := r.provider(Options{})
	provision(t, restarted, d)
	if now := r.objects("elastic"); now.versions() != before || *now.deployment.Spec.Replicas != 4 {
		t.Errorf("registering again changed %s to %s, with %d replicas", before, now.versions(), *now.deployment.Spec.Replicas)
	}
	if err := p.SetReplicas(ctx, "elastic", 2); !errors.Is(err, ErrScaledByHPA) {
		t.Errorf("SetReplicas: %v", err)
	}
	for _, m := range r.objects("elastic").deployment.ManagedFields {
		if m.Manager == fieldManager && appliedReplicas([]metav1.ManagedFieldsEntry{m}) {
			t.Error("simplane claims the replicas")
		}
	}
}

// TestRealStrategyChangesKeepReplicas: a function that goes over to another
// strategy, at a restart of simplane, has as many instances after as before.
func TestRealStrategyChangesKeepReplicas(t *testing.T) {
	r := realCluster(t)
	d := deployment("changing")
	d.ScalingStrategy, d.MinReplicas, d.MaxReplicas, d.Replicas = provider.ScaleInternal, 1, 9, 1
	p, _ := r.provider(Options{})
	provision(t, p, d)
	if err := p.SetReplicas(ctx, "changing", 5); err != nil {
		t.Fatal(err)
	}
	for _, strategy := range []provider.ScalingStrategy{
		provider.ScaleInternal, provider.ScaleHPA, provider.ScaleHPA, provider.ScaleNone, provider.ScaleHPA, provider.ScaleInternal,
	} {
		d.ScalingStrategy = strategy
		p, _ := r.provider(Options{})
		provision(t, p, d)
		o := r.objects("changing")
		if n := *o.deployment.Spec.Replicas; n != 5 {
			t.Errorf("%s: %d replicas are left of 5", strategy, n)
		}
		if s, _ := p.Status("changing"); strategy != provider.ScaleHPA && s.Desired != 5 {
			t.Errorf("%s: status %+v", strategy, s)
		}
		if (o.autoscaler != nil) != (strategy == provider.ScaleHPA) {
			t.Errorf("%s: autoscaler %v", strategy, o.autoscaler)
		}
		if appliedReplicas(o.deployment.ManagedFields) != (strategy != provider.ScaleHPA) {
			t.Errorf("%s: the replicas are managed by %+v", strategy, o.deployment.ManagedFields)
		}
	}
	// The autoscaler, when it comes to it, is not in anybody's way.
	d.ScalingStrategy = provider.ScaleHPA
	last, _ := r.provider(Options{})
	provision(t, last, d)
	r.scaleAs("autoscaler", "changing", 2)
	provision(t, last, d)
	if n := r.replicas("changing"); n != 2 {
		t.Errorf("the autoscaler's 2 replicas became %d", n)
	}
	// A new maximum counts, whatever ran before.
	d.ScalingStrategy, d.MaxReplicas = provider.ScaleNone, 1
	lower, _ := r.provider(Options{})
	provision(t, lower, d)
	if n := r.replicas("changing"); n != 1 {
		t.Errorf("%d replicas, 1 is the maximum", n)
	}
}

// TestRealScalingWritesOnce: a change of the replicas is one request that
// changes one object, and a repetition, which the autoscaler sends every few
// seconds while instances are missing, is none.
func TestRealScalingWritesOnce(t *testing.T) {
	r := realCluster(t)
	p, sent := r.provider(Options{})
	provision(t, p, deployment("steady"))
	known := func(n int) {
		t.Helper()
		eventually(t, "the watch tells", func() bool { return p.watch.replicas(p.function("steady")) == n })
	}
	known(1)
	sent.take()
	first := r.objects("steady")
	for _, n := range []int{3, 0, 2} {
		for range 20 {
			if err := p.SetReplicas(ctx, "steady", n); err != nil {
				t.Fatal(err)
			}
			known(n)
		}
		if got := r.replicas("steady"); got != n {
			t.Errorf("%d replicas, want %d", got, n)
		}
		reads, writes := sent.take()
		reads = slices.DeleteFunc(reads, func(q request) bool { return q.verb != "get" }) // watches renew themselves
		if len(writes) != 1 || writes[0].resource != "deployments" || len(reads) != 0 {
			t.Errorf("to %d replicas: requests %v %v, want one patch of the deployment", n, reads, writes)
		}
	}
	now := r.objects("steady")
	if got, want := now.deployment.Generation, first.deployment.Generation+3; got != want {
		t.Errorf("generation %d, want %d", got, want)
	}
	if now.service.ResourceVersion != first.service.ResourceVersion {
		t.Error("the service was written")
	}

	// What somebody changed by hand is known, and put right by the next call.
	r.scaleAs("somebody", "steady", 7)
	eventually(t, "simplane knows", func() bool { s, _ := p.Status("steady"); return s.Desired == 7 })
	if err := p.SetReplicas(ctx, "steady", 2); err != nil {
		t.Fatal(err)
	}
	if n := r.replicas("steady"); n != 2 {
		t.Errorf("%d replicas, want 2", n)
	}
	for _, n := range []int{-1, 257} {
		var invalid *provider.InvalidError
		if err := p.SetReplicas(ctx, "steady", n); !errors.As(err, &invalid) {
			t.Errorf("%d replicas: %v", n, err)
		}
	}
}

// TestRealDeletedByHand: the next invocation, or the autoscaler, makes a
// function anew whose Deployment somebody deleted, Service and all.
func TestRealDeletedByHand(t *testing.T) {
	r := realCluster(t)
	p, _ := r.provider(Options{})
	hpa := deployment("hpa")
	hpa.ScalingStrategy = provider.ScaleHPA
	all := []provider.Deployment{deployment("none"), hpa}
	for _, d := range all {
		provision(t, p, d)
		eventually(t, "the Deployment is seen", func() bool { return p.watch.replicas(p.function(d.Name)) == 1 })
		o := r.objects(d.Name)
		// As the garbage collector does, which may not be here.
		background := metav1.DeletePropagationBackground
		if err := r.admin.AppsV1().Deployments(r.ns).Delete(ctx, objectName(d.Name), metav1.DeleteOptions{PropagationPolicy: &background}); err != nil {
			t.Fatal(err)
		}
		if err := gone(r.admin.CoreV1().Services(r.ns).Delete(ctx, objectName(d.Name), metav1.DeleteOptions{})); err != nil {
			t.Fatal(err)
		}
		eventually(t, "simplane knows", func() bool { s, _ := p.Status(d.Name); return s.Desired == 0 })
		done := make(chan provider.Result, 1)
		p.Go(d.Name, provider.Invocation{Input: []byte(`1`)}, func(r provider.Result) { done <- r })
		eventually(t, "the objects are back", func() bool { return len(r.left()) > 0 && r.uid(objectName(d.Name)) != "" })
		eventually(t, "the Service too, with its new owner", func() bool {
			s, err := r.admin.CoreV1().Services(r.ns).Get(ctx, objectName(d.Name), metav1.GetOptions{})
			return err == nil && len(s.OwnerReferences) == 1 && string(s.OwnerReferences[0].UID) == r.uid(objectName(d.Name)) && s.UID != o.service.UID
		})
		if err := p.Deprovision(ctx, d.Name); err != nil {
			t.Error(err)
		}
		if res := <-done; res.ErrorCode != provider.CodeDeleted {
			t.Errorf("the waiting invocation ended with %+v", res)
		}
	}
}
