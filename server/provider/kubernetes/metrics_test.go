package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	ktesting "k8s.io/client-go/testing"
	"k8s.io/metrics/pkg/apis/metrics/v1beta1"
	metricsfake "k8s.io/metrics/pkg/client/clientset/versioned/fake"
	metricsv1beta1 "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"

	"simplane/server/provider"
)

// metricsAPI is a cluster's resource metrics API.
type metricsAPI struct {
	mu     sync.Mutex
	err    error
	pods   map[string]v1beta1.PodMetrics
	lists  int
	before func() // called before a list is answered
}

func newMetricsAPI() (*metricsAPI, metricsv1beta1.PodMetricsesGetter) {
	a := &metricsAPI{pods: map[string]v1beta1.PodMetrics{}}
	c := metricsfake.NewSimpleClientset()
	c.PrependReactor("list", "pods", func(action ktesting.Action) (bool, runtime.Object, error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.lists++
		if a.before != nil {
			a.before()
		}
		list := &v1beta1.PodMetricsList{}
		for _, m := range a.pods {
			if m.Namespace == action.GetNamespace() {
				list.Items = append(list.Items, m)
			}
		}
		return true, list, a.err
	})
	return a, c.MetricsV1beta1()
}

func (a *metricsAPI) fail(err error) { a.mu.Lock(); a.err = err; a.mu.Unlock() }
func (a *metricsAPI) asked() int     { a.mu.Lock(); defer a.mu.Unlock(); return a.lists }
func (a *metricsAPI) hook(f func())  { a.mu.Lock(); a.before = f; a.mu.Unlock() }

var podsOfMetrics = schema.GroupResource{Group: "metrics.k8s.io", Resource: "pods"}

var (
	errNone      = apierrors.NewNotFound(podsOfMetrics, "")
	errForbidden = apierrors.NewForbidden(podsOfMetrics, "", errors.New("no right"))
)

// uses says what the containers of a pod use, measured in the window before at.
func (a *metricsAPI) uses(pod string, at time.Time, window time.Duration, containers ...v1beta1.ContainerMetrics) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pods[pod] = v1beta1.PodMetrics{
		ObjectMeta: metav1.ObjectMeta{Name: pod, Namespace: "functions", Labels: map[string]string{labelManagedBy: fieldManager}},
		Timestamp:  metav1.NewTime(at), Window: metav1.Duration{Duration: window}, Containers: containers,
	}
}

func (a *metricsAPI) forget(pod string) { a.mu.Lock(); delete(a.pods, pod); a.mu.Unlock() }

func container(name, cpu, memory string) v1beta1.ContainerMetrics {
	return v1beta1.ContainerMetrics{Name: name, Usage: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
	}}
}

// measured is a provider whose looks at the metrics the test takes itself.
type measured struct {
	*Provider
	t      *testing.T
	client *fake.Clientset
	api    *metricsAPI
	log    *buffer
	now    time.Time

	mu   sync.Mutex
	told map[string]float64
}

func measure(t *testing.T) *measured {
	t.Helper()
	api, getter := newMetricsAPI()
	m := &measured{t: t, client: fake.NewClientset(), api: api, log: &buffer{}, now: time.Now()}
	m.Provider = start(t, m.client, Options{
		Metrics: getter, SampleInterval: time.Hour, // the loop takes no look
		Logger: slog.New(slog.NewTextHandler(io.MultiWriter(m.log, t.Output()), nil)),
	})
	m.ReportTo(m.report)
	return m
}

func (m *measured) report(function string, metric provider.Metric, value float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told[function+" "+metric.Type] = value
}

// look takes one look, a while after the last, and returns what was told.
func (m *measured) look(later time.Duration) map[string]float64 {
	m.mu.Lock()
	m.told = map[string]float64{}
	m.mu.Unlock()
	m.now = m.now.Add(later)
	m.sampler.sample(ctx, m.now)
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.told
}

func (m *measured) wants(later time.Duration, want map[string]float64) {
	m.t.Helper()
	got := m.look(later)
	same := len(got) == len(want)
	for k, v := range want {
		g, ok := got[k]
		same = same && ok && math.Abs(g-v) < 1e-9
	}
	if !same {
		m.t.Errorf("told %v, want %v", got, want)
	}
}

func (m *measured) problem(function string) string {
	s, _ := m.Status(function)
	return s.MetricsError
}

// logged is how often a text is in the log.
func (m *measured) logged(text string) int { return strings.Count(m.log.String(), text) }

// ready makes pods of a function that are ready since long ago, in place of
// those it had.
func (m *measured) ready(function string, names ...string) {
	m.t.Helper()
	yes, longAgo := true, m.now.Add(-time.Hour)
	var endpoints []discoveryv1.Endpoint
	for i, name := range names {
		m.pod(function, name, longAgo)
		endpoints = append(endpoints, discoveryv1.Endpoint{
			Addresses: []string{fmt.Sprintf("10.0.0.%d", i+1)}, Conditions: discoveryv1.EndpointConditions{Ready: &yes},
			TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: name},
		})
	}
	s, api := slice(function, function+"-1", 8080, endpoints...), m.client.DiscoveryV1().EndpointSlices("functions")
	if _, err := api.Update(ctx, s, metav1.UpdateOptions{}); apierrors.IsNotFound(err) {
		must[*discoveryv1.EndpointSlice](m.t)(api.Create(ctx, s, metav1.CreateOptions{}))
	}
	eventually(m.t, "the pods are ready", func() bool {
		var ids []string
		for _, e := range m.Endpoints(function) {
			ids = append(ids, e.ID)
		}
		slices.Sort(ids)
		return slices.Equal(ids, slices.Sorted(slices.Values(names)))
	})
}

// pod makes, or changes, a pod that is ready since a time.
func (m *measured) pod(function, name string, since time.Time) {
	m.t.Helper()
	pods := m.client.CoreV1().Pods("functions")
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "functions", Labels: map[string]string{labelManagedBy: fieldManager, labelFunction: objectName(function)}},
		Status: corev1.PodStatus{Conditions: []corev1.PodCondition{
			{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(since)},
		}},
	}
	if _, err := pods.Update(ctx, pod, metav1.UpdateOptions{}); apierrors.IsNotFound(err) {
		must[*corev1.Pod](m.t)(pods.Create(ctx, pod, metav1.CreateOptions{}))
	}
	eventually(m.t, "the pod is known", func() bool { return m.watch.readySince(name).Unix() == since.Unix() })
}

func scaledBy(name, cpu, memory string, metrics ...string) provider.Deployment {
	d := deployment(name)
	d.CPU, d.Memory, d.ScalingStrategy = cpu, memory, provider.ScaleInternal
	for _, m := range metrics {
		d.Metrics = append(d.Metrics, provider.Metric{Type: m, Target: "50"})
	}
	return d
}

func TestUtilizationIsOfTheRequest(t *testing.T) {
	m := measure(t)
	hpa := scaledBy("hpa", "1", "1Gi", "cpu", "memory")
	hpa.ScalingStrategy = provider.ScaleHPA
	for name, d := range map[string]provider.Deployment{
		"a1": scaledBy("asks", "500m", "200Mi", "memory", "cpu", "rps"), "n1": scaledBy("no-request", "", "", "cpu", "memory"),
		"c1": scaledBy("cpu-only", "2", "", "cpu"), "r1": scaledBy("rate", "1", "1Gi", "rps"), "h1": hpa,
	} {
		provision(t, m.Provider, d)
		m.api.uses(name, m.now, 15*time.Second, container(containerName, "250m", "100Mi"), container("sidecar", "3", "3Gi"))
		m.ready(d.Name, name)
	}
	m.ready("asks", "a1", "a2")
	m.api.uses("a2", m.now, 15*time.Second, container("sidecar", "3", "3Gi"), container(containerName, "100m", "50Mi"))
	m.api.uses("a3", m.now, 15*time.Second, container(containerName, "1", "1Gi")) // not ready
	m.wants(0, map[string]float64{
		"asks cpu": (50 + 20) / 2.0, "asks memory": (50 + 25) / 2.0,
		"no-request cpu": 25, "no-request memory": 100, "cpu-only cpu": 12.5,
	})
	if n := m.api.asked(); n != 1 {
		t.Errorf("%d lists for five functions, want one", n)
	}
	for _, name := range []string{"asks", "no-request", "cpu-only", "rate", "hpa"} {
		if p := m.problem(name); p != "" {
			t.Errorf("%s: %s", name, p)
		}
	}
}

// TestMeanOfWhatIsMissing: instances without a figure count against a change.
func TestMeanOfWhatIsMissing(t *testing.T) {
	for _, c := range []struct {
		known  []float64
		ready  int
		target float64
		want   float64
	}{
		{[]float64{30, 50}, 2, 70, 40},
		{[]float64{90, 110}, 2, 70, 100},
		{[]float64{70}, 3, 70, 70},
		{[]float64{200}, 2, 70, 100},           // the missing one may do nothing
		{[]float64{100}, 4, 70, 70},            // but is no reason to have fewer
		{[]float64{10, 10, 10}, 4, 70, 25},     // or does its share
		{[]float64{0}, 100, 70, 99 * 0.7},      // most are missing: next to no change
		{[]float64{100, 100, 100}, 2, 70, 100}, // one has gone meanwhile
	} {
		got, ok := mean(c.known, c.ready, c.target)
		if !ok || math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%v of %d ready, target %v: %v, want %v", c.known, c.ready, c.target, got, c.want)
		}
	}
	if v, ok := mean(nil, 3, 70); ok {
		t.Errorf("nothing is known, yet the mean is %v", v)
	}
}

// TestNewPodsDoNotMultiplyTheLoad: those that came for a load have no figure of
// it yet, and what they took to start is none.
func TestNewPodsDoNotMultiplyTheLoad(t *testing.T) {
	m := measure(t)
	provision(t, m.Provider, scaledBy("grows", "1", "100Mi", "cpu", "memory"))
	m.ready("grows", "g1")
	m.api.uses("g1", m.now, 15*time.Second, container(containerName, "1", "80Mi"))
	m.wants(0, map[string]float64{"grows cpu": 100, "grows memory": 80})
	m.ready("grows", "g1", "g2", "g3")
	m.wants(10*time.Second, map[string]float64{"grows cpu": 50, "grows memory": 50})

	// One has its first figure, of its start. Memory is a level: it counts.
	m.pod("grows", "g2", m.now.Add(-5*time.Second))
	m.api.uses("g1", m.now, 15*time.Second, container(containerName, "900m", "80Mi"))
	m.api.uses("g2", m.now, 15*time.Second, container(containerName, "1", "40Mi"))
	m.api.uses("g3", m.now, 15*time.Second, container(containerName, "800m", "30Mi"))
	m.wants(0, map[string]float64{"grows cpu": (90 + 80) / 3.0, "grows memory": 50})
	m.api.uses("g2", m.now.Add(11*time.Second), 15*time.Second, container(containerName, "100m", "40Mi"))
	m.wants(11*time.Second, map[string]float64{"grows cpu": (90 + 80 + 10) / 3.0, "grows memory": 50})
	if p := m.problem("grows"); p != "" {
		t.Errorf("problem %q", p)
	}
}

func TestStaleAndMissingFigures(t *testing.T) {
	m := measure(t)
	provision(t, m.Provider, scaledBy("quiet", "1", "100Mi", "cpu"))
	m.ready("quiet", "q1", "q2")
	m.busy("quiet")
	both := func() {
		for _, pod := range []string{"q1", "q2"} {
			m.api.uses(pod, m.now, 15*time.Second, container(containerName, "200m", "1Mi"))
		}
	}
	both()
	m.wants(0, map[string]float64{"quiet cpu": 20})
	m.wants(staleAfter, map[string]float64{"quiet cpu": 20})
	for range 3 {
		m.wants(time.Second, nil) // nothing lowers the number now
	}
	if p := m.problem("quiet"); !strings.Contains(p, "2 of 2 ready pods") {
		t.Errorf("problem %q", p)
	}
	// One of two has a figure again: the other counts as at its target.
	m.api.uses("q1", m.now, 15*time.Second, container(containerName, "200m", "1Mi"))
	m.api.forget("q2")
	m.wants(0, map[string]float64{"quiet cpu": (20 + 50) / 2.0})
	if p := m.problem("quiet"); !strings.Contains(p, "1 of 2 ready pods") {
		t.Errorf("problem %q", p)
	}
	// A list without the resource is no figure either.
	m.api.uses("q2", m.now, 15*time.Second, v1beta1.ContainerMetrics{Name: containerName})
	m.wants(0, map[string]float64{"quiet cpu": (20 + 50) / 2.0})
	const lost, back = "not known of all pods", "known of all pods again"
	if m.logged(lost) != 1 || m.logged(back) != 0 {
		t.Errorf("it was logged %d times, and %d times that it is over", m.logged(lost), m.logged(back))
	}
	both()
	m.wants(0, map[string]float64{"quiet cpu": 20})
	if p := m.problem("quiet"); p != "" || m.logged(back) != 1 {
		t.Errorf("problem %q; logged %d times that it is over", p, m.logged(back))
	}
}

// busy keeps an invocation running on the function.
func (m *measured) busy(function string) {
	m.t.Helper()
	f, end := m.function(function), make(chan struct{})
	for _, e := range m.Endpoints(function) {
		f.pool.Remove(e.ID) // nobody listens there
	}
	f.pool.Add("busy", "", 1, 0, until(end))
	m.Go(function, provider.Invocation{Deadline: time.Now().Add(hang)}, func(provider.Result) {})
	m.t.Cleanup(func() { close(end) })
}

// until is an instance that answers once it is closed.
type until chan struct{}

func (u until) Call(_ provider.Invocation, done func(provider.Result)) {
	go func() { <-u; done(provider.Result{}) }()
}

func TestMetricsAPIMissingAndBack(t *testing.T) {
	m := measure(t)
	m.api.fail(errNone)
	asleep := scaledBy("asleep", "1", "", "cpu")
	asleep.Replicas = 0
	other := scaledBy("other", "1", "", "rps")
	for _, d := range []provider.Deployment{asleep, other} {
		provision(t, m.Provider, d)
	}
	const warning = "cannot be measured"
	statuses := make(chan provider.Status, 100)
	defer m.Watch(func(s provider.Status) { statuses <- s })()
	for range 3 { // told at once, though there is nothing to measure yet
		m.wants(5*time.Second, nil)
	}
	if p := m.problem("asleep"); !strings.Contains(p, "metrics-server") {
		t.Errorf("problem %q", p)
	}
	if s := <-statuses; s.Function != "asleep" || !strings.Contains(s.MetricsError, "metrics-server") {
		t.Errorf("watchers were told %+v", s)
	}
	if p := m.problem("other"); p != "" {
		t.Errorf("a function that needs no figures has the problem %q", p)
	}
	m.ready("asleep", "a1")
	m.api.uses("a1", m.now, 15*time.Second, container(containerName, "1", "1Mi"))
	m.wants(5*time.Second, nil)
	if n := m.logged(warning); n != 1 {
		t.Errorf("logged %d times, want once", n)
	}
	m.api.fail(errForbidden)
	m.wants(5*time.Second, nil)
	m.wants(5*time.Second, nil)
	if p := m.problem("asleep"); !strings.Contains(p, "pods.metrics.k8s.io in namespace functions") || m.logged(warning) != 2 {
		t.Errorf("problem %q, logged %d times", p, m.logged(warning))
	}
	for i := range 3 { // one reason, whatever the words
		m.api.fail(fmt.Errorf("failure %d", i))
		m.wants(5*time.Second, nil)
	}
	if p := m.problem("asleep"); !strings.Contains(p, "failure 0") || m.logged(warning) != 3 {
		t.Errorf("problem %q, logged %d times", p, m.logged(warning))
	}
	m.api.fail(nil)
	m.wants(0, map[string]float64{"asleep cpu": 100})
	if p := m.problem("asleep"); p != "" || m.logged("measured again") != 1 {
		t.Errorf("problem %q, logged %d times that it is over", p, m.logged("measured again"))
	}
}

// TestDeletedFunctionsAreNotTold, not even one that goes during the list.
func TestDeletedFunctionsAreNotTold(t *testing.T) {
	m := measure(t)
	for name, pod := range map[string]string{"stays": "s1", "goes": "g1"} {
		provision(t, m.Provider, scaledBy(name, "1", "", "cpu"))
		m.ready(name, pod)
		m.api.uses(pod, m.now, 15*time.Second, container(containerName, "300m", "1Mi"))
	}
	m.wants(0, map[string]float64{"stays cpu": 30, "goes cpu": 30})
	m.api.hook(func() {
		if err := m.Deprovision(ctx, "goes"); err != nil && !errors.Is(err, provider.ErrNotFound) {
			t.Error(err)
		}
	})
	m.wants(0, map[string]float64{"stays cpu": 30})
	m.wants(0, map[string]float64{"stays cpu": 30})
	m.api.hook(nil)
	if err := m.Deprovision(ctx, "stays"); err != nil {
		t.Fatal(err)
	}
	before := m.api.asked()
	m.wants(0, nil)
	if n := m.api.asked() - before; n != 0 {
		t.Errorf("%d lists with nothing to measure", n)
	}
}

// TestFunctionsAtRestCostNothing: nothing is asked for functions that do not
// work.
func TestFunctionsAtRestCostNothing(t *testing.T) {
	m := measure(t)
	zero := scaledBy("zero", "1", "", "cpu")
	zero.Replicas = 0
	provision(t, m.Provider, zero)
	lists := func(later time.Duration) int {
		before := m.api.asked()
		m.look(later)
		return m.api.asked() - before
	}
	if lists(0) != 1 {
		t.Error("nobody looked whether there is a metrics API")
	}
	if n := lists(10 * time.Second); n != 0 {
		t.Errorf("%d lists for a function without instances", n)
	}
	a, port := pod(t, "pod-a")
	must[*discoveryv1.EndpointSlice](t)(m.client.DiscoveryV1().EndpointSlices("functions").Create(ctx, slice("zero", "zero-1", port, a), metav1.CreateOptions{}))
	for range 2 {
		if r := m.Invoke(ctx, "zero", provider.Invocation{Input: json.RawMessage(`1`)}); !r.OK() {
			t.Fatalf("%+v", r)
		}
		if lists(10*time.Second) != 1 || lists(provider.QuietAfter) != 1 {
			t.Error("it is not measured after a call")
		}
		if n := lists(time.Second); n != 0 {
			t.Errorf("%d lists a minute after the last call", n)
		}
	}
}

// TestMetricsAPIThatHangs holds up nothing: neither the provider's other work
// nor its end.
func TestMetricsAPIThatHangs(t *testing.T) {
	asked := make(chan string, 100)
	var answer sync.Map
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.String()
		if body, ok := answer.Load("body"); ok {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, body)
			return
		}
		<-r.Context().Done()
	}))
	defer s.Close()
	getter, err := metricsv1beta1.NewForConfig(&rest.Config{Host: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	c, log := fake.NewClientset(), &buffer{}
	p := start(t, c, Options{Metrics: getter, SampleInterval: time.Millisecond, CallTimeout: 200 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(log, nil))})
	told := make(chan float64, 100)
	p.ReportTo(func(_ string, _ provider.Metric, v float64) {
		select {
		case told <- v:
		default:
		}
	})
	d := scaledBy("stuck", "1", "", "cpu")
	d.Replicas = 0
	provision(t, p, d)
	const want = "/apis/metrics.k8s.io/v1beta1/namespaces/functions/pods?labelSelector=app.kubernetes.io%2Fmanaged-by%3Dsimplane"
	if got := <-asked; got != want {
		t.Errorf("asked for %s, want %s", got, want)
	}
	a, port := pod(t, "pod-a")
	must[*discoveryv1.EndpointSlice](t)(c.DiscoveryV1().EndpointSlices("functions").Create(ctx, slice("stuck", "stuck-1", port, a), metav1.CreateOptions{}))
	if r := p.Invoke(ctx, "stuck", provider.Invocation{Input: json.RawMessage(`1`)}); !r.OK() {
		t.Errorf("%+v", r)
	}
	eventually(t, "the list is given up", func() bool { s, _ := p.Status("stuck"); return strings.Contains(s.MetricsError, "does not answer") })

	// As metrics-server answers.
	answer.Store("body", fmt.Sprintf(`{"kind":"PodMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{},"items":[{"metadata":{"name":"pod-a",
		"namespace":"functions","labels":{"app.kubernetes.io/managed-by":"simplane"}},"timestamp":%q,"window":"15.023s",
		"containers":[{"name":"function","usage":{"cpu":"246173549n","memory":"5388Ki"}}]}]}`, time.Now().UTC().Format(time.RFC3339)))
	if v := <-told; math.Abs(v-24.6173549) > 1e-9 {
		t.Errorf("told %v", v)
	}
	answer.Delete("body")
	for len(asked) > 0 {
		<-asked
	}
	<-asked // hangs again
	began := time.Now()
	soon, cancel := context.WithTimeout(ctx, hang)
	defer cancel()
	if err := p.Close(soon); err != nil {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}
