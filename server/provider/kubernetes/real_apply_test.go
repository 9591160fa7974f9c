package kubernetes

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"simplane/server/provider"
)

// objects are those of one function, as the API server has them.
type objects struct {
	deployment *appsv1.Deployment
	service    *corev1.Service
	autoscaler *autoscalingv2.HorizontalPodAutoscaler // nil without one
}

func (r *real) objects(function string) objects {
	r.t.Helper()
	name := objectName(function)
	o := objects{
		deployment: must[*appsv1.Deployment](r.t)(r.admin.AppsV1().Deployments(r.ns).Get(ctx, name, metav1.GetOptions{})),
		service:    must[*corev1.Service](r.t)(r.admin.CoreV1().Services(r.ns).Get(ctx, name, metav1.GetOptions{})),
	}
	hpa, err := r.admin.AutoscalingV2().HorizontalPodAutoscalers(r.ns).Get(ctx, name, metav1.GetOptions{})
	switch {
	case err == nil:
		o.autoscaler = hpa
	case !apierrors.IsNotFound(err):
		r.t.Fatal(err)
	}
	return o
}

// versions changes whenever an object is written.
func (o objects) versions() string {
	s := fmt.Sprintf("deployment %s.%d, service %s", o.deployment.UID, o.deployment.Generation, o.service.ResourceVersion)
	if o.autoscaler != nil {
		s += ", autoscaler " + o.autoscaler.ResourceVersion
	}
	return s
}

// kinds are functions of every kind the API accepts.
func kinds() map[string]provider.Deployment {
	long := "L" + strings.Repeat("o", 125) + "g"
	all := map[string]provider.Deployment{}
	add := func(name string, change func(*provider.Deployment)) {
		d := deployment(name)
		d.Image = "registry.local:5000/team/app:1.2-rc.3"
		if change != nil {
			change(&d)
		}
		all[name] = d
	}
	hpa := func(metrics ...provider.Metric) func(*provider.Deployment) {
		return func(d *provider.Deployment) {
			d.ScalingStrategy, d.MinReplicas, d.MaxReplicas, d.Metrics = provider.ScaleHPA, 1, 5, metrics
		}
	}
	// Every strategy with every metric.
	metrics := []provider.Metric{
		{Type: "cpu", Target: "70"}, {Type: "cpu", Target: "250m"}, {Type: "memory", Target: "80"}, {Type: "memory", Target: "200Mi"},
		{Type: "queue_depth", Target: "10"}, {Type: "in_flight", Target: "0.5"}, {Type: "rps", Target: "1e3"}, {Type: "rps", Target: "12.5", Name: "http_requests_per_second"},
		{Type: "prometheus", Target: "100m", Name: "kafka_lag"}, {Type: "prometheus", Target: "3", Name: "pods/sessions"},
	}
	for i, m := range metrics {
		add(fmt.Sprintf("hpa-%d-%s", i, strings.ReplaceAll(m.Type, "_", "-")), hpa(m))
	}
	add("hpa-all", hpa(metrics...))
	add("hpa-default", hpa())
	add("hpa-zero", func(d *provider.Deployment) { hpa()(d); d.MinReplicas, d.MaxReplicas = 0, 0 })
	for _, strategy := range []provider.ScalingStrategy{provider.ScaleInternal, provider.ScaleNone, ""} {
		add("strategy-"+strings.ToLower(string(strategy))+"-x", func(d *provider.Deployment) {
			d.ScalingStrategy, d.Replicas, d.Metrics = strategy, 2, metrics
		})
	}
	add("zero", func(d *provider.Deployment) { d.Replicas = 0 })
	// Names.
	for _, name := range []string{"a", "9", "Upper.Case", "dots.and_underscores", "a--b", strings.Repeat("n", 51), strings.Repeat("n", 63), long} {
		add(name, nil)
	}
	add("Upper.Case-hpa", hpa(provider.Metric{Type: "queue_depth", Target: "1"}))
	add(long[:126]+"h", hpa(provider.Metric{Type: "cpu", Target: "50"}))
	// Quantities, some of which the server writes in another way.
	for i, q := range [][2]string{{"500m", "128Mi"}, {"0.5", "0.5Gi"}, {"1000m", "1024Mi"}, {"2", "1000000000"}, {"0.0001", "1.5Ki"}, {"1.2345", "1G"}, {"", "64M"}, {"3", ""}, {".5", "1"}} {
		add(fmt.Sprintf("size-%d", i), func(d *provider.Deployment) { d.CPU, d.Memory = q[0], q[1] })
	}
	// Everything else.
	add("env", func(d *provider.Deployment) {
		d.Env = map[string]string{"A": "", "PORT": "1", "lower.case-1": "x", "QUOTE": "a\"b'c\n\t$HOME $$ $(PORT)", "UTF8": "häß→"}
	})
	add("largest", func(d *provider.Deployment) { d.Env = map[string]string{"A": strings.Repeat("x", 1<<20-1000)} })
	add("secrets", func(d *provider.Deployment) { d.ImagePullSecrets = []string{"one", "two", "one"} })
	add("argv", func(d *provider.Deployment) { d.Commands = []string{"/bin/f", "", "--x=$(Y)"} })
	add("shell", func(d *provider.Deployment) { d.RuntimeCommand = "exec f $$" })
	add("digest", func(d *provider.Deployment) { d.Image = "host/f@sha256:" + strings.Repeat("ab", 32) })
	return all
}

// TestRealServerTakesEveryFunction: what simplane accepts, the API server's
// validation accepts too, and applying it again writes nothing, be it by the
// same simplane or by one that has been restarted.
func TestRealServerTakesEveryFunction(t *testing.T) {
	r := realCluster(t)
	p, _ := r.provider(Options{})
	again, sent := r.provider(Options{})
	for name, d := range kinds() {
		if err := p.Provision(ctx, d); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		first := r.objects(name)
		if d.ScalingStrategy == provider.ScaleHPA != (first.autoscaler != nil) {
			t.Errorf("%s: strategy %s, autoscaler %v", name, d.ScalingStrategy, first.autoscaler)
		}
		provision(t, p, d)
		provision(t, again, d)
		if now := r.objects(name); now.versions() != first.versions() {
			t.Errorf("%s: applying the same again wrote something: from %s to %s", name, first.versions(), now.versions())
		}
		for _, m := range first.deployment.ManagedFields {
			if m.Manager != fieldManager && m.Subresource == "" {
				t.Errorf("%s: fields are managed by %s", name, m.Manager)
			}
		}
	}
	if _, writes := sent.take(); len(writes) == 0 {
		t.Error("the second simplane asked for nothing: there is nothing shown")
	}
}

// TestRealRefusalsAreTheCallers: what the API server calls invalid is told as
// the caller's fault, field by field, and leaves nothing behind.
func TestRealRefusalsAreTheCallers(t *testing.T) {
	r := realCluster(t)
	p, _ := r.provider(Options{})
	for want, change := range map[string]func(*provider.Deployment){
		"image":               func(d *provider.Deployment) { d.Image = " leading.blank/f" },
		"env[0].name":         func(d *provider.Deployment) { d.Env = map[string]string{"naïve": "1"} },
		"imagePullSecrets[0]": func(d *provider.Deployment) { d.ImagePullSecrets = []string{"Not A Secret"} },
		"metrics[0]: name": func(d *provider.Deployment) {
			d.ScalingStrategy, d.Metrics = provider.ScaleHPA, []provider.Metric{{Type: "prometheus", Name: "a/b", Target: "1"}}
		},
		"metrics[0]: target": func(d *provider.Deployment) {
			d.ScalingStrategy, d.Metrics = provider.ScaleHPA, []provider.Metric{{Type: "cpu", Target: "70.5"}}
		},
		"too large": func(d *provider.Deployment) { d.Env = map[string]string{"A": strings.Repeat("\x01", 1<<20-1000)} },
	} {
		d := deployment("refused")
		change(&d)
		err := p.Provision(ctx, d)
		var invalid *provider.InvalidError
		if !errors.As(err, &invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", want, err)
		}
		if err != nil && len(err.Error()) > 1000 {
			t.Errorf("%s: the error has %d bytes", want, len(err.Error()))
		}
		if _, known := p.Status("refused"); known {
			t.Errorf("%s: the function is kept", want)
		}
	}
	r.nothingLeft()
	provision(t, p, deployment("refused")) // the name is free
}

// TestRealForeignObjectsAreLeftAlone: a Deployment of the name that simplane
// would use, and that somebody else made, is neither changed nor deleted.
func TestRealForeignObjectsAreLeftAlone(t *testing.T) {
	r := realCluster(t)
	p, _ := r.provider(Options{})
	provision(t, p, deployment("mine"))
	foreign := r.objects("mine").deployment
	foreign.ObjectMeta = metav1.ObjectMeta{Name: "fn-theirs"}
	// As alike as can be: nothing but its owner is in the way.
	foreign.Spec.Selector.MatchLabels = map[string]string{labelFunction: "fn-theirs"}
	foreign.Spec.Template.Labels = foreign.Spec.Selector.MatchLabels
	must[*appsv1.Deployment](t)(r.admin.AppsV1().Deployments(r.ns).Create(ctx, foreign, metav1.CreateOptions{}))
	err := p.Provision(ctx, deployment("theirs"))
	var invalid *provider.InvalidError
	if !errors.As(err, &invalid) || !strings.Contains(err.Error(), "fn-theirs that is not this function's") {
		t.Errorf("error %v", err)
	}
	if d := must[*appsv1.Deployment](t)(r.admin.AppsV1().Deployments(r.ns).Get(ctx, "fn-theirs", metav1.GetOptions{})); len(d.Labels) != 0 {
		t.Errorf("it was changed: %v", d)
	}
	// Deleting does not take what was put in the place of ours either.
	if err := r.admin.AppsV1().Deployments(r.ns).Delete(ctx, "fn-mine", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	foreign.Name = "fn-mine"
	eventually(t, "the name is free", func() bool {
		_, err := r.admin.AppsV1().Deployments(r.ns).Create(ctx, foreign, metav1.CreateOptions{})
		return err == nil
	})
	if err := p.Deprovision(ctx, "mine"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"fn-theirs", "fn-mine"} {
		if d, err := r.admin.AppsV1().Deployments(r.ns).Get(ctx, name, metav1.GetOptions{}); err != nil || d.DeletionTimestamp != nil {
			t.Errorf("%s: %v, %v", name, d, err)
		}
	}
}

// TestRealHalfAFunctionIsTakenBack: when the Service is refused, the Deployment
// made a moment before does not stay behind and run.
func TestRealHalfAFunctionIsTakenBack(t *testing.T) {
	r := realCluster(t)
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "no-services"}, Spec: corev1.ResourceQuotaSpec{
		Hard: corev1.ResourceList{"count/services": resource.MustParse("0")},
	}}
	quota = must[*corev1.ResourceQuota](t)(r.admin.CoreV1().ResourceQuotas(r.ns).Create(ctx, quota, metav1.CreateOptions{}))
	quota.Status.Hard, quota.Status.Used = quota.Spec.Hard, corev1.ResourceList{"count/services": resource.MustParse("0")}
	_, err := r.admin.CoreV1().ResourceQuotas(r.ns).UpdateStatus(ctx, quota, metav1.UpdateOptions{})
	if err != nil && !apierrors.IsConflict(err) { // the quota controller was faster
		t.Fatal(err)
	}
	p, _ := r.provider(Options{})
	eventually(t, "the quota holds", func() bool {
		err := p.Provision(ctx, deployment("half"))
		var invalid *provider.InvalidError
		if err == nil {
			err = p.Deprovision(ctx, "half")
		} else if !strings.Contains(err.Error(), "no-services") || errors.As(err, &invalid) {
			t.Errorf("error %v", err)
		}
		return err != nil
	})
	eventually(t, "the Deployment is deleted", func() bool { return len(r.left()) == 0 })
}
