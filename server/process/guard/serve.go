package guard

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"simplane/server/process/proctree"
)

// server is the guard process. Everything runs on one locked thread, except
// for the goroutine that reads requests.
type server struct {
	conn    *net.UnixConn
	self    int
	listed  bool           // the kernel lists children
	leaders map[int]string // pid to instance id
	pids    map[string]int // and back
	again   *time.Timer    // of the next look for strays
	pause   time.Duration  // before it
}

type incoming struct {
	req request
	fds []int
}

// run is the guard's main; it returns the exit code.
func run() int {
	debug.SetGCPercent(50) // a small heap matters more here than speed
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, "simplane guard: cannot adopt orphans:", err)
		return 1
	}
	file := os.NewFile(socketFD, "owner")
	c, err := net.FileConn(file)
	if err != nil {
		fmt.Fprintln(os.Stderr, "simplane guard: no socket:", err)
		return 1
	}
	file.Close()

	// Signals meant for the whole terminal or service reach the guard too. The
	// owner decides what they mean for its functions. (Not ignored: that would
	// be inherited by the commands.)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	died := make(chan os.Signal, 1)
	signal.Notify(died, syscall.SIGCHLD)

	s := &server{conn: c.(*net.UnixConn), self: os.Getpid(), listed: proctree.Listed(), leaders: map[int]string{}, pids: map[string]int{}, again: time.NewTimer(lastLook)}
	s.again.Stop()
	requests := make(chan incoming)
	go s.read(requests)
	s.tell(event{Event: evReady, PID: s.self})
	for {
		select {
		case in, ok := <-requests:
			if !ok {
				s.killEverything()
				return 0
			}
			s.handle(in)
		case <-died:
			s.reap()
		case <-s.again.C:
			s.lookAgain()
		}
	}
}

func (s *server) read(out chan<- incoming) {
	defer close(out)
	for {
		var in incoming
		var err error
		if in.fds, err = receive(s.conn, &in.req); err != nil {
			return // the owner is gone, or talks nonsense
		}
		out <- in
	}
}

// tell reports to the owner. A failure shows as the end of requests.
func (s *server) tell(e event) { _ = send(s.conn, e) }

func (s *server) handle(in incoming) {
	defer closeAll(in.fds)
	switch in.req.Op {
	case opSpawn:
		pid, err := s.spawn(in)
		if err != nil {
			s.tell(event{Event: evFailed, ID: in.req.ID, Error: err.Error()})
			return
		}
		s.leaders[pid], s.pids[in.req.ID] = in.req.ID, pid
		s.tell(event{Event: evStarted, ID: in.req.ID, PID: pid})
	case opTerminate, opKill:
		pid, ok := s.pids[in.req.ID]
		if !ok {
			return // it has exited meanwhile
		}
		sig := syscall.SIGTERM
		if in.req.Op == opKill {
			sig = syscall.SIGKILL
		}
		_ = syscall.Kill(-pid, sig)
	}
}

func (s *server) spawn(in incoming) (int, error) {
	cmd := in.req.Spawn
	if cmd == nil || len(in.fds) != 3 {
		return 0, fmt.Errorf("malformed spawn request")
	}
	pid, err := syscall.ForkExec(cmd.Path, cmd.Args, &syscall.ProcAttr{
		Dir:   cmd.Dir,
		Env:   append(cmd.Env, InstanceEnv+"="+in.req.ID),
		Files: []uintptr{uintptr(in.fds[0]), uintptr(in.fds[1]), uintptr(in.fds[2])},
		Sys:   &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return 0, err
	}
	limit(pid, cmd)
	return pid, nil
}

// limit applies what can be applied to a running process. It comes right after
// the exec, so a command could use a moment without limits.
func limit(pid int, cmd *Command) {
	set := func(what int, n uint64) {
		_ = unix.Prlimit(pid, what, &unix.Rlimit{Cur: n, Max: n}, nil)
	}
	set(unix.RLIMIT_CORE, 0)
	if cmd.MaxData > 0 {
		set(unix.RLIMIT_DATA, cmd.MaxData)
	}
	if cmd.MaxFileSize > 0 {
		set(unix.RLIMIT_FSIZE, cmd.MaxFileSize)
	}
	if cmd.Cgroup != "" {
		_ = os.WriteFile(filepath.Join(cmd.Cgroup, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644)
	}
	// When memory runs out, a function should go before the control plane.
	_ = os.WriteFile("/proc/"+strconv.Itoa(pid)+"/oom_score_adj", []byte("500"), 0)
}

// killEverything ends all descendants. Killing a child hands its own children
// to us, so repeating it reaches every one.
func (s *server) killEverything() {
	for pid := range s.leaders {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		for _, pid := range s.children() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		for {
			pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			if err == syscall.ECHILD {
				return
			}
			if pid <= 0 && err != syscall.EINTR {
				break
			}
		}
		time.Sleep(time.Millisecond)
	}
}
