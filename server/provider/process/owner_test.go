package process

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"simplane/server/provider"
)

// family is a shell function that writes the pids of itself, a child in its
// process group, and a grandchild in a session of its own, into $DIR.
const family = `echo $$ > $DIR/leader
sleep 1000 & echo $! > $DIR/child
setsid sh -c 'echo $$ > $DIR/grandchild; exec sleep 1000' &
while read line; do echo '{"output":1}'; done; sleep 1000`

// ownFunctions plays a simplane that runs functions until it is killed.
func ownFunctions() {
	p := New(Options{})
	for _, mode := range []provider.RuntimeMode{provider.STDIO, provider.HTTP, provider.FILE} {
		dir := filepath.Join(os.Getenv("DIR"), string(mode))
		if err := p.Provision(context.Background(), provider.Deployment{
			Name: string(mode), RuntimeMode: mode, RuntimeCommand: family, Replicas: 1,
			Env: map[string]string{"DIR": dir},
		}); err != nil {
			panic(err)
		}
	}
	go p.Invoke(context.Background(), "FILE", provider.Invocation{Input: []byte("1")})
	g, err := p.guardProcess()
	if err != nil {
		panic(err)
	}
	writePID(filepath.Join(os.Getenv("DIR"), "guard"), g.PID())
	select {}
}

// startOwner runs a process that owns functions and returns it with the pids
// of everything below it.
func startOwner(t *testing.T) (owner *exec.Cmd, guard int, descendants []int) {
	t.Helper()
	dir := t.TempDir()
	for _, mode := range []string{"STDIO", "HTTP", "FILE"} {
		if err := os.Mkdir(filepath.Join(dir, mode), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	owner = exec.Command(exe)
	owner.Env = append(os.Environ(), "SIMPLANE_TEST_ROLE=owner", "DIR="+dir)
	owner.Stderr = os.Stderr
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = owner.Process.Kill(); _ = owner.Wait() })
	guard = readPID(t, filepath.Join(dir, "guard"))
	for _, mode := range []string{"STDIO", "HTTP", "FILE"} {
		for _, who := range []string{"leader", "child", "grandchild"} {
			descendants = append(descendants, readPID(t, filepath.Join(dir, mode, who)))
		}
	}
	for _, pid := range append(descendants, guard) {
		if !alive(pid) {
			t.Fatalf("process %d is not running before the owner is killed", pid)
		}
	}
	return owner, guard, descendants
}

func TestKillingTheOwnerLeavesNoOrphan(t *testing.T) {
	owner, guard, descendants := startOwner(t)
	if err := owner.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for _, pid := range descendants {
		// Not even a zombie: the guard collects what it kills.
		eventually(t, "a descendant is gone", func() bool { return !exists(pid) })
	}
	eventually(t, "the guard has ended", func() bool { return !alive(guard) })
}

func TestKillingTheGuardLeavesNoGroup(t *testing.T) {
	_, guard, descendants := startOwner(t)
	if err := syscall.Kill(guard, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for i, pid := range descendants {
		if i%3 == 2 {
			// With its adopter gone, a process in a session of its own is out
			// of reach; end it here.
			_ = syscall.Kill(pid, syscall.SIGKILL)
			continue
		}
		eventually(t, "a descendant is dead", func() bool { return !alive(pid) })
	}
}

func TestSignalsToTheTerminalSpareTheGuard(t *testing.T) {
	p := start(t, Options{})
	d := self(t, "stdio")
	d.RuntimeMode = provider.STDIO
	provision(t, p, d)
	pid := invoke(t, p, "stdio", `"do:pid"`)
	if !pid.OK() {
		t.Fatalf("%+v", pid)
	}
	g, err := p.guardProcess()
	if err != nil {
		t.Fatal(err)
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if err := syscall.Kill(g.PID(), sig); err != nil {
			t.Fatal(err)
		}
	}
	// A new instance needs the guard; the old one still being there shows
	// that it did not die in between.
	provision(t, p, provider.Deployment{Name: "other", RuntimeMode: provider.FILE, Replicas: 1,
		RuntimeCommand: `echo 1 > $OUTPUT_FILE`})
	wantOutput(t, invoke(t, p, "other", `0`), `1`)
	wantOutput(t, invoke(t, p, "stdio", `"do:pid"`), string(pid.Output))
}

func TestLossOfTheGuardIsSurvived(t *testing.T) {
	p := start(t, Options{})
	d := self(t, "stdio")
	d.RuntimeMode = provider.STDIO
	provision(t, p, d)
	wantOutput(t, invoke(t, p, "stdio", `1`), `1`)
	g, err := p.guardProcess()
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(g.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the guard is known to be gone", func() bool { return !g.Alive() })
	wantLog(t, p, "stdio", "killed along with the guard")
	wantOutput(t, invoke(t, p, "stdio", `2`), `2`)
}
