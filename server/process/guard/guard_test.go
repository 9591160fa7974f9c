package guard

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// This package has no TestMain: that these tests work at all shows that
// linking it is enough for a binary to become a guard.

func start(t *testing.T) *Guard {
	t.Helper()
	g, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := g.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return g
}

// shell runs a script and returns the process and its standard output's end.
func shell(g *Guard, id, script string, env ...string) (*Process, *os.File, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer w.Close()
	p, err := g.Spawn(context.Background(), id, Command{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Env: env}, null, w, null)
	if err != nil {
		r.Close()
	}
	return p, r, err
}

func TestExitCodesAndOutputBelongToTheirProcess(t *testing.T) {
	g := start(t)
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			id := fmt.Sprintf("job-%d", i)
			p, out, err := shell(g, id, "echo $"+InstanceEnv+" $X; exit "+fmt.Sprint(i), fmt.Sprintf("X=%d", i))
			if err != nil {
				t.Error(err)
				return
			}
			defer out.Close()
			text, _ := io.ReadAll(out)
			<-p.Done()
			status, lost := p.Status()
			if want := fmt.Sprintf("%s %d\n", id, i); string(text) != want || status.ExitStatus() != i || lost {
				t.Errorf("%s: output %q, exit code %d, lost %v", id, text, status.ExitStatus(), lost)
			}
		})
	}
	wg.Wait()
}

func TestSignals(t *testing.T) {
	g := start(t)
	for _, c := range []struct {
		send func(*Process)
		want syscall.Signal
	}{{(*Process).Terminate, syscall.SIGTERM}, {(*Process).Kill, syscall.SIGKILL}} {
		p, out, err := shell(g, c.want.String(), "echo up; exec sleep 1000")
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		_, _ = io.ReadFull(out, make([]byte, 3))
		c.send(p)
		<-p.Done()
		if status, _ := p.Status(); !status.Signaled() || status.Signal() != c.want {
			t.Errorf("status %v, want %v", status, c.want)
		}
		c.send(p) // too late, and harmless
	}
}

func TestFailedSpawnIsReported(t *testing.T) {
	g := start(t)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, cmd := range []Command{
		{Path: "/no/such/file", Args: []string{"x"}},
		{Path: "/bin/sh", Args: []string{"sh"}, Dir: "/no/such/directory"},
		{Path: "/bin/sh", Args: []string{"sh"}, Env: []string{"BIG=" + strings.Repeat("x", 3<<20)}}, // more than the kernel takes
		{Path: "/bin/sh", Args: []string{"sh"}, Env: []string{"BIG=" + strings.Repeat("x", 5<<20)}}, // more than a frame takes
	} {
		if p, err := g.Spawn(context.Background(), "bad", cmd, null, null, null); err == nil {
			t.Errorf("%.60v started as %d", cmd, p.PID)
		}
	}
	p, out, err := shell(g, "good", "exit 5")
	if err != nil {
		t.Fatal(err)
	}
	out.Close()
	<-p.Done()
	if status, _ := p.Status(); status.ExitStatus() != 5 {
		t.Errorf("after the failures: %v", status)
	}
}

func TestCloseKillsWhatRuns(t *testing.T) {
	g := start(t)
	p, out, err := shell(g, "long", "trap '' TERM; echo up; while :; do sleep 1000; done")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	_, _ = io.ReadFull(out, make([]byte, 3))
	if err := g.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if _, lost := p.Status(); !lost || syscall.Kill(p.PID, 0) == nil {
		t.Errorf("lost %v; process %d still exists: %v", lost, p.PID, syscall.Kill(p.PID, 0) == nil)
	}
	if _, _, err := shell(g, "late", "true"); err != ErrGone {
		t.Errorf("spawn after close: %v", err)
	}
}

func TestProcessorTimeIsTold(t *testing.T) {
	g := start(t)
	used := func(script string) time.Duration {
		p, out, err := shell(g, script, script)
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		<-p.Done()
		return p.CPU()
	}
	const burn = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"
	idle := used("true")
	for _, script := range []string{burn, "sh -c '" + burn + "'; true"} {
		if got := used(script); got < 5*idle || got < time.Millisecond {
			t.Errorf("%q used %v, and doing nothing %v", script, got, idle)
		}
	}
}

// A stray may be between two programs when its leader exits, and have no
// environment then.
func TestStrayIsLookedForAgain(t *testing.T) {
	g := start(t)
	file := filepath.Join(t.TempDir(), "pid")
	script := `id=$` + InstanceEnv + `
env -i setsid sh -c 'echo $$ > $1; sleep 0.03; exec env ` + InstanceEnv + `=$2 sleep 1000' - ` + file + ` $id &
while ! test -s ` + file + `; do sleep 0.01; done`
	p, out, err := shell(g, "leader", script)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	<-p.Done()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	for syscall.Kill(pid, 0) == nil { // for ever, if it is not found
		time.Sleep(time.Millisecond)
	}
}

// What the guard has for itself must not show in what it starts: open files, a
// blocked signal, lazy timers. What it sets for the command must.
func TestWhatACommandInherits(t *testing.T) {
	var cores unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &cores); err != nil {
		t.Fatal(err)
	}
	// It may be 0 already, and cannot be raised then without a privilege.
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: 1 << 20, Max: max(1<<20, cores.Max)})
	t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_CORE, &cores) })
	g := start(t)
	p, out, err := shell(g, "heir", `ls /proc/$$/fd | tr '\n' ' '; echo
cat /proc/self/timerslack_ns; ulimit -c; grep -E 'SigBlk|SigIgn' /proc/self/status
while test "$(cat /proc/$$/oom_score_adj)" != 500; do sleep 0.01; done; echo 500`)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	text, _ := io.ReadAll(out) // does not end while the score is wrong
	<-p.Done()
	const none = "0000000000000000"
	want := "0 1 2 \n50000\n0\nSigBlk:\t" + none + "\nSigIgn:\t" + none + "\n500\n"
	if string(text) != want {
		t.Errorf("got:\n%swant:\n%s", text, want)
	}
}
