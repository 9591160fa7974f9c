package live

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func scenarioFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "scenario.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCommand prints both sides and writes the report.
func TestCommand(t *testing.T) {
	out := t.TempDir()
	cmd := exec.Command(simplane(t), "sim", "live", "--json", "--seed", "8", "--runs", "39", "--out", out, scenarioFile(t, overloaded))
	cmd.Env = append(os.Environ(), "SIMPLANE_RATE_MAX_PER_SECOND=1") // the scenario says what holds
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.Bytes())
	}
	var r Result
	if err := json.Unmarshal(stdout, &r); err != nil {
		t.Fatal(err)
	}
	if r.Scenario != "overloaded" || r.Seed != 8 || r.Runs != 39 || len(r.Functions) != 1 {
		t.Fatalf("%s", stdout)
	}
	names := map[string]Row{}
	for _, row := range r.Functions[0].Rows {
		names[row.Figure] = row
	}
	for _, name := range []string{"offered", "accepted", "success", "rejected.queue_full", "goodput", "e2e.p50", "e2e.p99", "e2e.max", "queue_wait.p90"} {
		row, there := names[name]
		if !there || row.Verdict == "" {
			t.Errorf("no row %s: %+v", name, row)
		}
	}
	if o := names["offered"]; o.Verdict != Same || o.Same != o.Real {
		t.Errorf("offered: %+v", o)
	}
	if sum := names["accepted"].Real + names["rejected.queue_full"].Real; sum < 0.9999 || sum > 1.0001 {
		t.Errorf("shares of accepted and refused add up to %v", sum)
	}
	page, err := os.ReadFile(filepath.Join(out, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<svg", "End-to-end latency", "rejected.queue_full", "backends answered late by"} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("no %q in the report", want)
		}
	}
	if kept, err := os.ReadFile(filepath.Join(out, "live.json")); err != nil || !bytes.Equal(kept, stdout) {
		t.Errorf("live.json is not what was printed: %v", err)
	}
}

// TestInterruptEndsTheCommand and the server that it has started, in a moment.
func TestInterruptEndsTheCommand(t *testing.T) {
	cmd := exec.Command(simplane(t), "sim", "live", scenarioFile(t, strings.Replace(overloaded, "duration: 2s", "duration: 5m", 1)))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	var server int
	for deadline := time.Now().Add(time.Minute); server == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no server was started")
		}
		server = childOf(t, cmd.Process.Pid)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(stderr.String(), "interrupted") {
		t.Errorf("exit code %d (%v): %s", code, err, stderr.Bytes())
	}
	if !gone(server) {
		t.Errorf("the server's process %d is left", server)
	}
}

// childOf is a child process; 0 = there is none.
func childOf(t *testing.T, pid int) (child int) {
	t.Helper()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil || len(lists) == 0 {
		t.Skip("no /proc to look at")
	}
	for _, path := range lists {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		if _, err := fmt.Sscan(string(raw), &child); err == nil {
			return child
		}
	}
	return 0
}
