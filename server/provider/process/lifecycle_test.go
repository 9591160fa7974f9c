package process

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"simplane/server/provider"
)

func TestStartFailures(t *testing.T) {
	p := start(t, Options{})
	for _, mode := range []provider.RuntimeMode{provider.HTTP, provider.STDIO, provider.FILE} {
		missing := "missing-" + string(mode)
		provision(t, p, provider.Deployment{Name: missing, RuntimeMode: mode, Commands: []string{"no-such-program-here"}, Replicas: 1})
		wantCode(t, invoke(t, p, missing, `1`), provider.CodeStartFailed, "no-such-program-here", "not found")
		wantLog(t, p, missing, provider.CodeStartFailed)

		shell := "shell-" + string(mode)
		provision(t, p, provider.Deployment{Name: shell, RuntimeMode: mode, RuntimeCommand: "no-such-program-here"})
		wantCode(t, invoke(t, p, shell, `1`), provider.CodeStartFailed, "code 127", "no-such-program-here")

		if mode == provider.FILE {
			continue // has no life before its invocation
		}
		exits := "exits-" + string(mode)
		provision(t, p, provider.Deployment{Name: exits, RuntimeMode: mode, RuntimeCommand: "echo the config is wrong >&2; exit 3"})
		wantCode(t, invoke(t, p, exits, `1`), provider.CodeStartFailed, "exited with code 3 before it was ready; stderr", "the config is wrong")
		wantLog(t, p, exits, "the config is wrong")

		once := "once-" + string(mode)
		provision(t, p, provider.Deployment{Name: once, RuntimeMode: mode, RuntimeCommand: "echo 1"})
		wantCode(t, invoke(t, p, once, `1`), provider.CodeStartFailed, "exited with code 0 before it was ready", "runtimeMode EXEC")
	}
}

func TestFailingStartIsRetriedWithBackoff(t *testing.T) {
	p := start(t, Options{BackoffBase: 20 * time.Millisecond})
	flag := filepath.Join(t.TempDir(), "mended")
	d := self(t, "stdio")
	d.RuntimeMode = provider.STDIO
	d.RuntimeCommand = "test -e " + flag + " || exit 3; exec " + d.Commands[0]
	d.Commands = nil
	provision(t, p, d)
	eventually(t, "three starts have failed", func() bool {
		s, _ := p.Status("stdio")
		return s.Restarts >= 3 && strings.Contains(s.LastError, provider.CodeStartFailed)
	})
	writePID(flag, 1)
	eventually(t, "the function works", func() bool { return invoke(t, p, "stdio", `1`).OK() })
	if s, _ := p.Status("stdio"); s.LastError != "" {
		t.Errorf("the last error is still %q", s.LastError)
	}
}

func TestScale(t *testing.T) {
	p := start(t, Options{MaxReplicas: 4})
	d := self(t, "http")
	provision(t, p, d)
	ready := func(n int) {
		t.Helper()
		if err := p.SetReplicas(context.Background(), "http", n); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the instances follow", func() bool {
			s, _ := p.Status("http")
			return s.Ready == n && s.Starting == 0 && len(p.Endpoints("http")) == n
		})
	}
	ready(3)
	ready(1)
	ready(0)
	if r := invoke(t, p, "http", `1`); !r.OK() || !r.ColdStart {
		t.Errorf("from zero: %+v, want a cold start", r)
	}
	for _, n := range []int{-1, 5} {
		if err := p.SetReplicas(context.Background(), "http", n); err == nil {
			t.Errorf("%d replicas were accepted", n)
		}
	}
	if err := p.SetReplicas(context.Background(), "nobody", 1); !errors.Is(err, provider.ErrNotFound) {
		t.Errorf("unknown function: %v", err)
	}
}

func TestScalingDownLetsInvocationsFinish(t *testing.T) {
	p := start(t, Options{DrainTimeout: hang})
	gate := filepath.Join(t.TempDir(), "gate")
	d := self(t, "http")
	d.Env["GATE"] = gate
	provision(t, p, d)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if r := invoke(t, p, "http", `"do:gate"`); !r.OK() {
				t.Errorf("%+v", r)
			}
		})
	}
	eventually(t, "work is running", func() bool { s, _ := p.Status("http"); return s.InFlight == 8 })
	if err := p.SetReplicas(context.Background(), "http", 0); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the instance takes no more work", func() bool { return len(p.Endpoints("http")) == 0 })
	writePID(gate, 1)
	wg.Wait()
}

func TestStopByForceWhenSIGTERMIsIgnored(t *testing.T) {
	p := start(t, Options{StopGrace: 50 * time.Millisecond})
	d := self(t, "deaf")
	d.RuntimeMode = provider.STDIO
	provision(t, p, d)
	r := invoke(t, p, "deaf", `"do:pid"`) // it ignores SIGTERM by now
	if !r.OK() {
		t.Fatalf("%+v", r)
	}
	f := p.Function("deaf")
	if err := p.Deprovision(context.Background(), "deaf"); err != nil {
		t.Fatal(err)
	}
	if !logged(f, "did not stop on SIGTERM in 50ms; killed") {
		t.Errorf("logs: %v", f.Logs.Tail(0))
	}
}

func logged(f *function, text string) bool {
	return slices.ContainsFunc(f.Logs.Tail(0), func(l provider.LogLine) bool { return l.Text == text })
}

func TestSIGTERMGivesTimeToFinish(t *testing.T) {
	p := start(t, Options{StopGrace: hang})
	provision(t, p, provider.Deployment{Name: "polite", RuntimeMode: provider.STDIO, Replicas: 1,
		RuntimeCommand: `trap 'echo bye >&2; exit 0' TERM; read line; echo '{"output":1}'; while :; do sleep 0.01; done`})
	invoke(t, p, "polite", `1`)

	f := p.Function("polite")
	if err := p.Deprovision(context.Background(), "polite"); err != nil {
		t.Fatal(err)
	}
	if !logged(f, "bye") {
		t.Errorf("logs: %v", f.Logs.Tail(0))
	}
}

func TestGrandchildrenGoWithTheirFunction(t *testing.T) {
	p := start(t, Options{})
	for _, how := range []string{"deprovisioned", "crashed"} {
		dir := t.TempDir()
		command := family
		if how == "crashed" {
			command = strings.Replace(family, "; sleep 1000", "; exit 9", 1)
			command = strings.Replace(command, "do echo", "do exit 9; echo", 1)
		}
		provision(t, p, provider.Deployment{Name: how, RuntimeMode: provider.STDIO, RuntimeCommand: command,
			Replicas: 1, Env: map[string]string{"DIR": dir}})
		pids := []int{readPID(t, filepath.Join(dir, "leader")), readPID(t, filepath.Join(dir, "child")), readPID(t, filepath.Join(dir, "grandchild"))}
		if how == "crashed" {
			wantCode(t, invoke(t, p, how, `1`), provider.CodeCrashed, "code 9")
		} else if err := p.Deprovision(context.Background(), how); err != nil {
			t.Fatal(err)
		}
		for _, pid := range pids {
			eventually(t, "a process of the function is gone", func() bool { return !exists(pid) })
		}
	}
}

func TestDeprovisionEndsWaitingWork(t *testing.T) {
	p := start(t, Options{StopGrace: 20 * time.Millisecond})
	provision(t, p, provider.Deployment{Name: "never", RuntimeCommand: "exec sleep 1000"}) // never ready
	results := make(chan provider.Result, 3)
	for range cap(results) {
		p.Go("never", provider.Invocation{Input: []byte(`1`), Deadline: time.Now().Add(hang)}, func(r provider.Result) { results <- r })
	}
	if err := p.Deprovision(context.Background(), "never"); err != nil {
		t.Fatal(err)
	}
	for range cap(results) {
		wantCode(t, <-results, provider.CodeDeleted)
	}
	wantCode(t, invoke(t, p, "never", `1`), provider.CodeNotFound)
	if err := p.Deprovision(context.Background(), "never"); !errors.Is(err, provider.ErrNotFound) {
		t.Errorf("second deprovision: %v", err)
	}
	if _, err := p.Logs("never", 1); !errors.Is(err, provider.ErrNotFound) {
		t.Errorf("logs of a deleted function: %v", err)
	}
}

func TestProvisionIsIdempotent(t *testing.T) {
	p := start(t, Options{})
	d := self(t, "stdio")
	d.RuntimeMode = provider.STDIO
	provision(t, p, d)
	first := invoke(t, p, "stdio", `"do:pid"`)
	provision(t, p, d)
	wantOutput(t, invoke(t, p, "stdio", `"do:pid"`), string(first.Output))
}

func TestWatchReportsReadiness(t *testing.T) {
	p := start(t, Options{})
	seen := make(chan provider.Status, 1000)
	stop := p.Watch(func(s provider.Status) { seen <- s })
	defer stop()
	until := func(ok func(provider.Status) bool) {
		t.Helper()
		limit := time.After(hang)
		for {
			select {
			case s := <-seen:
				if ok(s) {
					return
				}
			case <-limit:
				t.Fatal("the status never came")
			}
		}
	}
	provision(t, p, self(t, "http"))
	until(func(s provider.Status) bool { return s.Function == "http" && s.Ready == 1 })
	if err := p.Deprovision(context.Background(), "http"); err != nil {
		t.Fatal(err)
	}
	until(func(s provider.Status) bool { return s.Function == "http" && s.Deleted })
}

func TestCloseEndsEverything(t *testing.T) {
	p := New(Options{})
	d := self(t, "stdio")
	d.RuntimeMode = provider.STDIO
	provision(t, p, d)
	invoke(t, p, "stdio", `1`)
	g, err := p.guardProcess()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if exists(g.PID()) {
		t.Error("the guard is still there")
	}
	wantCode(t, invoke(t, p, "stdio", `1`), provider.CodeNotFound)
	if err := p.Provision(context.Background(), d); !errors.Is(err, provider.ErrClosed) {
		t.Errorf("provision after close: %v", err)
	}
}

func TestMemoryLimitStopsAllocation(t *testing.T) {
	p := start(t, Options{})
	d := provider.Deployment{Name: "greedy", RuntimeMode: provider.FILE, Replicas: 1, Memory: "32Mi",
		Commands: []string{"python3", "-c", "import os\nb = bytearray(500 << 20)\nopen(os.environ['OUTPUT_FILE'], 'w').write(str(len(b)))"}}
	provision(t, p, d)
	wantCode(t, invoke(t, p, "greedy", `1`), provider.CodeFailed, "MemoryError")
	d.Name, d.Memory = "modest", "1Gi"
	provision(t, p, d)
	wantOutput(t, invoke(t, p, "modest", `1`), `524288000`)
}

func TestSecretsOfSimplaneStayBehind(t *testing.T) {
	t.Setenv("SIMPLANE_ADMIN_TOKEN", "hush")
	p := start(t, Options{})
	provision(t, p, provider.Deployment{Name: "env", RuntimeMode: provider.FILE, Replicas: 1,
		Env:            map[string]string{"MINE": "x y"},
		RuntimeCommand: `printf '"%s|%s"' "$SIMPLANE_ADMIN_TOKEN" "$MINE" > $OUTPUT_FILE`})
	wantOutput(t, invoke(t, p, "env", `1`), `"|x y"`)
}

func TestInvalidDeploymentsAreRefused(t *testing.T) {
	p := start(t, Options{})
	err := p.Provision(context.Background(), provider.Deployment{Name: "a/b", RuntimeMode: "FTP", CPU: "lots", Memory: "-1", Replicas: 1000})
	for _, part := range []string{"a/b", "FTP", "lots", "resources.memory", "commands", "1000"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v does not mention %s", err, part)
		}
	}
}
