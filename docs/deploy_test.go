package docs_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// systemd says what is wrong with the unit.
func TestSystemdUnit(t *testing.T) {
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		fmt.Fprintln(os.Stderr, "\n*** NO systemd-analyze: the unit in docs/deploy is not checked")
		t.Skip(err)
	}
	raw, err := os.ReadFile("deploy/simplane.service")
	if err != nil {
		t.Fatal(err)
	}
	// The program and its user need not be on this machine.
	unit := filepath.Join(t.TempDir(), "simplane.service")
	text := strings.NewReplacer("/usr/local/bin/simplane", "/bin/true", "User=simplane", "User=root", "Group=simplane", "Group=root").Replace(string(raw))
	if err := os.WriteFile(unit, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool, "verify", "--man=no", unit).CombinedOutput()
	if err != nil || strings.Contains(string(out), "simplane.service") {
		t.Errorf("%v\n%s", err, out)
	}
}

// ours are metric names of simplane in a query.
var ours = regexp.MustCompile(`\b(?:function|sync_queue|simplane|execution|idempotency)_[a-z0-9_]+\b`)

// Dashboard and alerts ask for metrics that there are.
func TestQueriesAskForOurMetrics(t *testing.T) {
	var sources strings.Builder
	err := filepath.WalkDir("../server", func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			raw, err := os.ReadFile(path)
			sources.Write(raw)
			return err
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	dashboard, err := os.ReadFile("deploy/grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(dashboard, &d); err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile("deploy/prometheus-rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	queries := map[string]string{"the rules": string(rules)}
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			queries[p.Title] += q.Expr + "\n"
		}
	}
	if len(queries) < 8 {
		t.Errorf("only %d panels", len(queries))
	}
	seen := 0
	for where, text := range queries {
		for _, name := range ours.FindAllString(text, -1) {
			seen++
			base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
			if !strings.Contains(sources.String(), `"`+name+`"`) && !strings.Contains(sources.String(), `"`+base+`"`) {
				t.Errorf("%s: there is no metric %s", where, name)
			}
		}
	}
	if seen < 15 {
		t.Errorf("only %d names were found", seen)
	}
}
