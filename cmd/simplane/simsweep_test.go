package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSweepWrites a page that needs nothing beside itself, and JSON with a figure
// for each setting.
func TestSweepWrites(t *testing.T) {
	page := filepath.Join(t.TempDir(), "sweep.html")
	code, stdout, stderr := simulate(t, "sweep", "--set", "functions.f.concurrency=1,2", "--set", "functions.f.queueSize=1..3", "--slo", "e2e.p99<=1s", "--seeds", "2",
		"--json", "--html", page, writeScenario(t, tinyScenario))
	if code != 0 {
		t.Fatal(code, stderr)
	}
	var r struct {
		Figures []string
		Cells   []struct {
			Values  []string
			Figures []struct{ Mean, Low, High *float64 }
			Kept    bool
		}
		Cheapest *int
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Cells) != 6 || len(r.Cells[0].Figures) != len(r.Figures) || r.Cells[5].Values[1] != "3" || !r.Cells[0].Kept || r.Cheapest == nil || *r.Cheapest != 0 {
		t.Errorf("%s", stdout)
	}
	html, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<svg", "Heat maps", "Curves", "functions.f.concurrency=1", "cheapest"} {
		if !bytes.Contains(html, []byte(want)) {
			t.Errorf("no %q in the page", want)
		}
	}
	compared := filepath.Join(t.TempDir(), "compare.html")
	if code, _, stderr := simulate(t, "compare", "--set", "functions.f.concurrency=1", "--html", compared, writeScenario(t, tinyScenario)); code != 0 {
		t.Fatal(code, stderr)
	}
	if html, err = os.ReadFile(compared); err != nil || !bytes.Contains(html, []byte("slot seconds")) {
		t.Errorf("%v: %s", err, html)
	}
}

// TestSweepPageFirst: where the page cannot be written that is told before any run, and
// as a wrong command line: 1 would say that no setting keeps the SLO. What is there
// stays until there is another page.
func TestSweepPageFirst(t *testing.T) {
	dir := t.TempDir()
	sc := writeScenario(t, tinyScenario)
	for _, args := range [][]string{{"sweep", "--set", "functions.f.concurrency=1"}, {"compare", "--set", "functions.f.concurrency=1"}} {
		code, stdout, stderr := simulate(t, append(args, "--html", filepath.Join(dir, "none", "x.html"), sc)...)
		if code != 2 || stdout != "" || !strings.Contains(stderr, "--html: open") {
			t.Errorf("%v: exit %d, %s%s", args, code, stdout, stderr)
		}
	}
	page := filepath.Join(dir, "x.html")
	wrong := []string{"sweep", "--set", "functions.f.nothing=1", "--html", page, sc}
	if code, _, _ := simulate(t, wrong...); code != 2 {
		t.Errorf("exit %d", code)
	}
	if _, err := os.Stat(page); err == nil {
		t.Error("an empty page is left")
	}
	if err := os.WriteFile(page, []byte("an earlier page"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, _ := simulate(t, wrong...); code != 2 {
		t.Errorf("exit %d", code)
	}
	if got, err := os.ReadFile(page); err != nil || string(got) != "an earlier page" {
		t.Errorf("%q %v", got, err)
	}
}
