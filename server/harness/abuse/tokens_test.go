package abuse

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"simplane/server/harness/node"
)

// Tokens given as a flag or a variable, and in a header for a collector.
const flagToken, envToken, collectorToken = "S3cretManage", "S3cretInternal", "S3cretCollector"

// withTokens starts a server with tokens in its arguments and its environment.
func withTokens(t *testing.T, o node.Options) *victim {
	t.Helper()
	o.Binary = binary
	o.Args = append(o.Args, "--manage-token", flagToken, "--invoke-token="+flagToken)
	o.Env = append(o.Env, "SIMPLANE_INTERNAL_TOKEN="+envToken, "OTEL_EXPORTER_OTLP_HEADERS=authorization="+collectorToken)
	return startNode(t, o)
}

// Neither the command line nor the environment shows a token, of simplane or
// of any process that it starts; and the tokens are in force.
func TestTokensAreNotInReach(t *testing.T) {
	v := withTokens(t, node.Options{})
	// A function that tells all it sees: its own environment, and simplane's.
	script := filepath.Join(t.TempDir(), "spy.sh")
	spy := fmt.Sprintf(`#!/bin/sh
{ env; for p in %d $PPID $$; do tr '\0' '\n' </proc/$p/environ; tr '\0' '\n' </proc/$p/cmdline; done; } >"$0.out" 2>&1
echo 1 >"$OUTPUT_FILE"
`, v.PID())
	if err := os.WriteFile(script, []byte(spy), 0o700); err != nil {
		t.Fatal(err)
	}
	v.register(fmt.Sprintf(`{"name":"spy","image":"local","runtimeMode":"FILE","commands":[%q]}`, script), "Authorization", "Bearer "+flagToken)
	if a := v.call("POST", v.API+"/v1/functions/spy:invoke", `{"input":1}`, "Authorization", "Bearer "+flagToken); a.Status != 200 || !strings.Contains(string(a.Body), "success") {
		t.Fatalf("the spy: %d %s", a.Status, a.Body)
	}
	if a := v.call("GET", v.Mgmt+"/v1/admin/stats", "", "Authorization", "Bearer "+envToken); a.Status != 200 {
		t.Errorf("the token of the environment: %d %s", a.Status, a.Body)
	}
	files := []string{script + ".out"}
	for _, pid := range append(node.Children(v.PID()), v.PID()) {
		files = append(files, fmt.Sprintf("/proc/%d/cmdline", pid), fmt.Sprintf("/proc/%d/environ", pid))
	}
	if len(files) < 5 {
		t.Errorf("only %v were looked at: the guard process is not among them", files)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrPermission) {
			continue // right, too: this test does not run as root
		}
		if err != nil || len(raw) == 0 {
			t.Errorf("%s: %d bytes, %v", file, len(raw), err)
		}
		for _, token := range []string{flagToken, envToken, collectorToken} {
			if strings.Contains(string(raw), token) {
				t.Errorf("%s shows %s", file, token)
			}
		}
	}
	v.healthy()
}

// A page, or anybody else, gets no token from the profiles either.
func TestProfilesShowNoCommandLine(t *testing.T) {
	v := withTokens(t, node.Options{})
	for _, token := range []string{"", flagToken, envToken} {
		for _, host := range []string{"", "evil.test:8081"} {
			a := v.call("GET", v.Mgmt+"/debug/pprof/cmdline", "", "Authorization", "Bearer "+token, "Host", host)
			if a.Status < 400 || strings.Contains(string(a.Body), flagToken) {
				t.Errorf("cmdline with token %q for %q: %d %.200s", token, host, a.Status, a.Body)
			}
		}
	}
}

// Another process of the same user, as a function is, cannot read simplane's
// memory, environment or files.
func TestProcessesOfTheSameUserCannotReadSimplane(t *testing.T) {
	var o node.Options
	const nobody = 65534
	if os.Geteuid() == 0 {
		o.User = nobody
		if err := os.Chmod(filepath.Dir(binary), 0o711); err != nil { // #nosec G302 -- it holds a program for another user to run
			t.Fatal(err)
		}
	}
	v := withTokens(t, o)
	// It reads what it needs of itself all the same.
	v.register(`{"name":"f","image":"local","runtimeMode":"STDIO","commands":["sh","-c","while read l; do echo '{\"output\":1}'; done"]}`, "Authorization", "Bearer "+flagToken)
	if a := v.call("POST", v.API+"/v1/functions/f:invoke", `{"input":1}`, "Authorization", "Bearer "+flagToken); a.Status != 200 || !strings.Contains(string(a.Body), "success") {
		t.Errorf("a process function: %d %s", a.Status, a.Body)
	}
	guard := node.Children(v.PID())
	if len(guard) != 1 {
		t.Fatalf("children: %v", guard)
	}
	for _, pid := range []int{v.PID(), guard[0]} {
		for _, file := range []string{"environ", "mem", "maps", "fd/0", "io"} {
			cat := exec.Command("cat", fmt.Sprintf("/proc/%d/%s", pid, file))
			if o.User != 0 {
				cat.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: o.User, Gid: o.User}}
			}
			out, err := cat.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "Permission denied") {
				t.Errorf("%s: %v, %.200q", cat, err, out)
			}
		}
	}
	metrics := string(v.call("GET", v.Mgmt+"/actuator/prometheus", "").Body)
	for _, name := range []string{"process_open_fds ", "process_resident_memory_bytes ", "process_cpu_seconds_total "} {
		if !strings.Contains(metrics, "\n"+name) {
			t.Errorf("the metric %s is missing", name)
		}
	}
}

// The command line client hides its token as well.
func TestClientHidesItsToken(t *testing.T) {
	for _, line := range []string{"fn list --token TOKEN --server ADDR", "fn list --token=TOKEN --server ADDR", "bench http --url http://ADDR --header Authorization:TOKEN", "bench http --url http://ADDR -HX-Token:TOKEN"} {
		ln, err := net.Listen("tcp", "127.0.0.1:0") // never answers
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(binary, strings.Fields(strings.NewReplacer("TOKEN", flagToken, "ADDR", ln.Addr().String()).Replace(line))...)
		cmd.Env = append(os.Environ(), "SIMPLANE_TOKEN="+envToken)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		c, err := ln.Accept() // it is at work now
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"cmdline", "environ"} {
			raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", cmd.Process.Pid, name))
			if err != nil || len(raw) == 0 || strings.Contains(string(raw), flagToken) || strings.Contains(string(raw), envToken) {
				t.Errorf("%s: %s shows a token, or nothing: %d bytes, %v", line, name, len(raw), err)
			}
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		c.Close()
		ln.Close()
	}
}
