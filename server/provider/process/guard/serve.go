package guard

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"simplane/server/provider/process/proctree"
)

// server is the guard process. Everything runs on one locked thread, which
// waits in poll for requests and for children that exit: a request wakes it
// and nothing else, as what a start waits for is mostly wake-ups.
type server struct {
	inbox   *inbox   // of requests
	events  *os.File // in blocking mode, too
	self    int
	listed  bool           // the kernel lists children
	leaders map[int]string // pid to instance id
	pids    map[string]int // and back
	again   time.Time      // of the next look for strays; zero for none
	pause   time.Duration  // before it
	fresh   []int          // pids of leaders that settle has not seen
	settles time.Time      // when it does; zero for never
}

// run is the guard's main; it returns the exit code.
func run() int {
	debug.SetGCPercent(50) // a small heap matters more here than speed
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, "simplane guard: cannot adopt orphans:", err)
		return 1
	}
	syscall.CloseOnExec(requestsFD)
	syscall.CloseOnExec(eventsFD)
	// Nor shall a command get what whoever started the owner left open.
	_ = unix.CloseRange(requestsFD, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC) // Linux 5.11
	// The timer slack is for the runtime's own threads, not for the commands.
	usualSlack()
	// Neither this nor what it starts, which inherits it, leaves a core dump.
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	// It acts for all commands, so none of them may trace it. They are the same
	// user's, and dumpable again once they are executed.
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	weak := noPrivileges()
	fewerProcesses()
	// Signals meant for the whole terminal or service reach the guard too. The
	// owner decides what they mean for its functions. They are caught rather
	// than ignored, as the commands would inherit that; for the same reason this
	// undoes what nohup or a shell ignored for simplane.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	died, err := childSignals()
	if err != nil {
		fmt.Fprintln(os.Stderr, "simplane guard: cannot wait for children:", err)
		return 1
	}

	s := &server{
		inbox: newInbox(socket(requestsFD).receive), events: os.NewFile(eventsFD, "events"), self: os.Getpid(),
		listed: proctree.Listed(), leaders: map[int]string{}, pids: map[string]int{},
	}
	// The first file that is read opens files of the runtime's, which ends the
	// process if it cannot: not later, when there may be none left.
	s.children()
	hello := event{Event: evReady, PID: s.self}
	if weak != nil {
		hello.Error = weak.Error()
	}
	s.tell(hello)
	ready := []unix.PollFd{{Fd: requestsFD, Events: unix.POLLIN}, {Fd: int32(died), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(ready, earlier(until(s.again), until(s.settles))); err != nil {
			continue // a signal
		}
		// Requests come first: a caller waits for what they start.
		for more := ready[0].Revents != 0; more; more = s.inbox.holds() {
			var req request
			if err := s.inbox.next(&req); err != nil { // the owner is gone, or sent a malformed request
				s.killEverything()
				return 0
			}
			s.handle(req)
		}
		if ready[1].Revents != 0 {
			_, _ = unix.Read(died, make([]byte, 64))
			s.reap()
		}
		if until(s.again) == 0 {
			s.lookAgain()
		}
		if until(s.settles) == 0 {
			s.settle()
		}
	}
}

// until is the time to t, in ms for poll: -1 for a zero t, 0 when it has come.
func until(t time.Time) int {
	if t.IsZero() {
		return -1
	}
	return int(max(0, time.Until(t)+time.Millisecond-1) / time.Millisecond)
}

// earlier is the shorter of two times for poll.
func earlier(a, b int) int {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
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
func (s *server) tell(e event) {
	frame, _ := encode(&e) // it is small
	_, _ = s.events.Write(frame)
}

func (s *server) handle(req request) {
	switch req.Op {
	case opSpawn:
		fds, err := s.inbox.files()
		defer closeAll(fds)
		pid, unlimited := 0, error(nil)
		if err == nil {
			pid, unlimited, err = s.spawn(req, fds)
		}
		if err != nil {
			s.tell(event{Event: evFailed, ID: req.ID, Error: err.Error()})
			return
		}
		s.leaders[pid], s.pids[req.ID] = req.ID, pid
		started := event{Event: evStarted, ID: req.ID, PID: pid}
		if unlimited != nil {
			started.Error = unlimited.Error()
		}
		s.tell(started)
		s.fresh = append(s.fresh, pid)
		if s.settles.IsZero() {
			s.settles = time.Now().Add(settleAfter)
		}
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

// spawn starts a process. unlimited says which limits it does without; it is
// nil without a process.
func (s *server) spawn(req request, fds []int) (pid int, unlimited, err error) {
	cmd := req.Spawn
	attr := &syscall.ProcAttr{
		Dir:   cmd.Dir,
		Env:   append(cmd.Env, InstanceEnv+"="+req.ID),
		Files: []uintptr{uintptr(fds[0]), uintptr(fds[1]), uintptr(fds[2])},
		Sys:   &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	}
	if u := cmd.User; u != nil {
		attr.Sys.Credential = &syscall.Credential{Uid: u.UID, Gid: u.GID, Groups: u.Groups}
	}
	if cmd.CgroupV1 != "" {
		// A child is in the group of the thread that forks.
		outside := enter(cmd.CgroupV1)
		defer func() {
			_ = enter(filepath.Dir(cmd.CgroupV1))
			if err == nil {
				unlimited = errors.Join(outside, unlimited)
			}
		}()
	}
	if cmd.Cgroup == "" {
		if pid, err = syscall.ForkExec(cmd.Path, cmd.Args, attr); err != nil {
			return 0, nil, err
		}
		return pid, limit(pid, cmd), nil
	}
	// It is in the group from its first instruction, and so cannot fork before.
	group, err := unix.Open(cmd.Cgroup, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, nil, fmt.Errorf("control group: %w", err)
	}
	defer unix.Close(group)
	attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, group
	if pid, err = syscall.ForkExec(cmd.Path, cmd.Args, attr); err == nil {
		return pid, limit(pid, cmd), nil
	}
	// Linux before 5.7, or clone3 is not permitted; any other error comes again.
	attr.Sys.UseCgroupFD = false
	if pid, err = syscall.ForkExec(cmd.Path, cmd.Args, attr); err != nil {
		return 0, nil, err
	}
	procs := filepath.Join(cmd.Cgroup, "cgroup.procs")
	return pid, errors.Join(os.WriteFile(procs, []byte(strconv.Itoa(pid)), 0), limit(pid, cmd)), nil
}

// enter moves this thread, and no other of the guard's, into a control group of
// version 1. The kernel moves a thread that asks for itself without the lock that
// keeps all processes from forking and exiting; to move another process it may
// wait 10 ms for that.
func enter(dir string) error {
	tasks, err := unix.Open(filepath.Join(dir, "tasks"), unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("control group %s: %w", dir, err)
	}
	defer unix.Close(tasks)
	if _, err := unix.Write(tasks, []byte("0")); err != nil { // this thread
		return fmt.Errorf("control group %s: %w", dir, err)
	}
	return nil
}

// limit applies what can be applied to a running process. It comes right after
// the exec, so a command could use a moment without limits.
func limit(pid int, cmd *Command) error {
	set := func(name string, what int, n uint64) error {
		if n == 0 {
			return nil
		}
		apply := func() error { return unix.Prlimit(pid, what, &unix.Rlimit{Cur: n, Max: n}, nil) }
		err := apply()
		if err == unix.EPERM && cmd.User != nil {
			err = withRealUser(cmd.User, apply)
		}
		if err != nil && err != unix.ESRCH {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	return errors.Join(
		set("size of its data", unix.RLIMIT_DATA, cmd.MaxData),
		set("size of a file", unix.RLIMIT_FSIZE, cmd.MaxFileSize),
	)
}

// settleAfter is when settle looks after a new process. Anything done sooner
// takes the processor from its start: the guard often shares it.
const settleAfter = 20 * time.Millisecond

// settle does for the new processes what has time. When memory runs out, a
// function should go before the control plane: its processes, and those that
// they start later and that inherit it.
func (s *server) settle() {
	for _, leader := range s.fresh {
		if _, runs := s.leaders[leader]; !runs {
			continue // another process may have its pid
		}
		proctree.Walk(leader, func(pid int) bool {
			return os.WriteFile("/proc/"+strconv.Itoa(pid)+"/oom_score_adj", []byte("500"), 0) == nil
		})
	}
	s.fresh, s.settles = nil, time.Time{}
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
		_, _ = unix.Poll(nil, 1) // a sleep of the runtime's may be late; see lazy.go
	}
}
