package guard

import (
	"fmt"
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

// server is the guard process. Everything runs on one locked thread, which
// waits in poll for requests and for children that exit: a request wakes it
// and nothing else, as what a start waits for is mostly wake-ups.
type server struct {
	socket  socket
	self    int
	listed  bool           // the kernel lists children
	leaders map[int]string // pid to instance id
	pids    map[string]int // and back
	again   time.Time      // of the next look for strays; zero for none
	pause   time.Duration  // before it
}

// run is the guard's main; it returns the exit code.
func run() int {
	debug.SetGCPercent(50) // a small heap matters more here than speed
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, "simplane guard: cannot adopt orphans:", err)
		return 1
	}
	syscall.CloseOnExec(socketFD)
	// Signals meant for the whole terminal or service reach the guard too. The
	// owner decides what they mean for its functions. (Not ignored: that would
	// be inherited by the commands.)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	died, err := childSignals()
	if err != nil {
		fmt.Fprintln(os.Stderr, "simplane guard: cannot wait for children:", err)
		return 1
	}

	s := &server{socket: socketFD, self: os.Getpid(), listed: proctree.Listed(), leaders: map[int]string{}, pids: map[string]int{}}
	s.tell(event{Event: evReady, PID: s.self})
	ready := []unix.PollFd{{Fd: socketFD, Events: unix.POLLIN}, {Fd: int32(died), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(ready, s.untilLook()); err != nil {
			continue // a signal
		}
		if ready[1].Revents != 0 {
			_, _ = unix.Read(died, make([]byte, 64))
			s.reap()
		}
		if s.untilLook() == 0 {
			s.lookAgain()
		}
		if ready[0].Revents == 0 {
			continue
		}
		var req request
		fds, err := receive(s.socket, &req)
		if err != nil { // the owner is gone, or talks nonsense
			s.killEverything()
			return 0
		}
		s.handle(req, fds)
	}
}

// childSignals returns a pipe that becomes readable when children have exited.
func childSignals() (fd int, err error) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return 0, err
	}
	died := make(chan os.Signal, 1)
	signal.Notify(died, syscall.SIGCHLD)
	go func() {
		for range died {
			_, _ = unix.Write(pipe[1], []byte{0}) // a full pipe says it already
		}
	}()
	return pipe[0], nil
}

// tell reports to the owner. A failure shows as the end of requests.
func (s *server) tell(e event) { _ = send(s.socket, &e) }

func (s *server) handle(req request, fds []int) {
	defer closeAll(fds)
	switch req.Op {
	case opSpawn:
		pid, err := s.spawn(req, fds)
		if err != nil {
			s.tell(event{Event: evFailed, ID: req.ID, Error: err.Error()})
			return
		}
		s.leaders[pid], s.pids[req.ID] = req.ID, pid
		s.tell(event{Event: evStarted, ID: req.ID, PID: pid})
	case opTerminate, opKill:
		pid, ok := s.pids[req.ID]
		if !ok {
			return // it has exited meanwhile
		}
		sig := syscall.SIGTERM
		if req.Op == opKill {
			sig = syscall.SIGKILL
		}
		_ = syscall.Kill(-pid, sig)
	}
}

func (s *server) spawn(req request, fds []int) (int, error) {
	cmd := req.Spawn
	if cmd == nil || len(fds) != 3 {
		return 0, fmt.Errorf("malformed spawn request")
	}
	pid, err := syscall.ForkExec(cmd.Path, cmd.Args, &syscall.ProcAttr{
		Dir:   cmd.Dir,
		Env:   append(cmd.Env, InstanceEnv+"="+req.ID),
		Files: []uintptr{uintptr(fds[0]), uintptr(fds[1]), uintptr(fds[2])},
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
