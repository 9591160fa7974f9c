package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"simplane/server"
	"simplane/server/provider"
)

// plane is a simplane server with the Kubernetes provider.
type plane struct {
	t    *testing.T
	url  string
	stop func() // returns once it has shut down; may be called again
}

func (r *real) serve(p *Provider) plane { return serve(r.t, p, r.log) }

// serve runs simplane until it is stopped or the test ends.
func serve(t *testing.T, p *Provider, log *slog.Logger, change ...func(*server.Config)) plane {
	t.Helper()
	cfg := server.DefaultConfig()
	cfg.Addr, cfg.MgmtAddr = "127.0.0.1:0", "127.0.0.1:0"
	cfg.Provider, cfg.Made = server.ProviderKubernetes, map[string]provider.Provider{server.ProviderKubernetes: p}
	for _, c := range change {
		c(&cfg)
	}
	s, err := server.New(cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return plane{t, "http://" + s.Addr(), stop}
}

func (p plane) do(method, path, body string) (status int, answer string) {
	p.t.Helper()
	req, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

func (p plane) expect(status int, method, path, body string) string {
	p.t.Helper()
	got, answer := p.do(method, path, body)
	if got != status {
		p.t.Errorf("%s %s: %d %s, want %d", method, path, got, answer, status)
	}
	return answer
}

// invoke returns the status and the output of an invocation.
func (p plane) invoke(function string) (status, output string) {
	p.t.Helper()
	answer := p.expect(http.StatusOK, "POST", "/v1/functions/"+function+":invoke", `{"input":{"x":1}}`)
	var r struct {
		Status string
		Output json.RawMessage
	}
	if err := json.Unmarshal([]byte(answer), &r); err != nil {
		p.t.Errorf("%s: %v", answer, err)
	}
	return r.Status, string(r.Output)
}

// TestRealServer drives simplane's own API, with the API server of the cluster
// going away in between.
func TestRealServer(t *testing.T) {
	r := realCluster(t)
	p, _ := r.provider(Options{})
	s := r.serve(p)
	spec := func(name, more string) string {
		return fmt.Sprintf(`{"name":%q,"image":"registry.local/f:1"%s}`, name, more)
	}
	const internal = `,"scalingConfig":{"strategy":"INTERNAL","minReplicas":1,"maxReplicas":5}`
	s.expect(201, "POST", "/v1/functions", spec("Live.Function", internal))
	s.expect(201, "POST", "/v1/functions", spec("hpa", `,"scalingConfig":{"strategy":"HPA","metrics":[{"type":"cpu","target":70},{"type":"in_flight","target":0.5}]}`))
	s.expect(201, "POST", "/v1/functions", spec("zero", `,"scalingConfig":{"strategy":"NONE","minReplicas":0}`))
	s.expect(201, "POST", "/v1/functions", spec("local", `,"executionMode":"LOCAL"`))
	host, port := echo(t, "pod")
	r.endpoints("Live.Function", "test", host, port, "pod-a")
	const want = `{"from":"pod","input":{"x":1}}`
	if status, output := s.invoke("Live.Function"); status != "success" || output != want {
		t.Errorf("%s: %s", status, output)
	}
	s.expect(200, "PUT", "/v1/functions/Live.Function/replicas", `{"replicas":3}`)
	eventually(t, "three replicas are wanted", func() bool { return r.replicas("Live.Function") == 3 })

	// The caller's faults and the cluster's are told apart.
	for _, body := range []string{
		spec("bad", `,"env":{"naïve":"1"}`), spec("bad", `,"runtimeMode":"STDIO"`), spec("bad", `,"imagePullSecrets":["A B"]`),
		spec("bad", `,"scalingConfig":{"strategy":"HPA","metrics":[{"type":"cpu","target":70.5}]}`),
	} {
		if a := s.expect(400, "POST", "/v1/functions", body); !strings.Contains(a, "VALIDATION_ERROR") {
			t.Errorf("%s: %s", body, a)
		}
	}
	s.expect(400, "PUT", "/v1/functions/hpa/replicas", `{"replicas":3}`)
	s.expect(400, "PUT", "/v1/functions/Live.Function/replicas", `{"replicas":6}`)

	r.without(func() {
		for range 20 {
			if status, output := s.invoke("Live.Function"); status != "success" || output != want {
				t.Errorf("without an API server: %s: %s", status, output)
			}
			if status, _ := s.invoke("local"); status != "success" {
				t.Errorf("LOCAL without an API server: %s", status)
			}
		}
		s.expect(201, "POST", "/v1/functions", spec("another", `,"executionMode":"LOCAL"`))
		if a := s.expect(503, "POST", "/v1/functions", spec("late", "")); !strings.Contains(a, "PROVIDER_ERROR") {
			t.Errorf("registering: %s", a)
		}
		if a := s.expect(503, "PUT", "/v1/functions/zero/replicas", `{"replicas":2}`); !strings.Contains(a, "PROVIDER_ERROR") {
			t.Errorf("scaling: %s", a)
		}
		s.expect(200, "GET", "/actuator/health/readiness", "")
		s.expect(204, "DELETE", "/v1/functions/hpa", "")
	})
	eventually(t, "the deleted function is gone from the cluster", func() bool {
		return r.uid("fn-hpa") == "" && !strings.Contains(strings.Join(r.left(), ","), "fn-hpa")
	})
	s.expect(201, "POST", "/v1/functions", spec("late", ""))
	s.expect(200, "PUT", "/v1/functions/zero/replicas", `{"replicas":2}`)

	// After a restart simplane goes on with the three replicas.
	s.stop()
	q, sent := r.provider(Options{})
	second := r.serve(q)
	second.expect(201, "POST", "/v1/functions", spec("Live.Function", internal))
	if status, output := second.invoke("Live.Function"); status != "success" || output != want {
		t.Errorf("%s: %s", status, output)
	}
	// The autoscaler of the second asks again every two seconds.
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if n := r.replicas("Live.Function"); n != 3 {
			t.Fatalf("%d replicas after the restart, 3 before", n)
		}
	}
	if _, writes := sent.take(); len(writes) != 2 {
		t.Errorf("it wrote %v, want the Deployment and the Service once each", writes)
	}
	for _, name := range []string{"late", "zero"} {
		second.expect(201, "POST", "/v1/functions", spec(name, ""))
	}
	for _, name := range []string{"Live.Function", "late", "zero"} {
		second.expect(204, "DELETE", "/v1/functions/"+name, "")
	}
	if err := r.admin.DiscoveryV1().EndpointSlices(r.ns).Delete(ctx, objectName("Live.Function")+"-test", metav1.DeleteOptions{}); err != nil {
		t.Error(err)
	}
	eventually(t, "nothing is left in the cluster", func() bool { return len(r.left()) == 0 })
}
