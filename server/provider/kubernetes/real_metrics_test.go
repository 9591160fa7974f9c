package kubernetes

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"simplane/server/provider"
)

const apiServices = "/apis/apiregistration.k8s.io/v1/apiservices"

// metricsServer registers a resource metrics API with the cluster that answers
// with one pod's figures, and returns a function that takes it away.
func (r *real) metricsServer(pod, cpu string) (remove func()) {
	r.t.Helper()
	_, port := serveAt(r.t, true, func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if !strings.HasSuffix(q.URL.Path, "/namespaces/"+r.ns+"/pods") { // discovery
			fmt.Fprint(w, `{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"metrics.k8s.io/v1beta1","resources":[{"name":"pods","namespaced":true,"kind":"PodMetrics","verbs":["get","list"]}]}`)
			return
		}
		if got := q.URL.Query().Get("labelSelector"); got != labelManagedBy+"="+fieldManager {
			r.t.Errorf("labelSelector %q", got)
		}
		fmt.Fprintf(w, `{"kind":"PodMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{},"items":[{"metadata":{"name":%q,"namespace":%q},
			"timestamp":%q,"window":"1s","containers":[{"name":"function","usage":{"cpu":%q,"memory":"10Mi"}}]}]}`,
			pod, r.ns, time.Now().UTC().Format(time.RFC3339), cpu)
	})
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "metrics-server"}, Spec: corev1.ServiceSpec{
		// No kube-proxy runs here: the API server goes to the name itself.
		Type: corev1.ServiceTypeExternalName, ExternalName: hostAddress(r.t),
	}}
	must[*corev1.Service](r.t)(r.admin.CoreV1().Services(r.ns).Create(ctx, service, metav1.CreateOptions{}))
	api := r.admin.CoreV1().RESTClient()
	body := must[[]byte](r.t)(json.Marshal(map[string]any{
		"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": map[string]any{"name": "v1beta1.metrics.k8s.io"},
		"spec": map[string]any{
			"group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100, "insecureSkipTLSVerify": true,
			"service": map[string]any{"namespace": r.ns, "name": service.Name, "port": port},
		},
	}))
	if err := api.Post().AbsPath(apiServices).SetHeader("Content-Type", "application/json").Body(body).Do(ctx).Error(); err != nil {
		r.t.Fatal(err)
	}
	removed := false
	remove = func() {
		if removed {
			return
		}
		removed = true
		if err := api.Delete().AbsPath(apiServices + "/v1beta1.metrics.k8s.io").Do(ctx).Error(); err != nil {
			r.t.Error(err)
		}
	}
	r.t.Cleanup(remove) // the cluster is the other tests' too
	return remove
}

// TestRealMetrics goes from a cluster where simplane may not read metrics, over
// one that has none, to one with a metrics API, and back.
func TestRealMetrics(t *testing.T) {
	r := realCluster(t, "metrics.k8s.io/pods")
	p, _ := r.provider(Options{SampleInterval: 50 * time.Millisecond})
	told := make(chan float64, 1)
	p.ReportTo(func(_ string, _ provider.Metric, v float64) {
		select {
		case told <- v:
		default:
		}
	})
	d := deployment("burns")
	d.CPU, d.ScalingStrategy, d.Metrics = "500m", provider.ScaleInternal, []provider.Metric{{Type: "cpu", Target: "50"}}
	provision(t, p, d)
	host, port := echo(t, "a")
	r.pod("burns", "pod-a", corev1.PodStatus{})
	r.endpoints("burns", "test", host, port, "pod-a")
	eventually(t, "the pod is ready", func() bool { return len(p.Endpoints("burns")) == 1 })
	problem := func() string { s, _ := p.Status("burns"); return s.MetricsError }
	says := func(what string) {
		t.Helper()
		eventually(t, "the status says "+what, func() bool { return strings.Contains(problem(), what) })
		if n := len(told); n > 0 {
			t.Errorf("told %v of it", <-told)
		}
	}
	says("may not list pods.metrics.k8s.io in namespace " + r.ns)
	if got := called(p, "burns"); got != `{"from":"a","input":{"x":1}}` {
		t.Errorf("without metrics: %s", got)
	}
	full := documentedRole(t)
	full.Name = "the-rest"
	r.grant(full)
	says("install metrics-server")
	remove := r.metricsServer("pod-a", "200m")
	eventually(t, "the figure is told", func() bool {
		called(p, "burns") // it goes on working, or it would not be measured
		select {
		case v := <-told:
			if v != 40 {
				t.Errorf("told %v, want 40", v)
			}
			return true
		default:
			return false
		}
	})
	eventually(t, "nothing is wrong", func() bool { return problem() == "" })
	remove()
	eventually(t, "the API is missed", func() bool { return problem() != "" })
}
