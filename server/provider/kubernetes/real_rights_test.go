package kubernetes

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"

	"simplane/server/provider"
)

// exercise has the provider do everything it can.
func (r *real) exercise(p *Provider) error {
	hpa := deployment("hpa")
	hpa.ScalingStrategy = provider.ScaleHPA
	internal := deployment("hpa")
	internal.ScalingStrategy = provider.ScaleInternal
	zero := deployment("zero")
	zero.Replicas = 0
	zero.ScalingStrategy, zero.Metrics = provider.ScaleInternal, []provider.Metric{{Type: "cpu", Target: "50"}}
	for _, d := range []provider.Deployment{hpa, internal, hpa, zero} {
		if err := p.Provision(ctx, d); err != nil {
			return err
		}
	}
	p.sampler.sample(ctx, time.Now())
	if err := p.SetReplicas(ctx, "zero", 1); err != nil {
		return err
	}
	r.pod("zero", "zero-1", corev1.PodStatus{})
	eventually(r.t, "the pod is seen", func() bool { pods, _ := p.watch.pods.List(labels.Everything()); return len(pods) > 0 })
	if _, err := p.Logs("zero", 1); err != nil { // the pod is on no node: it has none
		return err
	}
	for _, name := range []string{"zero", "hpa"} {
		if err := p.Deprovision(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// rights are what a role gives, one line for each verb and resource.
func rights(role *rbacv1.Role) map[string]bool {
	out := map[string]bool{}
	for _, rule := range role.Rules {
		for _, g := range rule.APIGroups {
			for _, res := range rule.Resources {
				for _, v := range rule.Verbs {
					out[fmt.Sprintf("%s %s", v, strings.Trim(g+"/"+res, "/"))] = true
				}
			}
		}
	}
	return out
}

// TestRealRights: the Role of docs/kubernetes.md is enough for everything the
// provider does, and has nothing it does not need.
func TestRealRights(t *testing.T) {
	r := realCluster(t)
	p, sent := r.provider(Options{})
	if err := r.exercise(p); err != nil {
		t.Fatal(err)
	}
	// The cluster's garbage collector deletes a Service too, with its owner, and
	// may be there first.
	eventually(t, "simplane deletes a Service", func() bool {
		if sent.has("delete", "services") {
			return true
		}
		provision(t, p, deployment("again"))
		if err := p.Deprovision(ctx, "again"); err != nil {
			t.Error(err)
		}
		return false
	})
	reads, writes := sent.take()
	used := map[string]bool{}
	for _, q := range append(reads, writes...) {
		if q.status == 403 {
			t.Errorf("forbidden: %s", q)
		}
		what := strings.Trim(q.group+"/"+q.resource, "/")
		used[q.verb+" "+what] = true
		if q.verb == "patch" && q.status == 201 {
			used["create "+what] = true // an apply that makes the object is held against both
		}
		if q.verb == "watch" {
			// Where the server cannot stream the first state, a list comes
			// before the watch.
			used["list "+what] = true
		}
	}
	// Not a request: admission asks for it when an owner reference blocks the
	// owner's deletion. See below.
	used["update apps/deployments/finalizers"] = true
	granted := rights(documentedRole(t))
	if !maps.Equal(used, granted) {
		t.Errorf("used and documented rights differ.\nused:       %v\ndocumented: %v", slices.Sorted(maps.Keys(used)), slices.Sorted(maps.Keys(granted)))
	}
}

// TestRealMissingRightsAreNamed: with less than the documented Role the error
// says what is missing, and that it is not the caller's fault.
func TestRealMissingRightsAreNamed(t *testing.T) {
	for _, without := range []string{"deployments", "deployments/finalizers", "services", "horizontalpodautoscalers"} {
		r := realCluster(t, without)
		p, _ := r.provider(Options{CallTimeout: 2 * time.Second}) // Close waits as long for what it may not delete
		d := deployment("barred")
		d.ScalingStrategy = provider.ScaleHPA
		err := p.Provision(ctx, d)
		var invalid *provider.InvalidError
		var status *apierrors.StatusError
		if !errors.As(err, &status) || !apierrors.IsForbidden(status) || errors.As(err, &invalid) {
			t.Errorf("without %s: %v", without, err)
			continue
		}
		what := strings.TrimSuffix(without, "/finalizers")
		if without == "deployments/finalizers" {
			what = "services" // whose owner reference is refused
		}
		if !strings.Contains(err.Error(), what) {
			t.Errorf("without %s: %v", without, err)
		}
	}
}

// TestRealWatchWithoutRights: a watch that is refused is told in the log, and
// picked up once it is granted.
func TestRealWatchWithoutRights(t *testing.T) {
	r := realCluster(t, "endpointslices")
	p, _ := r.provider(Options{})
	provision(t, p, deployment("blind"))
	host, port := echo(t, "a")
	r.endpoints("blind", "test", host, port, "pod-a")
	eventually(t, "the log tells", func() bool { return strings.Contains(r.logged.String(), "endpointslices") })
	if n := len(p.Endpoints("blind")); n != 0 {
		t.Errorf("%d endpoints without the right to see them", n)
	}
	full := documentedRole(t)
	full.Name = "the-rest"
	r.grant(full)
	for deadline := time.Now().Add(5 * hang); len(p.Endpoints("blind")) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the pod is never seen")
		}
	}
}
