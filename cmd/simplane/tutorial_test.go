package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"simplane/server/harness/node"
)

const tutorialPage = "../../docs/tutorial.md"

// The tutorial's commands do what the page says, one after the other in one shell, with
// real processes.
func TestTutorial(t *testing.T) {
	for _, program := range []string{"bash", "curl", "python3"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("no %s on this machine", program)
		}
	}
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "bin"), 0o700))
	must(t, os.Symlink(os.Args[0], filepath.Join(dir, "bin", "simplane")))
	var steps []step
	for _, b := range blocksOf(t, tutorialPage) {
		if strings.HasPrefix(b.lines[0], "$ ") {
			steps = append(steps, b.steps()...)
		}
	}
	const marker = "=== step "
	script := "set -e\ntrap 'kill -9 $(jobs -p) 2> /dev/null || true' EXIT\n"
	for i, s := range steps {
		script += fmt.Sprintf("echo '%s%d'\n%s\n", marker, i, s.command)
	}
	addr, mgmt := freeAddress(t), freeAddress(t)
	script = strings.NewReplacer("localhost:8080", addr, "localhost:8081", mgmt, "simplane serve", "simplane serve --addr "+addr+" --mgmt-addr "+mgmt).Replace(script)
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), roleVariable+"=simplane", "SIMPLANE_SERVER="+addr, "SIMPLANE_CONTEXTS="+filepath.Join(dir, "contexts.yaml"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "serve.log"))
		t.Fatalf("%v\n%s\nserve.log:\n%s", err, out, log)
	}
	printed := strings.Split(string(out), marker)[1:]
	if len(printed) != len(steps) || len(steps) < 25 {
		t.Fatalf("%d steps, %d were run", len(steps), len(printed))
	}
	for i, s := range steps {
		_, text, _ := strings.Cut(printed[i], "\n")
		if s.prints != "" && !fits(s.prints, text) {
			t.Errorf("%s printed\n%s\nthe page says\n%s", s.command, text, s.prints)
		}
	}
}

// freeAddress is an address of loopback that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	addrs, err := node.FreeAddresses("127.0.0.1", 1)
	must(t, err)
	return addrs[0]
}
