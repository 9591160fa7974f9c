package server

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

var updateReference = flag.Bool("update", false, "write docs/metrics.md anew")

const metricsPage = "../docs/metrics.md"

var described = regexp.MustCompile(`^Desc\{fqName: "([^"]+)", help: "((?:[^"\\]|\\.)*)", unit: "[^"]*", constLabels: \{[^}]*\}, variableLabels: \{([^}]*)\}\}$`)

// docs/metrics.md lists the metrics that a server with everything switched on has,
// and one of a cluster: the page is made from them.
func TestMetricsReference(t *testing.T) {
	f := start(t, func(c *Config) {
		c.DataDir, c.OTLPEndpoint = t.TempDir(), "http://127.0.0.1:1"
		c.Provider = ProviderProcess
	})
	c := startCluster(t, 1)
	defer c.stop(0)
	kinds := map[string]string{}
	descs := make(chan *prometheus.Desc, 1024)
	for _, s := range []*Server{f.s, c.nodes[0].s} {
		families, err := s.metrics.Registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range families {
			kinds[m.GetName()] = strings.ToLower(m.GetType().String())
		}
		s.metrics.Registry.Describe(descs)
		s.metrics.Describe(descs)
	}
	close(descs)
	var rows []string
	for d := range descs {
		m := described.FindStringSubmatch(d.String())
		if m == nil {
			t.Errorf("not understood: %s", d)
			continue
		}
		name, help, labels := m[1], m[2], m[3]
		if strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") {
			continue // the runtime's
		}
		if help == "" {
			t.Errorf("%s has no help text", name)
		}
		kind := kinds[name]
		if kind == "" {
			kind = kindByName(name)
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s |", name, kind, labels, help))
	}
	slices.Sort(rows)
	rows = slices.Compact(rows)
	page := `# Metrics

All metrics of ` + "`/actuator/prometheus`" + ` but those of the Go runtime (` + "`go_…`" + `) and of the process
(` + "`process_…`" + `). A series that would say that something never happened is left out, but for
the zeros that alerts compare with. What to alert on:
[operations.md](operations.md#what-to-alert-on). This page is made from the program:
` + "`go test ./server -run MetricsReference -update`" + `.

| name | type | labels | meaning |
|---|---|---|---|
` + strings.Join(rows, "\n") + "\n"
	if *updateReference {
		if err := os.WriteFile(metricsPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got, err := os.ReadFile(metricsPage); err != nil || string(got) != page {
		t.Errorf("docs/metrics.md is not what the program has (%v); write it anew: go test ./server -run MetricsReference -update", err)
	}
}

// kindByName is the type of a metric that has no series yet.
func kindByName(name string) string {
	switch {
	case strings.HasSuffix(name, "_total"):
		return "counter"
	case strings.HasSuffix(name, "_ms"), strings.HasSuffix(name, "_seconds"):
		return "histogram"
	}
	return "gauge"
}
