// Package node runs simplane as a process of its own, for tests that need a
// real one: to kill it, to take its file descriptors, to fill its log.
package node

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"time"

	"simplane/bench/child"
)

// Options say how to start a node.
type Options struct {
	Binary string   // from Build
	Args   []string // further flags of serve
	Env    []string // further KEY=value
	Addr   string   // of the API; empty picks a free port
	Prefix []string // what runs the binary, with its arguments behind; nil = nothing
	Files  int      // hard limit of open files; 0 = this process's
	User   uint32   // to run it as, with the group of the same number; 0 = this process's
	// Stderr takes the log; nil keeps its end for Log.
	Stderr *os.File
}

// Node is a running simplane.
type Node struct {
	API, Mgmt string // http://host:port

	cmd    *exec.Cmd
	log    tail
	exited <-chan struct{}
}

const (
	readyWithin = 3 * time.Minute // a race build on a busy machine is slow
	stopWithin  = 2 * time.Minute // longer than any grace period asked for here
)

// Build compiles simplane into dir, with the race detector when this process
// has it, and returns the binary's path.
func Build(ctx context.Context, dir string) (string, error) { return build(ctx, dir, raceEnabled) }

// BuildPlain is Build without the race detector in any case: for tests that
// measure memory, of which the detector takes several times as much.
func BuildPlain(ctx context.Context, dir string) (string, error) { return build(ctx, dir, false) }

func build(ctx context.Context, dir string, race bool) (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	noteSources(root)
	binary := filepath.Join(dir, "simplane")
	args := []string{"build", "-o", binary}
	if race {
		args = append(args, "-race")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/simplane")...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
}

// noteSources looks at every source file: go test remembers what a test looked
// at, and so runs it again, in place of its cached result, when one changes.
func noteSources(root string) {
	_ = filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".go" {
			_, _ = os.Stat(path)
		}
		return nil
	})
}

// moduleRoot is the nearest directory above the current one with a go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod above the current directory; run this inside the repository")
		}
		dir = filepath.Dir(dir)
	}
}

var readyLine = regexp.MustCompile(`^simplane ready addr=(\S+) mgmt-addr=(\S+)`)

// Start runs `simplane serve` on free ports and waits until it is ready. The
// process dies with this one.
func Start(opt Options) (*Node, error) {
	if opt.Addr == "" {
		opt.Addr = "127.0.0.1:0"
	}
	argv := append([]string{opt.Binary, "serve", "--addr", opt.Addr, "--mgmt-addr", "127.0.0.1:0"}, opt.Args...)
	argv = append(append([]string{}, opt.Prefix...), argv...)
	if opt.Files > 0 {
		// The shell lowers its own limit and becomes the server.
		argv = append([]string{"sh", "-c", `ulimit -n "$0" && exec "$@"`, strconv.Itoa(opt.Files)}, argv...)
	}
	n := &Node{cmd: exec.Command(argv[0], argv[1:]...)}
	n.cmd.Env = append(os.Environ(), opt.Env...)
	n.cmd.SysProcAttr = &syscall.SysProcAttr{}
	if opt.User != 0 {
		n.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: opt.User, Gid: opt.User}
	}
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	n.cmd.Stderr = &n.log
	if opt.Stderr != nil {
		n.cmd.Stderr = opt.Stderr
	}
	ready := make(chan []string, 1)
	n.exited, err = child.Tie(n.cmd, func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if m := readyLine.FindStringSubmatch(lines.Text()); m != nil {
				ready <- m
			}
		}
	})
	if err != nil {
		return nil, err
	}
	select {
	case m := <-ready:
		n.API, n.Mgmt = "http://"+m[1], "http://"+m[2]
		return n, nil
	case <-n.exited:
		return nil, fmt.Errorf("simplane ended before it was ready (%v): %s", n.ending(), n.Log())
	case <-time.After(readyWithin):
		n.Kill()
		return nil, fmt.Errorf("simplane was not ready within %v: %s", readyWithin, n.Log())
	}
}

// PID is the process id of simplane.
func (n *Node) PID() int { return n.cmd.Process.Pid }

// Signal sends a signal.
func (n *Node) Signal(s syscall.Signal) error { return n.cmd.Process.Signal(s) }

// Exited is closed when the process has ended.
func (n *Node) Exited() <-chan struct{} { return n.exited }

// ending is how the process has ended if that was not with success.
func (n *Node) ending() error {
	if n.cmd.ProcessState.Success() {
		return nil
	}
	return &exec.ExitError{ProcessState: n.cmd.ProcessState}
}

// Stop asks the node to stop and waits; the error is how it ended if that was
// not with success.
func (n *Node) Stop() error {
	_ = n.Signal(syscall.SIGTERM)
	select {
	case <-n.exited:
		return n.ending()
	case <-time.After(stopWithin):
		n.Kill()
		return fmt.Errorf("simplane did not stop within %v", stopWithin)
	}
}

// Kill ends the node at once, as a power cut would.
func (n *Node) Kill() {
	_ = n.cmd.Process.Kill()
	<-n.exited
}

// Log is the end of what the node wrote to stderr.
func (n *Node) Log() string { return n.log.String() }

// Answer is a response, read in full.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Call makes one request; headers are pairs of name and value.
func Call(client *http.Client, method, url string, body io.Reader, headers ...string) (Answer, error) {
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		return Answer{}, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	req.Host = req.Header.Get("Host") // empty: that of the URL
	resp, err := client.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return Answer{resp.StatusCode, resp.Header, raw}, err
}

// tail keeps the last bytes written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailBytes = 256 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if over := len(t.b) - tailBytes; over > tailBytes { // seldom, so that it is cheap
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b[max(len(t.b)-tailBytes, 0):])
}
