package proctree

import (
	"bufio"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shell starts a script and waits for its first line. What it started dies at
// the test's end.
func shell(t *testing.T, script string) (pid int, line string) {
	t.Helper()
	cmd := exec.Command("sh", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	line, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid, strings.TrimSpace(line)
}

func usage(t *testing.T, pid int) Usage {
	t.Helper()
	u, ok := Of(pid)
	if !ok {
		t.Fatalf("process %d is not found", pid)
	}
	return u
}

const burn = `i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done`

func TestCPUOfTheWholeTree(t *testing.T) {
	self, _ := shell(t, burn+`; echo; sleep 1000`)
	ended, _ := shell(t, `sh -c '`+burn+`'; echo; sleep 1000`)
	grandchild, _ := shell(t, `sh -c '(`+burn+`; echo; sleep 1000) & wait' & wait`)
	idle, _ := shell(t, `echo; sleep 1000`)
	for what, pid := range map[string]int{"its own": self, "a child's that has ended": ended, "a grandchild's": grandchild} {
		if got, least := usage(t, pid).CPU, usage(t, idle).CPU+3*tick; got < least {
			t.Errorf("%s work shows as %v, want at least %v", what, got, least)
		}
	}
	if got := usage(t, idle).CPU; got > 10*tick {
		t.Errorf("an idle process used %v", got)
	}
}

func TestMemoryOfTheWholeTree(t *testing.T) {
	const python = `python3 -c 'b = bytearray(%MiB << 20); print(flush=True); import time; time.sleep(1000)'`
	hold := func(mib string) string { return strings.Replace(python, "%MiB", mib, 1) }
	one, _ := shell(t, hold("100"))
	two, _ := shell(t, hold("100")+" | ("+"read x; "+hold("100")+")")
	base, _ := shell(t, hold("0"))
	each := usage(t, base).Memory
	for _, c := range []struct {
		pid   int
		n     int64
		which string
	}{{one, 1, "one process"}, {two, 2, "two processes"}} {
		got := usage(t, c.pid).Memory
		if least := c.n * 100 << 20; got < least || got > least+c.n*each+32<<20 {
			t.Errorf("%s of 100 MiB and %d MiB: %d MiB", c.which, each>>20, got>>20)
		}
	}
}

func TestChildren(t *testing.T) {
	pid, line := shell(t, `sleep 1000 & a=$!; sleep 1000 & echo $a $!; wait`)
	var want []int
	for _, f := range strings.Fields(line) {
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, n)
	}
	sort := func(p []int) []int { slices.Sort(p); return p }
	if got := sort(Scan(pid)); !slices.Equal(got, sort(want)) {
		t.Errorf("Scan: %v, want %v", got, want)
	}
	if !Listed() {
		t.Skip("this kernel does not list children")
	}
	if got := sort(Children(pid)); !slices.Equal(got, want) {
		t.Errorf("Children: %v, want %v", got, want)
	}
}

func TestProcessThatIsGone(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if u, ok := Of(cmd.Process.Pid); ok {
		t.Errorf("%+v", u)
	}
	if _, ok := Of(os.Getpid()); !ok {
		t.Error("this process is not found")
	}
}

func BenchmarkOf(b *testing.B) {
	for b.Loop() {
		Of(os.Getpid())
	}
}

func TestExiting(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	if Exiting(pid) {
		t.Error("a process that sleeps is said to be exiting")
	}
	_ = cmd.Process.Kill()
	for !Exiting(pid) { // for ever, if it is not seen
		time.Sleep(time.Millisecond)
	}
	_ = cmd.Wait()
	if !Exiting(pid) {
		t.Error("a process that is gone is not said to be exiting")
	}
}
