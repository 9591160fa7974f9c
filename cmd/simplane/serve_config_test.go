package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestServeCheckChecksAndOpensNothing(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		write(t, path, text)
		return path
	}
	good := file("good.yaml", "ttl: 10m\ndataDir: "+filepath.Join(dir, "data", "below")+"\n")
	running := serve(t) // its addresses are taken, and that is no mistake
	addr := strings.TrimPrefix(running.api, "http://")
	runsAs := func(args ...string) (int, string, string) {
		cmd := exec.Command(os.Args[0], append([]string{"serve", "--check"}, args...)...)
		cmd.Env = append(os.Environ(), roleVariable+"=simplane")
		var out, errs syncBuffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		_ = cmd.Run()
		return cmd.ProcessState.ExitCode(), out.String(), errs.String()
	}
	if code, out, errs := runsAs("--config", good, "--addr", addr); code != 0 || out != "the configuration is valid\n" {
		t.Errorf("exit %d: %s %s", code, out, errs)
	}
	if _, err := os.Stat(filepath.Join(dir, "data")); !os.IsNotExist(err) {
		t.Errorf("the data directory was made: %v", err)
	}
	for _, c := range []struct {
		says string
		args []string
	}{
		{"300 has no unit: write 300s", []string{"--config", file("unit.yaml", "ttl: 300\n")}},
		{`unknown key "tl"; did you mean "ttl"?`, []string{"--config", file("key.yaml", "tl: 300s\n")}},
		{"no such file", []string{"--tls-cert", filepath.Join(dir, "none"), "--tls-key", filepath.Join(dir, "none")}},
		{"without a token", []string{"--addr", ":8080"}},
		{"a directory", []string{"--data-dir", filepath.Join(good, "x")}},
		{"addr", []string{"--addr", "127.0.0.1:99999"}},
		{"clusterName: ", []string{"--cluster", "nats://n1:4222", "--cluster-name", "a b"}},
		{"--endpoint-allow", []string{"--endpoint-allow", "nowhere"}},
	} {
		if code, _, errs := runsAs(c.args...); code != 2 || !strings.Contains(errs, c.says) {
			t.Errorf("%v: exit %d, want 2 and %q: %s", c.args, code, c.says, errs)
		}
	}
}

func TestMisspeltVariablesAreErrors(t *testing.T) {
	for name, says := range map[string]string{
		"SIMPLANE_TTLL":            `did you mean "SIMPLANE_TTL"?`,
		"SIMPLANE_RATE_PER_SECOND": "no such setting",
		"SIMPLANE_SEVER":           `did you mean "SIMPLANE_SERVER"?`,
	} {
		t.Setenv(name, "7s")
		runCLI(t, "", "config", "effective").fails(2, "environment variable "+name, says)
		must(t, os.Unsetenv(name))
	}
	// What Kubernetes adds for services of that name, and what others read.
	for _, name := range []string{
		"SIMPLANE_SERVICE_HOST", "SIMPLANE_SERVICE_PORT", "SIMPLANE_SERVICE_PORT_HTTP", "SIMPLANE_PORT", "SIMPLANE_PORT_8080_TCP", "SIMPLANE_PORT_8080_TCP_ADDR",
		"SIMPLANE_MGMT_PORT_8081_TCP_PROTO", "SIMPLANE_MGMT_SERVICE_HOST", "SIMPLANE_SERVER", "SIMPLANE_CONTEXT",
	} {
		t.Setenv(name, "x")
	}
	runCLI(t, "", "config", "effective").ok()
}

func TestConfigEffectiveSaysWhereValuesComeFrom(t *testing.T) {
	t.Setenv("SIMPLANE_SHARDS", "7")
	secret := filepath.Join(t.TempDir(), "token")
	write(t, secret, "hush-hush\n")
	must(t, os.Chmod(secret, 0o600))
	file := filepath.Join(t.TempDir(), "c.yaml")
	write(t, file, "shards: 9\nttl: 7m\nmanageToken: sesame\n")
	r := runCLI(t, "", "config", "effective", "--config", file, "--max-functions", "3", "--internal-token-file", secret, "--tls-cert", "x.crt", "-o", "json")
	r.ok()
	if strings.Contains(r.out, "sesame") || strings.Contains(r.out, "hush") {
		t.Errorf("a secret was printed: %s", r.out)
	}
	var all []struct{ Key, Value, Source string }
	must(t, json.Unmarshal([]byte(r.out), &all))
	got := map[string][2]string{}
	for _, e := range all {
		got[e.Key] = [2]string{e.Value, e.Source}
	}
	for key, want := range map[string][2]string{
		"shards": {"7", "environment variable SIMPLANE_SHARDS"}, "ttl": {"7m0s", file + ":2"}, "manageToken": {"(hidden)", file + ":3"},
		"internalToken": {"(hidden)", secret}, "maxFunctions": {"3", "--max-functions"}, "cleanupTtl": {"2m0s", "default"}, "tlsCert": {"x.crt", "--tls-cert"},
	} {
		if got[key] != want {
			t.Errorf("%s: %v, want %v", key, got[key], want)
		}
	}
	if _, has := got["changed"]; has {
		t.Error("flags of the command are listed")
	}
	if out := runCLI(t, "", "config", "effective", "--changed").ok().out; strings.Count(out, "\n") != 2 || !strings.Contains(out, "shards") {
		t.Errorf("--changed: %s", out)
	}
}

// The log has JSON only, errors at the end included; and the start says what a
// person wants to know.
func TestJSONLogsAreJSONThroughout(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := serve(t, "--log-format", "json", "--data-dir", dir)
	s.signal(syscall.SIGTERM)
	s.exit()
	logs := s.stderr.String()
	for _, want := range []string{`"msg":"simplane is ready"`, `"version":"` + version, `"page":"` + s.mgmt + `/ui"`, `"data-dir":"` + dir, `"provider":"process"`, `"addr":"`} {
		if !strings.Contains(logs, want) {
			t.Errorf("the log has no %s: %s", want, logs)
		}
	}
	for _, args := range [][]string{{"--ttl=0s"}, {"--addr=127.0.0.1:99999"}} {
		cmd := exec.Command(os.Args[0], append([]string{"serve", "--log-format=json"}, args...)...)
		cmd.Env = append(os.Environ(), roleVariable+"=simplane")
		var errs syncBuffer
		cmd.Stderr = &errs
		if err := cmd.Run(); err == nil {
			t.Errorf("%v: it ran", args)
		}
		if !strings.Contains(errs.String(), `"level":"ERROR"`) {
			t.Errorf("%v: no error: %s", args, errs.String())
		}
		logs += errs.String()
	}
	for line := range strings.Lines(logs) {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %s", line)
		}
	}
}

func TestSIGHUPSaysWhatNeedsARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	write(t, file, "rateMaxPerSecond: 5\nmaxFunctions: 10\n")
	s := serve(t, "--config", file, "--ttl", "5m")
	write(t, file, "rateMaxPerSecond: 6\nmaxFunctions: 11\nttl: 9m\nlogLevel: debug\n")
	s.signal(syscall.SIGHUP)
	s.eventually("what needs a restart", func() bool {
		return strings.Contains(s.stderr.String(), `a restart puts in force" settings="logLevel, maxFunctions"`)
	})
}
