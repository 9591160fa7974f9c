package guard

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Command is a process to start.
type Command struct {
	Path string   // file to execute, absolute or relative to Dir
	Args []string // argv, the name included
	Env  []string // the whole environment, as KEY=value
	Dir  string   // working directory; empty means the guard's

	MaxData     uint64 // RLIMIT_DATA in bytes, 0 for none
	MaxFileSize uint64 // RLIMIT_FSIZE in bytes, 0 for none
	Cgroup      string // directory of a cgroup v2 to start in, empty for none
	CgroupV1    string // the same of version 1; the guard is in its parent directory's group afterwards
	User        *User  // to run as; nil for the owner's
}

// User is a user and its groups, by number.
type User struct {
	UID, GID uint32
	Groups   []uint32 // supplementary
}

// Process is a started command.
type Process struct {
	ID  string
	PID int
	// Unlimited says which limits of its Command it does without, one a line;
	// empty if it has all.
	Unlimited string

	g      *Guard
	done   chan struct{}
	status syscall.WaitStatus
	cpu    time.Duration
	lost   bool
}

// Guard is the process id of the guard, which is the parent of the process.
func (p *Process) Guard() int { return p.g.PID() }

// Done is closed when the process has exited.
func (p *Process) Done() <-chan struct{} { return p.done }

// Status tells how the process exited; call it after Done is closed. lost
// means the guard died and took the process with it.
func (p *Process) Status() (status syscall.WaitStatus, lost bool) { return p.status, p.lost }

// CPU is the processor time the process used, with the children it waited for;
// call it after Done is closed. It is 0 when the guard died.
func (p *Process) CPU() time.Duration { return p.cpu }

// Terminate sends SIGTERM to the process group.
func (p *Process) Terminate() { p.g.signal(opTerminate, p.ID) }

// Kill sends SIGKILL to the process group.
func (p *Process) Kill() { p.g.signal(opKill, p.ID) }

// ErrGone means that the guard process has ended; start another one.
var ErrGone = errors.New("guard: the guard process is gone")

// Guard is the owner's side of a guard process.
type Guard struct {
	events *os.File
	inbox  *inbox // of events
	cmd    *exec.Cmd
	weak   string
	down   chan struct{} // closed when the guard is gone, and everything it started with it

	sendMu   sync.Mutex
	requests socket
	closed   bool // requests is

	mu       sync.Mutex
	starting map[string]chan started
	running  map[string]*Process
	gone     bool
}

type started struct {
	p   *Process
	err error
}

// startTimeout bounds the wait for a guard to come up, and for it to answer a
// spawn request.
const startTimeout = 20 * time.Second

// Start runs this program's binary again as a guard.
func Start() (*Guard, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("guard: socketpair: %w", err)
	}
	ours, theirs := socket(pair[0]), os.NewFile(uintptr(pair[1]), "requests")
	defer theirs.Close()
	// A guard that leaves its requests unread that long is stuck; see send.
	limit := unix.NsecToTimeval(startTimeout.Nanoseconds())
	_ = unix.SetsockoptTimeval(pair[0], unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit)
	events, theirEvents, err := os.Pipe()
	if err != nil {
		unix.Close(pair[0])
		return nil, fmt.Errorf("guard: %w", err)
	}
	defer theirEvents.Close()

	// /proc/self/exe is this very binary, even after the file was replaced.
	cmd := exec.Command("/proc/self/exe", argument)
	cmd.Env = []string{environ, "GOMAXPROCS=2", "PATH=" + os.Getenv("PATH")}
	cmd.ExtraFiles = []*os.File{theirs, theirEvents} // requestsFD, eventsFD
	cmd.Stderr = os.Stderr
	// Its own group, so that Ctrl-C at the terminal does not reach it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	g := &Guard{
		events: events, cmd: cmd, down: make(chan struct{}), requests: ours,
		starting: map[string]chan started{}, running: map[string]*Process{},
	}
	g.inbox = newInbox(func(b []byte) (int, []int, error) {
		n, err := events.Read(b)
		return n, nil, err
	})
	if err := startLazy(cmd); err != nil {
		g.closeRequests()
		events.Close()
		return nil, fmt.Errorf("guard: %w", err)
	}
	theirs.Close()
	theirEvents.Close() // so that the guard's end is an end of events
	var e event
	_ = events.SetReadDeadline(time.Now().Add(startTimeout))
	if err := g.inbox.next(&e); err != nil || e.Event != evReady {
		g.closeRequests()
		events.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, fmt.Errorf("guard: it did not come up: %w", errors.Join(err, errors.New("no greeting")))
	}
	_ = events.SetReadDeadline(time.Time{})
	g.weak = e.Error
	go g.read()
	return g, nil
}

// Spawn starts cmd under an id that no running process has, with the three
// files as standard input, output and error. The files stay the caller's.
func (g *Guard) Spawn(ctx context.Context, id string, cmd Command, stdin, stdout, stderr *os.File) (*Process, error) {
	answer := make(chan started, 1)
	g.mu.Lock()
	if g.gone {
		g.mu.Unlock()
		return nil, ErrGone
	}
	g.starting[id] = answer
	g.mu.Unlock()

	if err := g.sendSpawn(id, cmd, stdin, stdout, stderr); err != nil {
		g.mu.Lock()
		delete(g.starting, id)
		g.mu.Unlock()
		if err == ErrGone {
			select {
			case <-g.down: // so that whoever tries again gets another guard
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		return nil, err
	}
	timeout := time.NewTimer(startTimeout)
	defer timeout.Stop()
	var err error
	select {
	case s := <-answer:
		return s.p, s.err
	case <-ctx.Done():
		err = ctx.Err()
	case <-timeout.C:
		err = errors.New("guard: no answer to a spawn request")
	}
	// It may still start; nobody waits for it then, so it has to go.
	go func() {
		if s := <-answer; s.p != nil {
			s.p.Kill()
		}
	}()
	return nil, err
}

func (g *Guard) sendSpawn(id string, cmd Command, stdin, stdout, stderr *os.File) error {
	var fds []int
	for _, f := range []*os.File{stdin, stdout, stderr} {
		// Fd would switch the file to blocking mode.
		raw, err := f.SyscallConn()
		if err != nil {
			return err
		}
		if err := raw.Control(func(fd uintptr) { fds = append(fds, int(fd)) }); err != nil {
			return err
		}
	}
	return g.send(&request{Op: opSpawn, ID: id, Spawn: &cmd}, fds...)
}

// send returns ErrGone when the guard is gone, or has to go as it reads nothing.
func (g *Guard) send(r *request, fds ...int) error {
	g.sendMu.Lock()
	defer g.sendMu.Unlock()
	if g.closed {
		return ErrGone
	}
	err := g.requests.send(r, fds...)
	switch err {
	case unix.EAGAIN: // a part of the request may have been sent
		_ = g.cmd.Process.Kill()
		return ErrGone
	case unix.EPIPE, unix.ECONNRESET:
		return ErrGone
	}
	return err
}

// closeRequests tells the guard that its owner needs it no more.
func (g *Guard) closeRequests() {
	g.sendMu.Lock()
	defer g.sendMu.Unlock()
	if !g.closed {
		g.closed = true
		_ = unix.Close(int(g.requests))
	}
}

func (g *Guard) signal(op, id string) {
	_ = g.send(&request{Op: op, ID: id}) // a dead guard has killed it already
}

// read dispatches the guard's events until it is gone.
func (g *Guard) read() {
	for {
		var e event
		if err := g.inbox.next(&e); err != nil {
			break
		}
		g.handle(e)
	}
	g.closeRequests()
	g.events.Close()
	_ = g.cmd.Wait()

	g.mu.Lock()
	defer g.mu.Unlock()
	g.gone = true
	for id, p := range g.running {
		delete(g.running, id)
		// The kernel kills the leader with the guard; the group is for us.
		_ = syscall.Kill(-p.PID, syscall.SIGKILL)
		p.lost = true
		close(p.done)
	}
	close(g.down)
	for id, answer := range g.starting {
		delete(g.starting, id)
		answer <- started{err: ErrGone}
	}
}

func (g *Guard) handle(e event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch e.Event {
	case evStarted, evFailed:
		answer := g.starting[e.ID]
		delete(g.starting, e.ID)
		s := started{err: errors.New(e.Error)}
		if e.Event == evStarted {
			s = started{p: &Process{ID: e.ID, PID: e.PID, Unlimited: e.Error, g: g, done: make(chan struct{})}}
			g.running[e.ID] = s.p
		}
		if answer != nil {
			answer <- s
		}
	case evExited:
		if p := g.running[e.ID]; p != nil {
			delete(g.running, e.ID)
			p.status, p.cpu = syscall.WaitStatus(e.Status), time.Duration(e.CPU)
			close(p.done)
		}
	}
}

// Weak says which privileges the guard could not take from what it starts, one a
// line; empty for none.
func (g *Guard) Weak() string { return g.weak }

// PID is the guard's process id.
func (g *Guard) PID() int { return g.cmd.Process.Pid }

// Alive reports whether the guard is not gone.
func (g *Guard) Alive() bool {
	select {
	case <-g.down:
		return false
	default:
		return true
	}
}

// Close makes the guard kill everything it started and waits until it is
// gone, or for ctx; then the guard itself is killed.
func (g *Guard) Close(ctx context.Context) error {
	go g.closeRequests() // it waits for a sender, who may wait for a stuck guard
	select {
	case <-g.down:
		return nil
	case <-ctx.Done():
		_ = g.cmd.Process.Kill()
		<-g.down
		return ctx.Err()
	}
}
