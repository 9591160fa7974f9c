// Package child runs servers in processes of their own that cannot outlive
// this one.
package child

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	readyWithin = 15 * time.Second
	stopWithin  = 5 * time.Second
	tailBytes   = 4096
	maxLine     = 64 << 10
)

// Process is a running child.
type Process struct {
	Name  string
	Addrs []string // bound addresses it reported, in order
	// Grace is how long Stop waits before it kills; 5 s by default.
	Grace time.Duration
	cmd   *exec.Cmd
	done  chan struct{} // closed once it has been reaped
	tail  tail
}

var hostPort = regexp.MustCompile(`(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:]+\]|localhost):\d{1,5}`)

// Start runs argv and waits until one line of its output holds addrs
// addresses of the form host:port. The child dies with this process.
func Start(ctx context.Context, name string, addrs int, argv ...string) (*Process, error) {
	return StartEnv(ctx, name, addrs, nil, argv...)
}

// StartEnv is Start with an environment of the child's own, KEY=value each; nil is
// this process's.
func StartEnv(ctx context.Context, name string, addrs int, env []string, argv ...string) (*Process, error) {
	if len(argv) == 0 {
		return nil, errors.New("no command to start")
	}
	p := &Process{Name: name, Grace: stopWithin, done: make(chan struct{})}
	p.cmd = exec.Command(argv[0], argv[1:]...) // #nosec G204 -- starting the named server is the purpose
	p.cmd.Env = env
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pr, pw := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = pw, pw
	p.cmd.WaitDelay = stopWithin
	ready := make(chan []string, 1)
	go p.read(pr, addrs, ready)

	ended, err := Tie(p.cmd, nil)
	if err != nil {
		_ = pw.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	go func() {
		<-ended
		_ = pw.Close()
		close(p.done)
	}()
	timer := time.NewTimer(readyWithin)
	defer timer.Stop()
	select {
	case p.Addrs = <-ready:
		return p, nil
	case <-p.done:
		return nil, fmt.Errorf("%s ended before it was ready: %s", name, p.tail.String())
	case <-timer.C:
		p.Stop()
		return nil, fmt.Errorf("%s reported no address within %v: %s", name, readyWithin, p.tail.String())
	case <-ctx.Done():
		p.Stop()
		return nil, ctx.Err()
	}
}

// read drains the output for as long as the child lives; a full pipe would
// stall it.
func (p *Process) read(r io.Reader, addrs int, ready chan<- []string) {
	br := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := br.ReadSlice('\n')
		_, _ = p.tail.Write(line)
		if ready != nil {
			if found := hostPort.FindAllString(string(line), -1); len(found) >= addrs {
				ready <- found
				ready = nil
			}
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// Pid is the child's process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed once the child has ended and been reaped.
func (p *Process) Done() <-chan struct{} { return p.done }

// Stop asks the child to end, kills it if it does not, and reaps it. It may
// be called more than once.
func (p *Process) Stop() {
	select {
	case <-p.done:
		return
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(p.Grace)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		_ = syscall.Kill(-p.Pid(), syscall.SIGKILL)
		<-p.done
	}
}

// tail keeps the end of the output for error messages.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - tailBytes; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.TrimSpace(string(bytes.ToValidUTF8(t.buf, []byte("?"))))
	if text == "" {
		return "no output"
	}
	return text
}
