package child

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary doubles as the children it starts.
func TestMain(m *testing.M) {
	switch os.Getenv("CHILD_ROLE") {
	case "":
		os.Exit(m.Run())
	case "server":
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			os.Exit(1)
		}
		fmt.Println("starting up")
		fmt.Printf("ready api=%s mgmt=http://%s/\n", l.Addr(), l.Addr())
		select {}
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("127.0.0.1:1")
		select {}
	case "failing":
		fmt.Fprintln(os.Stderr, "cannot read config x.yaml")
		os.Exit(3)
	case "parent":
		_ = os.Setenv("CHILD_ROLE", "server")
		p, err := Start(context.Background(), "grandchild", 2, os.Args[0])
		if err != nil {
			os.Exit(1)
		}
		fmt.Println("pid", p.Pid())
		select {}
	}
}

func start(t *testing.T, role string, addrs int) (*Process, error) {
	t.Helper()
	t.Setenv("CHILD_ROLE", role)
	p, err := Start(t.Context(), role, addrs, os.Args[0])
	if err == nil {
		t.Cleanup(p.Stop)
	}
	return p, err
}

func TestStartFindsAddressesAndStopReaps(t *testing.T) {
	p, err := start(t, "server", 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Addrs) != 2 || p.Addrs[0] != p.Addrs[1] {
		t.Fatalf("addresses %q", p.Addrs)
	}
	conn, err := net.Dial("tcp", p.Addrs[0])
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	p.Stop()
	p.Stop()
	if err := syscall.Kill(p.Pid(), 0); err != syscall.ESRCH {
		t.Errorf("after Stop the process is still there or a zombie: %v", err)
	}
}

func TestStopKillsAStubbornChild(t *testing.T) {
	p, err := start(t, "stubborn", 1)
	if err != nil {
		t.Fatal(err)
	}
	p.Grace = 50 * time.Millisecond
	p.Stop()
	if err := syscall.Kill(p.Pid(), 0); err != syscall.ESRCH {
		t.Errorf("still there: %v", err)
	}
}

func TestStartQuotesAFailingChild(t *testing.T) {
	if _, err := start(t, "failing", 1); err == nil || !strings.Contains(err.Error(), "cannot read config x.yaml") {
		t.Errorf("error %v hides the child's words", err)
	}
	if _, err := Start(t.Context(), "absent", 1, "/does/not/exist"); err == nil {
		t.Error("a missing program was started")
	}
}

// SIGKILL gives a parent no chance to clean up; its child must go anyway.
func TestChildDiesWithItsParent(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "CHILD_ROLE=parent")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	pid, perr := strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(line), "pid "))
	if err != nil || perr != nil {
		t.Fatalf("parent said %q (%v, %v)", line, err, perr)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for alive(pid) {
		time.Sleep(5 * time.Millisecond) // the test's own deadline ends a failure
	}
}

// alive is false for zombies too: whoever adopts an orphan may be slow to
// reap it.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

func TestCPUOfAProcess(t *testing.T) {
	from, own := cpuOf(os.Getpid()), ownCPU(t)
	for ownCPU(t)-own < 50*time.Millisecond {
	}
	if got := cpuOf(os.Getpid()) - from; got < 40*time.Millisecond {
		t.Errorf("50 ms of work show as %v", got)
	}
	p, err := start(t, "server", 2)
	if err != nil {
		t.Fatal(err)
	}
	if p.CPU() <= 0 {
		t.Error("a process that has started used no CPU time")
	}
	p.Stop()
	if got := p.CPU(); got != 0 {
		t.Errorf("a process that is gone has used %v", got)
	}
}

func ownCPU(t *testing.T) time.Duration {
	t.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
