package kubernetes

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"simplane/server"
)

// playing is a fake cluster that does what a real one's controllers, kubelet
// and metrics-server do for one function: a ready pod for each replica, all of
// which share the load.
type playing struct {
	t        *testing.T
	client   *fake.Clientset
	api      *metricsAPI
	function string
	host     string
	port     int32

	mu   sync.Mutex
	load int // thousandths of a core
	pods int
}

// play goes on until the test ends.
func (c *playing) play() {
	end, ended := make(chan struct{}), make(chan struct{})
	c.t.Cleanup(func() { close(end); <-ended })
	go func() {
		defer close(ended)
		for {
			select {
			case <-end:
				return
			case <-time.After(2 * time.Millisecond):
				c.step()
			}
		}
	}()
}

func (c *playing) step() {
	d, err := c.client.AppsV1().Deployments("functions").Get(ctx, objectName(c.function), metav1.GetOptions{})
	if err != nil || d.Spec.Replicas == nil {
		return // not yet registered
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := int(*d.Spec.Replicas); n != c.pods {
		c.pods = n
		c.run(n)
	}
	for i := range c.pods {
		used := v1beta1.ContainerMetrics{Name: containerName, Usage: corev1.ResourceList{
			corev1.ResourceCPU:    *resource.NewMilliQuantity(int64(c.load/c.pods), resource.DecimalSI),
			corev1.ResourceMemory: resource.MustParse("1Mi"),
		}}
		c.api.uses(fmt.Sprintf("pod-%d", i), time.Now(), 0, used)
	}
}

// run makes n pods the ready ones.
func (c *playing) run(n int) {
	yes := true
	var all []discoveryv1.Endpoint
	for i := range n {
		all = append(all, discoveryv1.Endpoint{
			Addresses: []string{c.host}, Conditions: discoveryv1.EndpointConditions{Ready: &yes},
			TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: fmt.Sprintf("pod-%d", i)},
		})
	}
	s, api := slice(c.function, c.function+"-1", c.port, all...), c.client.DiscoveryV1().EndpointSlices("functions")
	_, err := api.Update(ctx, s, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		_, err = api.Create(ctx, s, metav1.CreateOptions{})
	}
	if err != nil {
		c.t.Error(err)
	}
}

func (c *playing) set(load int) { c.mu.Lock(); c.load = load; c.mu.Unlock() }
func (c *playing) has() int     { c.mu.Lock(); defer c.mu.Unlock(); return c.pods }

// TestScaledByCPU takes a function up and down by what its pods use, from the
// metrics API through simplane's autoscaler to the Deployment. While the
// figures are missing it stays as it is, and the user can see why.
func TestScaledByCPU(t *testing.T) {
	api, getter := newMetricsAPI()
	c := fake.NewClientset()
	log := slog.New(slog.NewTextHandler(io.MultiWriter(&buffer{}, t.Output()), nil))
	p := start(t, c, Options{Metrics: getter, SampleInterval: 20 * time.Millisecond, Logger: log})
	s := serve(t, p, log, func(cfg *server.Config) {
		cfg.Core.RateMaxPerSecond = 0
		cfg.Core.AutoscaleInterval = 20 * time.Millisecond
		cfg.Core.ScaleUpCooldown, cfg.Core.ScaleDownCooldown = 50*time.Millisecond, 50*time.Millisecond
		cfg.Core.ScaleDownWindow, cfg.Core.ScaleToZeroGrace = 300*time.Millisecond, time.Hour
	})
	const name = "burns"
	endpoint, port := pod(t, "any")
	cluster := &playing{t: t, client: c, api: api, function: name, host: endpoint.Addresses[0], port: port, load: 2000}
	s.expect(201, "POST", "/v1/functions", `{"name":"burns","image":"registry.local/f:1","concurrency":8,"resources":{"cpu":"1"},
		"scalingConfig":{"strategy":"INTERNAL","minReplicas":1,"maxReplicas":6,"metrics":[{"type":"cpu","target":50}]}}`)
	cluster.play()

	// Its work goes on throughout: an idle function's figures do not count.
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if status, answer := s.do("POST", "/v1/functions/burns:invoke", `{"input":1}`); status != http.StatusOK {
				t.Errorf("%d %s", status, answer)
				return
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-stopped })

	stays := func(n int) {
		t.Helper()
		for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			if got := cluster.has(); got != n {
				t.Fatalf("%d pods, want %d as before", got, n)
			}
		}
	}
	metricsError := func() string {
		_, after, _ := strings.Cut(s.expect(200, "GET", "/v1/functions/burns/stats", ""), `"metricsError":`)
		return after
	}
	eventually(t, "two cores' work at 50 % has four pods", func() bool { return cluster.has() == 4 })
	stays(4)

	for _, missing := range []error{errNone, errForbidden} {
		api.fail(missing)
		cluster.set(100)
		eventually(t, "the user is told", func() bool { return metricsError() != "" })
		stays(4)
	}
	cluster.set(1300)
	api.fail(nil)
	eventually(t, "1.3 cores' work has three pods", func() bool { return cluster.has() == 3 })
	if why := metricsError(); why != "" {
		t.Errorf("metricsError %s", why)
	}
	cluster.set(5000)
	eventually(t, "five cores' work has as many as it may", func() bool { return cluster.has() == 6 })
	cluster.set(100)
	eventually(t, "next to no work has one pod", func() bool { return cluster.has() == 1 })
}
