package guard

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
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
// blocked signal, lazy timers. What it sets for the command must. And no signal
// is ignored, although simplane itself may have been started with some ignored:
// nohup and shells without job control do that.
func TestWhatACommandInherits(t *testing.T) {
	t.Run("as usual", whatACommandInherits)
	t.Run("signals ignored", func(t *testing.T) {
		signal.Ignore(syscall.SIGINT, syscall.SIGHUP)
		defer signal.Reset(syscall.SIGINT, syscall.SIGHUP)
		whatACommandInherits(t)
	})
}

func whatACommandInherits(t *testing.T) {
	var cores unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &cores); err != nil {
		t.Fatal(err)
	}
	// It may be 0 already, and cannot be raised then without a privilege.
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: 1 << 20, Max: max(1<<20, cores.Max)})
	t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_CORE, &cores) })
	g := start(t)
	const same = `cat /proc/self/timerslack_ns; grep SigBlk /proc/self/status`
	without, err := exec.Command("/bin/sh", "-c", same).Output()
	if err != nil {
		t.Fatal(err)
	}
	p, out, err := shell(g, "heir", `ls /proc/$$/fd; ulimit -c; grep SigIgn /proc/self/status; `+same)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	text, _ := io.ReadAll(out)
	<-p.Done()
	// Signals 32 and 33 are the C library's own. What starts programs with its
	// posix_spawn, as make does, leaves them ignored.
	text = regexp.MustCompile(`SigIgn:\t0000000[01][08]`).ReplaceAll(text, []byte("SigIgn:\t000000000"))
	want := "0\n1\n2\n0\nSigIgn:\t0000000000000000\n" + string(without)
	if string(text) != want {
		t.Errorf("got:\n%swant:\n%s", text, want)
	}
}

// When memory runs out, all of a function's processes go before the owner, those
// included that it starts at once.
func TestAllProcessesOfACommandAreFirstToGo(t *testing.T) {
	g := start(t)
	p, out, err := shell(g, "family", `sh -c 'sleep 1000 & echo $!; sleep 1000 & echo $!; wait' & echo $!; echo $$; wait`)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	lines := bufio.NewScanner(out)
	for range 4 {
		if !lines.Scan() {
			t.Fatal("the command ended")
		}
		for oomScore(t, lines.Text()) != "500" { // for ever, if it is not set
			time.Sleep(time.Millisecond)
		}
	}
	p.Kill()
	<-p.Done()
}

func oomScore(t *testing.T, pid string) string {
	t.Helper()
	text, err := os.ReadFile("/proc/" + pid + "/oom_score_adj")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// A process that has got the pid of one that is gone is left alone.
func TestSettleKnowsItsOwn(t *testing.T) {
	other := exec.Command("sleep", "1000")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	score := func() string { return oomScore(t, strconv.Itoa(other.Process.Pid)) }
	before := score()
	s := &server{leaders: map[int]string{}, fresh: []int{other.Process.Pid}}
	s.settle()
	if after := score(); after != before || len(s.fresh) != 0 {
		t.Errorf("the score of another process went from %q to %q; %d left", before, after, len(s.fresh))
	}
	s.leaders[other.Process.Pid], s.fresh = "mine", []int{other.Process.Pid}
	s.settle()
	if after := score(); after == before {
		t.Errorf("the score of an own process is still %q: the test shows nothing", after)
	}
}

func TestStuckGuardIsKilledOnClose(t *testing.T) {
	g, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	p, out, err := shell(g, "f", "exec sleep 1000")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := syscall.Kill(g.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	full := make(chan struct{})
	sent := make(chan struct{}, 1)
	go func() {
		defer close(full)
		for g.Alive() { // until the socket is full, and then until the guard is gone
			p.Terminate()
			select {
			case sent <- struct{}{}:
			default:
			}
		}
	}()
	for stuck := false; !stuck; { // nothing more is sent
		select {
		case <-sent:
		case <-time.After(300 * time.Millisecond):
			stuck = true
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := g.Close(ctx); err != context.DeadlineExceeded {
		t.Errorf("closed with %v", err)
	}
	<-full
	<-p.Done()
	if _, lost := p.Status(); !lost {
		t.Error("the process is not said to be lost")
	}
}

// Whatever moment a guard dies at, those who start processes learn that it is
// gone, and that another one is needed.
func TestSpawnsOfADyingGuard(t *testing.T) {
	for range 60 {
		g, err := Start()
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Go(func() {
				for i := 0; ; i++ {
					p, out, err := shell(g, fmt.Sprint(worker, "-", i), "true")
					if err != nil {
						if err != ErrGone || g.Alive() {
							t.Errorf("%v; alive: %v", err, g.Alive())
						}
						return
					}
					out.Close()
					<-p.Done()
				}
			})
		}
		time.Sleep(5 * time.Millisecond)
		_ = syscall.Kill(g.PID(), syscall.SIGKILL)
		wg.Wait()
		<-g.down
	}
}

// The socket may show that the guard is gone before the end of its events does.
func TestSpawnWaitsUntilTheGuardIsKnownToBeGone(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(pair[1])
	g := &Guard{down: make(chan struct{}), requests: socket(pair[0]), starting: map[string]chan started{}}
	defer g.closeRequests()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := g.Spawn(ctx, "a", Command{}, os.Stdin, os.Stdout, os.Stderr); err != context.Canceled {
		t.Errorf("%v; not until the caller gave up", err)
	}
	time.AfterFunc(20*time.Millisecond, func() { close(g.down) })
	if _, err := g.Spawn(context.Background(), "b", Command{}, os.Stdin, os.Stdout, os.Stderr); err != ErrGone || g.Alive() {
		t.Errorf("%v; alive: %v", err, g.Alive())
	}
	if len(g.starting) != 0 {
		t.Errorf("%d starts are still waited for", len(g.starting))
	}
}

// A request whose files cannot be opened fails, and does not leave any for the
// next one.
func TestGuardWithoutFilesLeft(t *testing.T) {
	g := start(t)
	var usual unix.Rlimit
	if err := unix.Prlimit(g.PID(), unix.RLIMIT_NOFILE, nil, &usual); err != nil {
		t.Fatal(err)
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", g.PID()))
	if err != nil {
		t.Fatal(err)
	}
	for spare := range uint64(spawnFDs + 1) {
		limit := usual
		limit.Cur = uint64(len(fds)) + spare
		if err := unix.Prlimit(g.PID(), unix.RLIMIT_NOFILE, &limit, nil); err != nil {
			t.Fatal(err)
		}
		if _, out, err := shell(g, "poor", "echo poor"); err == nil {
			out.Close()
			t.Errorf("with room for %d files a command started", spare)
		}
		if err := unix.Prlimit(g.PID(), unix.RLIMIT_NOFILE, &usual, nil); err != nil {
			t.Fatal(err)
		}
		p, out, err := shell(g, "rich", "echo rich")
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(out)
		out.Close()
		<-p.Done()
		if string(text) != "rich\n" {
			t.Errorf("with room for %d files before, the next command wrote %q", spare, text)
		}
	}
}
