package kubernetes

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"simplane/server/provider"
)

// left lists what bears simplane's labels in the namespace.
func (r *real) left() (names []string) {
	r.t.Helper()
	ours := metav1.ListOptions{LabelSelector: labelManagedBy + "=" + fieldManager}
	note := func(kind string, o metav1.Object) { names = append(names, kind+" "+o.GetName()) }
	check := func(err error) {
		r.t.Helper()
		if err != nil {
			r.t.Fatal(err)
		}
	}
	deployments, err := r.admin.AppsV1().Deployments(r.ns).List(ctx, ours)
	check(err)
	for i := range deployments.Items {
		note("deployment", &deployments.Items[i])
	}
	replicaSets, err := r.admin.AppsV1().ReplicaSets(r.ns).List(ctx, ours)
	check(err)
	for i := range replicaSets.Items {
		note("replicaset", &replicaSets.Items[i])
	}
	services, err := r.admin.CoreV1().Services(r.ns).List(ctx, ours)
	check(err)
	for i := range services.Items {
		note("service", &services.Items[i])
	}
	scalers, err := r.admin.AutoscalingV2().HorizontalPodAutoscalers(r.ns).List(ctx, ours)
	check(err)
	for i := range scalers.Items {
		note("autoscaler", &scalers.Items[i])
	}
	pods, err := r.admin.CoreV1().Pods(r.ns).List(ctx, ours)
	check(err)
	for i := range pods.Items {
		note("pod", &pods.Items[i])
	}
	slices, err := r.admin.DiscoveryV1().EndpointSlices(r.ns).List(ctx, ours)
	check(err)
	for i := range slices.Items {
		note("endpointslice", &slices.Items[i])
	}
	return names
}

// nothingLeft waits for the controllers, if there are any, to clean up.
func (r *real) nothingLeft() {
	r.t.Helper()
	if !r.cluster.HasControllers() {
		if left := r.left(); len(left) > 0 {
			r.t.Errorf("left in the cluster: %v", left)
		}
		return
	}
	eventually(r.t, "nothing is left in the cluster", func() bool { return len(r.left()) == 0 })
}

func TestRealDeletionIsClean(t *testing.T) {
	r := realCluster(t)
	p, _ := r.provider(Options{})
	hpa := deployment("Scaled.By-HPA")
	hpa.ScalingStrategy = provider.ScaleHPA
	provision(t, p, hpa)
	provision(t, p, deployment("plain"))
	for _, name := range []string{"Scaled.By-HPA", "plain"} {
		if err := p.Deprovision(ctx, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if r.uid(objectName(name)) != "" {
			t.Errorf("%s: it returned before the Deployment was deleted", name)
		}
	}
	r.nothingLeft()
	if err := p.Deprovision(ctx, "plain"); !errors.Is(err, provider.ErrNotFound) {
		t.Errorf("a second time: %v", err)
	}
}

// TestRealDeletionOutlivesItsCaller: the server gives a deletion 50 ms.
func TestRealDeletionOutlivesItsCaller(t *testing.T) {
	r := realCluster(t)
	p, _ := r.provider(Options{})
	provision(t, p, deployment("impatient"))
	expired, cancel := context.WithCancel(ctx)
	cancel()
	if err := p.Deprovision(expired, "impatient"); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, known := p.Status("impatient"); known {
		t.Error("the function is still known")
	}
	// The same name again: the old objects go before the new ones come.
	old := r.uid("fn-impatient")
	provision(t, p, deployment("impatient"))
	if now := r.uid("fn-impatient"); now == "" || now == old {
		t.Errorf("the deployment is %q, was %q", now, old)
	}
	if err := p.Deprovision(expired, "impatient"); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	// Shutting down waits for it.
	if err := p.Close(ctx); err != nil {
		t.Error(err)
	}
	r.nothingLeft()
}

// uid is that of a Deployment, "" if there is none.
func (r *real) uid(deployment string) string {
	d, err := r.admin.AppsV1().Deployments(r.ns).Get(ctx, deployment, metav1.GetOptions{})
	if err != nil {
		return ""
	}
	return string(d.UID)
}

// TestRealDeletionOutlivesTheAPIServer: a function deleted while the API server
// is away does not stay behind in the cluster.
func TestRealDeletionOutlivesTheAPIServer(t *testing.T) {
	r := realCluster(t)
	p, _ := r.provider(Options{})
	provision(t, p, deployment("orphan"))
	provision(t, p, deployment("kept"))
	r.without(func() {
		soon, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		if err := p.Deprovision(soon, "orphan"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without an API server: %v", err)
		}
		// Its name cannot be used before it is gone.
		if err := p.Provision(soon, deployment("orphan")); err == nil {
			t.Error("provisioned without an API server")
		}
	})
	eventually(t, "its objects are deleted", func() bool {
		left := r.left()
		return !slices.Contains(left, "deployment fn-orphan") && !slices.Contains(left, "service fn-orphan")
	})
	if left := r.left(); !slices.Contains(left, "deployment fn-kept") || !slices.Contains(left, "service fn-kept") {
		t.Errorf("left are %v, not the other function's", left)
	}
}

// without runs f while no API server is there.
func (r *real) without(f func()) {
	r.t.Helper()
	r.cluster.KillAPIServer()
	defer func() {
		if err := r.cluster.StartAPIServer(); err != nil {
			r.t.Fatal(err)
		}
	}()
	f()
}
