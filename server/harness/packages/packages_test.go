package packages

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"
)

func TestCompose(t *testing.T) {
	o, err := cli.NewProjectOptions([]string{deploy + "compose.yaml"}, cli.WithEnv([]string{"DOCKER_GID=999"}), cli.WithName("simplane"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := o.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.GetService("simplane")
	if err != nil {
		t.Fatal(err)
	}
	if !s.ReadOnly || s.Privileged || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Equal(s.GroupAdd, []string{"999"}) {
		t.Errorf("%+v", s)
	}
	for _, port := range s.Ports {
		if port.HostIP != "127.0.0.1" || port.Target != 8080 {
			t.Errorf("published: %+v", port)
		}
	}
	without, err := cli.NewProjectOptions([]string{deploy + "compose.yaml"}, cli.WithName("simplane"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := without.LoadProject(context.Background()); err == nil || !strings.Contains(err.Error(), "DOCKER_GID") {
		t.Errorf("without the group: %v", err)
	}
}

func TestPrometheusRules(t *testing.T) {
	raw, err := os.ReadFile(deploy + "prometheus-rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	groups, errs := rulefmt.Parse(raw, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if len(errs) > 0 || len(groups.Groups) == 0 || len(groups.Groups[0].Rules) < 5 {
		t.Fatalf("%v, %v", groups, errs)
	}
}

// render renders the chart; values are YAML. The objects are by their kind.
func render(t *testing.T, values string) (map[string][]map[string]any, error) {
	t.Helper()
	objects, err := Chart("plane", "control", values)
	kinds := map[string][]map[string]any{}
	for _, o := range objects {
		kinds[o["kind"].(string)] = append(kinds[o["kind"].(string)], o)
	}
	return kinds, err
}

// at walks into an object by keys and indices.
func at(t *testing.T, o any, path ...any) any {
	t.Helper()
	for _, p := range path {
		switch k := p.(type) {
		case string:
			o = o.(map[string]any)[k]
		case int:
			o = o.([]any)[k]
		}
	}
	return o
}

func TestChart(t *testing.T) {
	for missing, values := range map[string]string{"tokenSecret": "{}", "cluster.tlsSecret": "tokenSecret: tokens"} {
		if _, err := render(t, values); err == nil || !strings.Contains(err.Error(), missing+": name a Secret") {
			t.Errorf("without %s: %v", missing, err)
		}
	}
	three, err := render(t, "{tokenSecret: tokens, functionNamespace: functions, cluster: {tlsSecret: tls}, serviceMonitor: {enabled: true}, networkPolicy: {managementFrom: [{namespaceSelector: {}}]}, config: {logFormat: json}}")
	if err != nil {
		t.Fatal(err)
	}
	for kind, n := range map[string]int{"StatefulSet": 1, "Service": 2, "ConfigMap": 1, "ServiceAccount": 1, "Role": 1, "RoleBinding": 1, "NetworkPolicy": 1, "ServiceMonitor": 1, "PodDisruptionBudget": 1} {
		if len(three[kind]) != n {
			t.Errorf("%d of %d %s", len(three[kind]), n, kind)
		}
	}
	set := three["StatefulSet"][0]
	if n := at(t, set, "spec", "replicas"); n != float64(3) {
		t.Errorf("%v replicas", n)
	}
	container := at(t, set, "spec", "template", "spec", "containers", 0)
	if c := at(t, container, "securityContext"); at(t, c, "readOnlyRootFilesystem") != true || at(t, c, "allowPrivilegeEscalation") != false {
		t.Errorf("%v", c)
	}
	// A rolling update refuses nobody: a pod counts when it is ready, and serves on while
	// Services hear that it ends.
	pause, all := at(t, container, "lifecycle", "preStop", "sleep", "seconds").(float64), at(t, set, "spec", "template", "spec", "terminationGracePeriodSeconds").(float64)
	if pause < 5 || all < pause+30+10 {
		t.Errorf("preStop %v s, %v s in all", pause, all)
	}
	if path := at(t, container, "readinessProbe", "httpGet", "path"); path != "/actuator/health/readiness" {
		t.Errorf("ready by %v", path)
	}
	var config map[string]any
	if err := yaml.Unmarshal([]byte(at(t, three["ConfigMap"][0], "data", "simplane.yaml").(string)), &config); err != nil {
		t.Fatal(err)
	}
	if config["provider"] != "kubernetes" || config["kubeNamespace"] != "functions" || config["clusterEmbedded"] != true || config["logFormat"] != "json" || strings.Count(config["clusterPeers"].(string), ",") != 2 {
		t.Errorf("%v", config)
	}
	if at(t, three["Role"][0], "metadata", "namespace") != "functions" || at(t, three["RoleBinding"][0], "subjects", 0, "namespace") != "control" {
		t.Errorf("%v %v", three["Role"], three["RoleBinding"])
	}
	raw, err := yaml.Marshal(three["ServiceMonitor"][0])
	if err != nil {
		t.Fatal(err)
	}
	var monitor monitoringv1.ServiceMonitor
	if err := yaml.UnmarshalStrict(raw, &monitor); err != nil || monitor.Spec.Endpoints[0].Interval != "15s" {
		t.Errorf("%v, %+v", err, monitor.Spec)
	}
	peers := three["Service"][slices.IndexFunc(three["Service"], func(s map[string]any) bool { return strings.HasSuffix(at(t, s, "metadata", "name").(string), "-peers") })]
	for name, value := range monitor.Spec.Selector.MatchLabels {
		if at(t, peers, "metadata", "labels", name) != value {
			t.Errorf("the ServiceMonitor selects %s=%s, which the Service does not have", name, value)
		}
	}
	one, err := render(t, "{tokenSecret: tokens, cluster: {enabled: false}, networkPolicy: {enabled: false}}")
	if err != nil {
		t.Fatal(err)
	}
	if n := at(t, one["StatefulSet"][0], "spec", "replicas"); n != float64(1) || len(one["NetworkPolicy"]) != 0 || len(one["PodDisruptionBudget"]) != 0 {
		t.Errorf("%v replicas, %v", n, one)
	}
	if text := at(t, one["ConfigMap"][0], "data", "simplane.yaml").(string); strings.Contains(text, "clusterPeers") || strings.Contains(text, "peerAddr") {
		t.Error("a node by itself has settings of a cluster")
	}
}
