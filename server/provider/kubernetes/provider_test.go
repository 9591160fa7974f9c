package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	ktesting "k8s.io/client-go/testing"

	"simplane/server/provider"
)

const hang = 3 * time.Minute // for what never comes, not for what is slow

var ctx = context.Background()

func start(t *testing.T, client *fake.Clientset, opt Options) *Provider {
	t.Helper()
	opt.Client, opt.Namespace = client, "functions"
	watches := func() (n int) {
		for _, a := range client.Actions() {
			if a.GetVerb() == "watch" {
				n++
			}
		}
		return n
	}
	before := watches()
	p, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	// The fake, unlike a cluster, loses events between a list and its watch.
	eventually(t, "all watches are open", func() bool { return watches() == before+3 })
	return p
}

func deployment(name string) provider.Deployment {
	return provider.Deployment{Name: name, Image: "registry.local/" + name + ":1", RuntimeMode: provider.HTTP, Replicas: 1}
}

func provision(t *testing.T, p *Provider, d provider.Deployment) {
	t.Helper()
	if err := p.Provision(ctx, d); err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(hang); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func getDeployment(t *testing.T, c *fake.Clientset, object string) *appsv1.Deployment {
	t.Helper()
	return must[*appsv1.Deployment](t)(c.AppsV1().Deployments("functions").Get(ctx, object, metav1.GetOptions{}))
}

func getHPA(t *testing.T, c *fake.Clientset, object string) *autoscalingv2.HorizontalPodAutoscaler {
	t.Helper()
	return must[*autoscalingv2.HorizontalPodAutoscaler](t)(c.AutoscalingV2().HorizontalPodAutoscalers("functions").Get(ctx, object, metav1.GetOptions{}))
}

func TestDeploymentAndService(t *testing.T) {
	c := fake.NewClientset()
	p := start(t, c, Options{})
	d := deployment("resize")
	d.Commands = []string{"/bin/resize", "-v"}
	d.Env = map[string]string{"B": "2", "A": "1", "PORT": "1"}
	d.CPU, d.Memory = "500m", "128Mi"
	d.ImagePullSecrets = []string{"pull"}
	d.Replicas = 3
	provision(t, p, d)

	got := getDeployment(t, c, "fn-resize")
	if *got.Spec.Replicas != 3 {
		t.Errorf("replicas %d", *got.Spec.Replicas)
	}
	for k, v := range got.Spec.Selector.MatchLabels {
		if got.Spec.Template.Labels[k] != v {
			t.Errorf("the selector %v does not match the pods' labels %v", got.Spec.Selector.MatchLabels, got.Spec.Template.Labels)
		}
	}
	if r := got.Spec.Strategy.RollingUpdate; r.MaxUnavailable.IntValue() != 0 || r.MaxSurge.IntValue() != 1 {
		t.Errorf("a rollout takes capacity away: %+v", r)
	}
	if got.Labels[labelManagedBy] != "simplane" || got.Annotations[annotationFunction] != "resize" {
		t.Errorf("labels %v, annotations %v", got.Labels, got.Annotations)
	}
	pod := got.Spec.Template.Spec
	if len(pod.ImagePullSecrets) != 1 || pod.ImagePullSecrets[0].Name != "pull" || *pod.AutomountServiceAccountToken {
		t.Errorf("pod %+v", pod)
	}
	container := pod.Containers[0]
	if container.Image != "registry.local/resize:1" || !slices.Equal(container.Command, d.Commands) {
		t.Errorf("container %+v", container)
	}
	var env []string
	for _, e := range container.Env {
		env = append(env, e.Name+"="+e.Value)
	}
	if !slices.Equal(env, []string{"A=1", "B=2", "PORT=8080"}) {
		t.Errorf("env %v", env)
	}
	for _, list := range []corev1.ResourceList{container.Resources.Limits, container.Resources.Requests} {
		if list.Cpu().MilliValue() != 500 || list.Memory().Value() != 128<<20 {
			t.Errorf("resources %v", list)
		}
	}
	if get := container.ReadinessProbe.HTTPGet; get == nil || get.Path != "/health" {
		t.Errorf("probe %+v", container.ReadinessProbe)
	}

	service := must[*corev1.Service](t)(c.CoreV1().Services("functions").Get(ctx, "fn-resize", metav1.GetOptions{}))
	if service.Spec.ClusterIP != corev1.ClusterIPNone || service.Spec.Ports[0].Port != 8080 ||
		fmt.Sprint(service.Spec.Selector) != fmt.Sprint(got.Spec.Selector.MatchLabels) {
		t.Errorf("service %+v", service.Spec)
	}
	if o := service.OwnerReferences; len(o) != 1 || o[0].Kind != "Deployment" || o[0].Name != "fn-resize" {
		t.Errorf("the service is owned by %v", o)
	}
	if hpas := must[*autoscalingv2.HorizontalPodAutoscalerList](t)(c.AutoscalingV2().HorizontalPodAutoscalers("functions").List(ctx, metav1.ListOptions{})); len(hpas.Items) != 0 {
		t.Errorf("an autoscaler exists without being asked for: %v", hpas.Items)
	}
}

func TestRuntimeCommandAndTCPProbe(t *testing.T) {
	c := fake.NewClientset()
	p := start(t, c, Options{Port: 9000})
	d := deployment("script")
	d.RuntimeCommand, d.HealthCheck = "exec ./serve --fast", provider.HealthCheck{TCP: true}
	provision(t, p, d)
	container := getDeployment(t, c, "fn-script").Spec.Template.Spec.Containers[0]
	if !slices.Equal(container.Command, []string{"sh", "-c", "exec ./serve --fast"}) || container.Ports[0].ContainerPort != 9000 ||
		container.ReadinessProbe.TCPSocket == nil || container.ReadinessProbe.HTTPGet != nil {
		t.Errorf("container %+v", container)
	}
	d.HealthCheck = provider.HealthCheck{Path: "/live?deep=1"}
	provision(t, p, d)
	if probe := getDeployment(t, c, "fn-script").Spec.Template.Spec.Containers[0].ReadinessProbe; probe.TCPSocket != nil || probe.HTTPGet == nil || probe.HTTPGet.Path != "/live?deep=1" {
		t.Errorf("after a change: probe %+v", probe)
	}
}

func TestProvisionIsIdempotentAndRepairs(t *testing.T) {
	c := fake.NewClientset()
	p := start(t, c, Options{})
	d := deployment("idem")
	d.Env = map[string]string{"KEEP": "1", "DROP": "1"}
	provision(t, p, d)
	first := getDeployment(t, c, "fn-idem")
	provision(t, p, d)
	second := getDeployment(t, c, "fn-idem")
	if !reflect.DeepEqual(first.Spec, second.Spec) {
		t.Errorf("the second time changed the spec from %v to %v", first.Spec, second.Spec)
	}

	second.Spec.Template.Spec.Containers[0].Image = "tampered"
	must[*appsv1.Deployment](t)(c.AppsV1().Deployments("functions").Update(ctx, second, metav1.UpdateOptions{FieldManager: "somebody"}))
	delete(d.Env, "DROP")
	provision(t, p, d)
	container := getDeployment(t, c, "fn-idem").Spec.Template.Spec.Containers[0]
	if container.Image != d.Image {
		t.Errorf("the image stays %q", container.Image)
	}
	for _, e := range container.Env {
		if e.Name == "DROP" {
			t.Error("a removed variable is still there")
		}
	}
}

func TestAutoscaler(t *testing.T) {
	c := fake.NewClientset()
	p := start(t, c, Options{})
	d := deployment("scaled")
	d.ScalingStrategy, d.MinReplicas, d.MaxReplicas = provider.ScaleHPA, 0, 7
	d.Metrics = []provider.Metric{
		{Type: "cpu", Target: "70"}, {Type: "memory", Target: "200Mi"},
		{Type: "queue_depth", Target: "10"}, {Type: "in_flight", Target: "4"}, {Type: "rps", Target: "2.5"},
		{Type: "prometheus", Target: "100m", Name: "kafka_lag"}, {Type: "prometheus", Target: "3", Name: "pods/sessions"},
	}
	provision(t, p, d)
	if r := getDeployment(t, c, "fn-scaled").Spec.Replicas; r != nil && *r != 1 {
		t.Errorf("replicas %d are applied though the autoscaler sets them", *r)
	}
	hpa := getHPA(t, c, "fn-scaled")
	if *hpa.Spec.MinReplicas != 1 || hpa.Spec.MaxReplicas != 7 || hpa.Spec.ScaleTargetRef.Name != "fn-scaled" || hpa.Spec.ScaleTargetRef.Kind != "Deployment" {
		t.Errorf("spec %+v", hpa.Spec)
	}
	var got []string
	for _, m := range hpa.Spec.Metrics {
		var name string
		var target autoscalingv2.MetricTarget
		switch m.Type {
		case autoscalingv2.ResourceMetricSourceType:
			name, target = string(m.Resource.Name), m.Resource.Target
		case autoscalingv2.ExternalMetricSourceType:
			name, target = m.External.Metric.Name, m.External.Target
			if m.External.Metric.Selector != nil {
				name += "{" + m.External.Metric.Selector.MatchLabels["function"] + "}"
			}
		case autoscalingv2.PodsMetricSourceType:
			name, target = m.Pods.Metric.Name, m.Pods.Target
		}
		value := ""
		if target.AverageUtilization != nil {
			value = strconv.Itoa(int(*target.AverageUtilization)) + "%"
		} else {
			value = target.AverageValue.String()
		}
		got = append(got, fmt.Sprintf("%s %s %s", m.Type, name, value))
	}
	want := []string{
		"Resource cpu 70%", "Resource memory 200Mi",
		"External function_queue_depth{scaled} 10", "External function_in_flight{scaled} 4", "External function_rps{scaled} 2500m",
		"External kafka_lag 100m", "Pods sessions 3",
	}
	if !slices.Equal(got, want) {
		t.Errorf("metrics\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if err := p.SetReplicas(ctx, "scaled", 3); !errors.Is(err, ErrScaledByHPA) {
		t.Errorf("SetReplicas: %v, want a refusal", err)
	}

	// Changing the strategy removes the autoscaler, which would fight simplane.
	d.ScalingStrategy, d.Replicas = provider.ScaleInternal, 2
	provision(t, p, d)
	if _, err := c.AutoscalingV2().HorizontalPodAutoscalers("functions").Get(ctx, "fn-scaled", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the autoscaler is still there: %v", err)
	}
	if r := *getDeployment(t, c, "fn-scaled").Spec.Replicas; r != 2 {
		t.Errorf("replicas %d, want 2", r)
	}
	if err := p.SetReplicas(ctx, "scaled", 5); err != nil {
		t.Fatal(err)
	}
	if r := *getDeployment(t, c, "fn-scaled").Spec.Replicas; r != 5 {
		t.Errorf("replicas %d, want 5", r)
	}
	for _, n := range []int{-1, 8} {
		if p.SetReplicas(ctx, "scaled", n) == nil {
			t.Errorf("%d replicas were accepted, 0 to 7 are allowed", n)
		}
	}
}

func TestAutoscalerDefaultsToCPU(t *testing.T) {
	c := fake.NewClientset()
	p := start(t, c, Options{})
	d := deployment("plain")
	d.ScalingStrategy = provider.ScaleHPA
	provision(t, p, d)
	m := getHPA(t, c, "fn-plain").Spec.Metrics
	if len(m) != 1 || m[0].Resource.Name != corev1.ResourceCPU || *m[0].Resource.Target.AverageUtilization != 80 {
		t.Errorf("metrics %+v", m)
	}
}

func TestUtilizationNeedsARequest(t *testing.T) {
	hpa := provider.Deployment{ScalingStrategy: provider.ScaleHPA}
	all := provider.Deployment{ScalingStrategy: provider.ScaleHPA, CPU: "1", Metrics: []provider.Metric{
		{Type: "cpu", Target: "70"}, {Type: "memory", Target: "80"}, {Type: "memory", Target: "20Mi"}, {Type: "rps", Target: "5"},
	}}
	none := all
	none.ScalingStrategy = provider.ScaleNone
	for want, d := range map[string]provider.Deployment{"[cpu]": hpa, "[memory]": all, "[]": none} {
		if got := fmt.Sprint(idleMetrics(d)); got != want {
			t.Errorf("%+v: %s, want %s", d, got, want)
		}
	}
}

func TestInvalidDeploymentsAreRefused(t *testing.T) {
	c := fake.NewClientset()
	p := start(t, c, Options{})
	d := provider.Deployment{Name: "bad", RuntimeMode: provider.STDIO, ScalingStrategy: provider.ScaleHPA, Replicas: 1000,
		Metrics: []provider.Metric{{Type: "cpu", Target: "0"}, {Type: "prometheus", Target: "1"}, {Type: "moon", Target: "1"}, {Type: "rps", Target: "-1"}}}
	err := p.Provision(ctx, d)
	for _, part := range []string{"image", "STDIO", "replicas", "metrics[0]", "metrics[1]", "moon", "metrics[3]"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v does not mention %s", err, part)
		}
	}
	if list := must[*appsv1.DeploymentList](t)(c.AppsV1().Deployments("functions").List(ctx, metav1.ListOptions{})); len(list.Items) != 0 {
		t.Error("something was created all the same")
	}
}

func TestDeprovisionRemovesEverything(t *testing.T) {
	c := fake.NewClientset()
	p := start(t, c, Options{})
	d := deployment("doomed")
	d.ScalingStrategy = provider.ScaleHPA
	provision(t, p, d)
	provision(t, p, deployment("spared"))
	waiting := make(chan provider.Result, 1)
	p.Go("doomed", provider.Invocation{Input: json.RawMessage(`1`), Deadline: time.Now().Add(hang)}, func(r provider.Result) { waiting <- r })
	if err := p.Deprovision(ctx, "doomed"); err != nil {
		t.Fatal(err)
	}
	if r := <-waiting; r.ErrorCode != provider.CodeDeleted {
		t.Errorf("waiting work ended with %+v", r)
	}
	ds := must[*appsv1.DeploymentList](t)(c.AppsV1().Deployments("functions").List(ctx, metav1.ListOptions{}))
	ss := must[*corev1.ServiceList](t)(c.CoreV1().Services("functions").List(ctx, metav1.ListOptions{}))
	hs := must[*autoscalingv2.HorizontalPodAutoscalerList](t)(c.AutoscalingV2().HorizontalPodAutoscalers("functions").List(ctx, metav1.ListOptions{}))
	if len(ds.Items) != 1 || ds.Items[0].Name != "fn-spared" || len(ss.Items) != 1 || len(hs.Items) != 0 {
		t.Errorf("%d deployments, %d services, %d autoscalers are left; want those of the other function", len(ds.Items), len(ss.Items), len(hs.Items))
	}
	if err := p.Deprovision(ctx, "doomed"); !errors.Is(err, provider.ErrNotFound) {
		t.Errorf("second time: %v", err)
	}
}

func TestTroubleWithTheAPIServerIsReported(t *testing.T) {
	c := fake.NewClientset()
	p := start(t, c, Options{CallTimeout: 50 * time.Millisecond})
	c.PrependReactor("patch", "services", func(ktesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewInternalError(errors.New("etcd is having a day"))
	})
	err := p.Provision(ctx, deployment("unlucky"))
	if err == nil || !strings.Contains(err.Error(), "etcd is having a day") || !strings.Contains(err.Error(), "service") {
		t.Errorf("error %v", err)
	}
	if _, known := p.Status("unlucky"); known {
		t.Error("a function that could not be provisioned is kept")
	}
}

// breakable makes the API server refuse one kind of request while it is broken.
func breakable(c *fake.Clientset, verb, resource string) (broken *atomic.Bool) {
	broken = &atomic.Bool{}
	c.PrependReactor(verb, resource, func(ktesting.Action) (bool, runtime.Object, error) {
		return broken.Load(), nil, apierrors.NewInternalError(errors.New("etcd is having a day"))
	})
	return broken
}

func TestDeletionIsTriedUntilItIsTaken(t *testing.T) {
	c := fake.NewClientset()
	broken := breakable(c, "delete", "deployments")
	p := start(t, c, Options{})
	provision(t, p, deployment("sticky"))
	broken.Store(true)
	soon, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	if err := p.Deprovision(soon, "sticky"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if err := p.Provision(soon, deployment("sticky")); err == nil || !strings.Contains(err.Error(), "not yet gone") {
		t.Errorf("its name is used before it is gone: %v", err)
	}
	getDeployment(t, c, "fn-sticky")
	broken.Store(false)
	d := deployment("sticky")
	d.Replicas = 2
	provision(t, p, d) // waits for the deletion, and asks for it now
	if r := *getDeployment(t, c, "fn-sticky").Spec.Replicas; r != 2 {
		t.Errorf("%d replicas, want 2", r)
	}
	if err := p.Deprovision(ctx, "sticky"); err != nil {
		t.Error(err)
	}
	if list := must[*appsv1.DeploymentList](t)(c.AppsV1().Deployments("functions").List(ctx, metav1.ListOptions{})); len(list.Items) != 0 {
		t.Error("the deployment is still there")
	}
}

func TestAStartThatFailedIsTriedAgain(t *testing.T) {
	c := fake.NewClientset()
	broken := breakable(c, "patch", "deployments")
	p := start(t, c, Options{})
	d := deployment("drowsy")
	d.Replicas = 0
	provision(t, p, d)
	broken.Store(true)
	for range 2 {
		if r := p.Invoke(ctx, "drowsy", provider.Invocation{Input: json.RawMessage(`1`)}); r.ErrorCode != provider.CodeStartFailed || !strings.Contains(r.ErrorMessage, "etcd") {
			t.Errorf("%+v", r)
		}
	}
	broken.Store(false)
	p.Go("drowsy", provider.Invocation{Input: json.RawMessage(`1`), Deadline: time.Now().Add(hang)}, func(provider.Result) {})
	eventually(t, "it is started", func() bool { return *getDeployment(t, c, "fn-drowsy").Spec.Replicas == 1 })
}

func TestARestartKeepsTheReplicas(t *testing.T) {
	c := fake.NewClientset()
	p := start(t, c, Options{})
	d := deployment("kept")
	d.MaxReplicas = 5
	provision(t, p, d)
	if err := p.SetReplicas(ctx, "kept", 5); err != nil {
		t.Fatal(err)
	}
	for _, most := range []int{5, 3} {
		d.MaxReplicas = most
		provision(t, start(t, c, Options{}), d)
		if r := *getDeployment(t, c, "fn-kept").Spec.Replicas; int(r) != most {
			t.Errorf("%d replicas are left of 5, at most %d allowed", r, most)
		}
	}
}

// TestEventsOfAnEarlierDeploymentDoNotCount: after a deletion the caches may
// still have the old Deployment, and lose it later.
func TestEventsOfAnEarlierDeploymentDoNotCount(t *testing.T) {
	p := start(t, fake.NewClientset(), Options{})
	provision(t, p, deployment("again"))
	f, seven := p.function("again"), int32(7)
	eventually(t, "its own Deployment is seen", func() bool { return p.watch.replicas(f) == 1 })
	old := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "fn-again", UID: "old", Generation: 9}, Spec: appsv1.DeploymentSpec{Replicas: &seven}}
	f.mu.Lock()
	f.seen = false // as right after it was made
	f.mu.Unlock()
	for _, d := range []*appsv1.Deployment{old, nil} {
		f.looking.Lock()
		f.update(nil, d, nil)
		f.looking.Unlock()
		if s := f.status(); s.Desired != 1 {
			t.Errorf("with %v: status %+v", d, s)
		}
	}
}

func TestObjectsOfOthersAreLeftAlone(t *testing.T) {
	one := int32(1)
	c := fake.NewClientset(&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "fn-web", Namespace: "functions"}, Spec: appsv1.DeploymentSpec{Replicas: &one}})
	p := start(t, c, Options{})
	var invalid *provider.InvalidError
	if err := p.Provision(ctx, deployment("web")); !errors.As(err, &invalid) || !strings.Contains(err.Error(), "fn-web") {
		t.Errorf("error %v", err)
	}
	if _, known := p.Status("web"); known || len(getDeployment(t, c, "fn-web").Labels) != 0 {
		t.Error("it was taken all the same")
	}
}

func TestTextReachesTheFunctionLiterally(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "$HOME": "$HOME", "a$": "a$", "$(PORT)": "$$(PORT)", "p$$w": "p$$$$w", "$A $(B)": "$$A $$(B)",
	} {
		if got := literal(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	c := fake.NewClientset()
	p := start(t, c, Options{})
	d := deployment("literal")
	d.Commands, d.Env, d.ImagePullSecrets = []string{"echo", "$(A)"}, map[string]string{"A": "$$"}, []string{"one", "two", "one"}
	provision(t, p, d)
	pod := getDeployment(t, c, "fn-literal").Spec.Template.Spec
	if f := pod.Containers[0]; f.Command[1] != "$$(A)" || f.Env[0].Value != "$$$$" {
		t.Errorf("command %q, env %v", f.Command, f.Env)
	}
	if len(pod.ImagePullSecrets) != 2 {
		t.Errorf("secrets %v", pod.ImagePullSecrets)
	}
}

// pod is a function instance on 127.0.0.1, as an EndpointSlice shows it.
func pod(t *testing.T, name string) (discoveryv1.Endpoint, int32) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		body, _ := io.ReadAll(r.Body)
		json.NewEncoder(w).Encode([]string{name, string(body), r.Header.Get("X-Execution-Id")})
	}))
	t.Cleanup(s.Close)
	host, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	n, _ := strconv.Atoi(port)
	yes := true
	return discoveryv1.Endpoint{
		Addresses: []string{host}, Conditions: discoveryv1.EndpointConditions{Ready: &yes},
		TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: name},
	}, int32(n)
}

func slice(function, name string, port int32, endpoints ...discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
	http := portName
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "functions", Labels: map[string]string{
			labelManagedBy: "simplane", labelFunction: objectName(function), discoveryv1.LabelServiceName: objectName(function),
		}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &http, Port: &port}},
		Endpoints:   endpoints,
	}
}

func TestReadinessFollowsEndpointSlices(t *testing.T) {
	c := fake.NewClientset()
	p := start(t, c, Options{})
	provision(t, p, deployment("live"))
	statuses := make(chan provider.Status, 100)
	stop := p.Watch(func(s provider.Status) { statuses <- s })
	defer stop()

	waiting := make(chan provider.Result, 1)
	p.Go("live", provider.Invocation{ExecutionID: "e1", Input: json.RawMessage(`{"x":1}`), Deadline: time.Now().Add(hang)},
		func(r provider.Result) { waiting <- r })
	if s, _ := p.Status("live"); s.Ready != 0 || s.Starting != 1 || s.Waiting != 1 {
		t.Errorf("before any pod: %+v", s)
	}

	a, port := pod(t, "pod-a")
	slices := c.DiscoveryV1().EndpointSlices("functions")
	s := must[*discoveryv1.EndpointSlice](t)(slices.Create(ctx, slice("live", "live-1", port, a), metav1.CreateOptions{}))
	r := <-waiting
	if want := `["pod-a","{\"input\":{\"x\":1},\"metadata\":{}}","e1"]`; strings.TrimSpace(string(r.Output)) != want || !r.ColdStart || r.InitDuration <= 0 {
		t.Errorf("got %s, cold %v after %v, error %s; want %s from a cold start", r.Output, r.ColdStart, r.InitDuration, r.ErrorMessage, want)
	}
	for st := range statuses {
		if st.Function == "live" && st.Ready == 1 {
			break
		}
	}
	if r := p.Invoke(ctx, "live", provider.Invocation{Input: json.RawMessage(`1`)}); !r.OK() || r.ColdStart {
		t.Errorf("warm: %+v", r)
	}

	no := false
	s.Endpoints[0].Conditions.Ready = &no
	must[*discoveryv1.EndpointSlice](t)(slices.Update(ctx, s, metav1.UpdateOptions{}))
	eventually(t, "the unready pod is left out", func() bool { return len(p.Endpoints("live")) == 0 })

	b, portB := pod(t, "pod-b")
	must[*discoveryv1.EndpointSlice](t)(slices.Create(ctx, slice("live", "live-2", portB, b), metav1.CreateOptions{}))
	eventually(t, "the other pod is used", func() bool {
		e := p.Endpoints("live")
		return len(e) == 1 && e[0].ID == "pod-b"
	})
	// Its pod comes back elsewhere under its name.
	other, portC := pod(t, "pod-b")
	must[*discoveryv1.EndpointSlice](t)(slices.Update(ctx, slice("live", "live-2", portC, other), metav1.UpdateOptions{}))
	eventually(t, "the new address is used", func() bool {
		e := p.Endpoints("live")
		return len(e) == 1 && strings.HasSuffix(e[0].Address, fmt.Sprint(":", portC))
	})
	if err := slices.Delete(ctx, "live-2", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the deleted slice is noticed", func() bool { return len(p.Endpoints("live")) == 0 })
}

func TestPodsThatWereThereBeforeAreFound(t *testing.T) {
	a, port := pod(t, "pod-a")
	c := fake.NewClientset(slice("kept", "kept-1", port, a))
	p := start(t, c, Options{})
	provision(t, p, deployment("kept")) // after a restart of simplane
	eventually(t, "the pod is found", func() bool { return len(p.Endpoints("kept")) == 1 })
}

func TestScaleFromZero(t *testing.T) {
	c := fake.NewClientset()
	p := start(t, c, Options{})
	d := deployment("sleepy")
	d.Replicas = 0
	provision(t, p, d)
	result := make(chan provider.Result, 2)
	for range 2 {
		p.Go("sleepy", provider.Invocation{Input: json.RawMessage(`1`), Deadline: time.Now().Add(hang)}, func(r provider.Result) { result <- r })
	}
	eventually(t, "the deployment is scaled up", func() bool { return *getDeployment(t, c, "fn-sleepy").Spec.Replicas == 1 })
	a, port := pod(t, "pod-a")
	must[*discoveryv1.EndpointSlice](t)(c.DiscoveryV1().EndpointSlices("functions").Create(ctx, slice("sleepy", "sleepy-1", port, a), metav1.CreateOptions{}))
	for range 2 {
		if r := <-result; !r.OK() || !r.ColdStart {
			t.Errorf("%+v, want a cold start", r)
		}
	}
}

func TestStartFailureEndsTheWait(t *testing.T) {
	for _, c := range []struct {
		name string
		obj  runtime.Object
		want []string
	}{
		{"image", &corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "no such image"}},
		}}}}, []string{"ImagePullBackOff", "no such image"}},
		{"crash", &corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
			RestartCount:         4,
			State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
			LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 3}},
		}}}}, []string{"CrashLoopBackOff", "code 3"}},
	} {
		client := fake.NewClientset()
		p := start(t, client, Options{})
		provision(t, p, deployment(c.name))
		result := make(chan provider.Result, 1)
		p.Go(c.name, provider.Invocation{Input: json.RawMessage(`1`), Deadline: time.Now().Add(hang)}, func(r provider.Result) { result <- r })
		pod := c.obj.(*corev1.Pod)
		pod.Name, pod.Namespace = "pod-x", "functions"
		pod.Labels = map[string]string{labelManagedBy: "simplane", labelFunction: objectName(c.name)}
		must[*corev1.Pod](t)(client.CoreV1().Pods("functions").Create(ctx, pod, metav1.CreateOptions{}))
		r := <-result
		if r.ErrorCode != provider.CodeStartFailed {
			t.Errorf("%s: %+v", c.name, r)
		}
		for _, part := range c.want {
			if !strings.Contains(r.ErrorMessage, part) {
				t.Errorf("%s: message %q does not mention %q", c.name, r.ErrorMessage, part)
			}
		}
		if s, _ := p.Status(c.name); !strings.Contains(s.LastError, c.want[0]) || s.Restarts != int64(pod.Status.ContainerStatuses[0].RestartCount) {
			t.Errorf("%s: status %+v", c.name, s)
		}
	}
}

func TestFailedRolloutIsAStartFailure(t *testing.T) {
	c := fake.NewClientset()
	p := start(t, c, Options{})
	provision(t, p, deployment("stuck"))
	d := getDeployment(t, c, "fn-stuck")
	d.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate", Message: "exceeded quota"}}
	must[*appsv1.Deployment](t)(c.AppsV1().Deployments("functions").UpdateStatus(ctx, d, metav1.UpdateOptions{}))
	eventually(t, "the failure is known", func() bool { s, _ := p.Status("stuck"); return strings.Contains(s.LastError, "exceeded quota") })
	if r := p.Invoke(ctx, "stuck", provider.Invocation{Input: json.RawMessage(`1`)}); r.ErrorCode != provider.CodeStartFailed {
		t.Errorf("%+v", r)
	}
}

func TestLogs(t *testing.T) {
	c := fake.NewClientset(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "pod-a", Namespace: "functions",
		Labels: map[string]string{labelManagedBy: "simplane", labelFunction: "fn-chatty"}}})
	p := start(t, c, Options{})
	provision(t, p, deployment("chatty"))
	lines, err := p.Logs("chatty", 10)
	if err != nil || len(lines) != 1 || lines[0].Instance != "pod-a" || lines[0].Text != "fake logs" {
		t.Errorf("%v %v", lines, err)
	}
	if _, err := p.Logs("nobody", 1); !errors.Is(err, provider.ErrNotFound) {
		t.Errorf("unknown function: %v", err)
	}
}

func TestCloseLeavesTheFunctionsRunning(t *testing.T) {
	c := fake.NewClientset()
	p := start(t, c, Options{})
	provision(t, p, deployment("staying"))
	if err := p.Close(ctx); err != nil {
		t.Fatal(err)
	}
	getDeployment(t, c, "fn-staying")
	if err := p.Provision(ctx, deployment("late")); !errors.Is(err, provider.ErrClosed) {
		t.Errorf("provision after close: %v", err)
	}
}

func TestObjectNames(t *testing.T) {
	long := strings.Repeat("x", 128)
	seen := map[string]string{}
	for _, name := range []string{"a", "9", "word-stats", "Word-Stats", "word.stats", "word_stats", long, long[:127] + "y", "a-", "A"} {
		object := objectName(name)
		if len(object) > 63 || strings.Trim(object, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.HasSuffix(object, "-") || object[0] != 'f' {
			t.Errorf("%q becomes %q, which is not a DNS label", name, object)
		}
		if other, ok := seen[object]; ok {
			t.Errorf("%q and %q share the name %q", name, other, object)
		}
		seen[object] = name
	}
	if objectName("word-stats") != "fn-word-stats" {
		t.Errorf("a name that fits becomes %q", objectName("word-stats"))
	}
}

// TestSlicesOfADeletedFunction: the controller's slices outlive, for a moment,
// the pods of a deleted function. A name registered again must not use them.
func TestSlicesOfADeletedFunction(t *testing.T) {
	yes := true
	var all []discoveryv1.Endpoint
	for _, name := range []string{"mine", "earlier", "gone"} {
		all = append(all, discoveryv1.Endpoint{
			Addresses: []string{"10.0.0." + fmt.Sprint(len(all))}, Conditions: discoveryv1.EndpointConditions{Ready: &yes},
			TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: name},
		})
	}
	s := slice("f", "s", 80, all...)
	s.OwnerReferences = []metav1.OwnerReference{{Kind: "Service", Name: "fn-f"}}
	got := addresses([]*discoveryv1.EndpointSlice{s}, map[string]bool{"mine": true, "earlier": false})
	if len(got) != 1 || got["mine"] != "10.0.0.0:80" {
		t.Errorf("addresses %v, want those of the function's own pod", got)
	}
}

func TestDualStackPodsCountOnce(t *testing.T) {
	yes := true
	endpoint := func(addr string) discoveryv1.Endpoint {
		return discoveryv1.Endpoint{Addresses: []string{addr}, Conditions: discoveryv1.EndpointConditions{Ready: &yes}, TargetRef: &corev1.ObjectReference{Name: "pod-a"}}
	}
	v4, v6 := slice("f", "v4", 80, endpoint("10.0.0.1")), slice("f", "v6", 80, endpoint("fd00::1"))
	v6.AddressType = discoveryv1.AddressTypeIPv6
	for _, order := range [][]*discoveryv1.EndpointSlice{{v4, v6}, {v6, v4}} {
		if got := addresses(order, nil); len(got) != 1 || got["pod-a"] != "10.0.0.1:80" {
			t.Errorf("addresses %v", got)
		}
	}
}
