package kubernetes

import (
	"encoding/json"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// chartSettings are values of the chart that make all its objects, by release.
var chartSettings = map[string]string{
	"three": `{tokenSecret: tokens, functionNamespace: chart-functions, cluster: {tlsSecret: tls}, serviceMonitor: {enabled: true}, config: {logFormat: json},
		storage: {className: fast}, imagePullSecrets: [{name: registry}],
		networkPolicy: {apiFrom: [{ipBlock: {cidr: 10.0.0.0/8}}], managementFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]}}`,
	"one": `{tokenSecret: tokens, cluster: {enabled: false}}`,
}

// renderedChart is what Helm makes of the chart. Helm's library is in a module of its own.
func renderedChart(t *testing.T, release, namespace, values string) (objects []unstructured.Unstructured) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "run", "./render", release, namespace, values)
	cmd.Dir = "../../harness/packages"
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the chart is not rendered: %v", err)
	}
	var raw []map[string]any
	if err := json.Unmarshal(out, &raw); err != nil {
		t.Fatal(err)
	}
	for _, o := range raw {
		objects = append(objects, unstructured.Unstructured{Object: o})
	}
	return objects
}

// serviceMonitors is the resource that Prometheus' operator brings: enough of it for the
// API server to take one. The chart's own tests hold it against the operator's types.
const serviceMonitors = `{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
	"metadata": {"name": "servicemonitors.monitoring.coreos.com"},
	"spec": {"group": "monitoring.coreos.com", "scope": "Namespaced",
		"names": {"kind": "ServiceMonitor", "plural": "servicemonitors", "singular": "servicemonitor"},
		"versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
			{"type": "object", "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}}]}}`

// serverWarnings collects what the API server says beside its answers.
type serverWarnings struct {
	mu  sync.Mutex
	all []string
}

// HandleWarningHeader implements rest.WarningHandler.
func (w *serverWarnings) HandleWarningHeader(_ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	// The server's own default, which some versions then warn of.
	if text != "spec.SessionAffinity is ignored for headless services" {
		w.all = append(w.all, text)
	}
}

// applier applies objects on the server, where an unknown or a doubled field is an error.
type applier struct {
	t      *testing.T
	client dynamic.Interface
	mapper *restmapper.DeferredDiscoveryRESTMapper
	warned serverWarnings
}

func (r *real) applier() *applier {
	r.t.Helper()
	a := &applier{t: r.t}
	config := rest.CopyConfig(must[*rest.Config](r.t)(r.cluster.AdminConfig()))
	config.WarningHandler = &a.warned
	a.client = must[*dynamic.DynamicClient](r.t)(dynamic.NewForConfig(config))
	a.mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(r.admin.Discovery()))
	return a
}

func (a *applier) apply(o *unstructured.Unstructured, namespace string) error {
	kind := o.GroupVersionKind()
	mapping, err := a.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return err
	}
	var on dynamic.ResourceInterface = a.client.Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		if o.GetNamespace() != "" {
			namespace = o.GetNamespace()
		}
		on = a.client.Resource(mapping.Resource).Namespace(namespace)
	}
	body := must[[]byte](a.t)(o.MarshalJSON())
	_, err = on.Patch(ctx, o.GetName(), "application/apply-patch+yaml", body, metav1.PatchOptions{FieldManager: "helm", FieldValidation: metav1.FieldValidationStrict})
	return err
}

// TestRealChart: a real API server takes every object of the chart, and its pods where
// only restricted ones are allowed; simplane's account then has the documented rights in
// the functions' namespace, and none elsewhere.
func TestRealChart(t *testing.T) {
	r := realCluster(t)
	a := r.applier()
	var crd unstructured.Unstructured
	if err := crd.UnmarshalJSON([]byte(serviceMonitors)); err != nil {
		t.Fatal(err)
	}
	if err := a.apply(&crd, ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, "ServiceMonitors are served", func() bool {
		a.mapper.Reset()
		list, err := r.admin.Discovery().ServerResourcesForGroupVersion("monitoring.coreos.com/v1")
		return err == nil && len(list.APIResources) > 0
	})
	for _, release := range slices.Sorted(maps.Keys(chartSettings)) {
		t.Run(release, func(t *testing.T) {
			namespace, functions := "chart-"+release, "chart-"+release
			if strings.Contains(chartSettings[release], "chart-functions") {
				functions = "chart-functions"
			}
			for name, labels := range map[string]map[string]string{
				functions: nil,
				namespace: {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"},
			} {
				_, err := r.admin.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}, metav1.CreateOptions{})
				if err != nil && !apierrors.IsAlreadyExists(err) {
					t.Fatal(err)
				}
			}
			kinds := map[string]int{}
			for _, o := range renderedChart(t, release, namespace, chartSettings[release]) {
				kinds[o.GetKind()]++
				if err := a.apply(&o, namespace); err != nil {
					t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), err)
				}
				if o.GetKind() == "ServiceMonitor" {
					t.Log("the ServiceMonitor was applied to a resource without a schema")
				}
			}
			t.Logf("applied: %v", kinds)
			if len(a.warned.all) > 0 {
				t.Errorf("the API server warns: %q", a.warned.all)
			}
			for _, kind := range []string{"StatefulSet", "Service", "ConfigMap", "ServiceAccount", "Role", "RoleBinding", "NetworkPolicy"} {
				if kinds[kind] == 0 {
					t.Errorf("no %s", kind)
				}
			}
			r.chartsPods(t, namespace)
			r.chartsRights(t, namespace, functions)
		})
	}
}

// chartsPods has the API server check a pod of each StatefulSet, as its controller makes it.
func (r *real) chartsPods(t *testing.T, namespace string) {
	sets, err := r.admin.AppsV1().StatefulSets(namespace).List(ctx, metav1.ListOptions{})
	if err != nil || len(sets.Items) != 1 {
		t.Fatalf("%v, %d sets", err, len(sets.Items))
	}
	set := sets.Items[0]
	pod := &corev1.Pod{ObjectMeta: set.Spec.Template.ObjectMeta, Spec: *set.Spec.Template.Spec.DeepCopy()}
	pod.Name = set.Name + "-0"
	for _, claim := range set.Spec.VolumeClaimTemplates {
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: claim.Name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name + "-" + pod.Name}}})
	}
	if _, err := r.admin.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}); err != nil {
		t.Errorf("a pod of the StatefulSet: %v", err)
	}
}

// chartsRights: those of the documented Role, in one namespace.
func (r *real) chartsRights(t *testing.T, namespace, functions string) {
	accounts, err := r.admin.CoreV1().ServiceAccounts(namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=simplane"})
	if err != nil || len(accounts.Items) != 1 {
		t.Fatalf("%v, %d accounts of simplane's", err, len(accounts.Items))
	}
	may := func(in, verb, group, resource string) bool {
		resource, sub, _ := strings.Cut(resource, "/")
		review, err := r.admin.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User:   "system:serviceaccount:" + namespace + ":" + accounts.Items[0].Name,
			Groups: []string{"system:serviceaccounts", "system:authenticated"},
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: in, Verb: verb, Group: group, Resource: resource, Subresource: sub,
			},
		}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return review.Status.Allowed
	}
	for _, rule := range documentedRole(t).Rules {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				eventually(t, "may "+verb+" "+resource, func() bool { return may(functions, verb, rule.APIGroups[0], resource) })
				if may("default", verb, rule.APIGroups[0], resource) {
					t.Errorf("may %s %s in another namespace", verb, resource)
				}
			}
		}
	}
	if may(functions, "get", "", "secrets") || may(namespace, "get", "", "secrets") {
		t.Error("may read Secrets")
	}
	roles, err := r.admin.RbacV1().Roles(functions).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=simplane"})
	if err != nil || len(roles.Items) != 1 {
		t.Fatalf("%v, %d roles", err, len(roles.Items))
	}
	if got, want := rights(&roles.Items[0]), rights(documentedRole(t)); !maps.Equal(got, want) {
		t.Errorf("the chart's Role gives %v, the documented one %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}
