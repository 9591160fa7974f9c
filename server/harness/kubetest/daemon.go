package kubetest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"simplane/bench/child"
	"simplane/server/harness/node"
)

// daemon is a program that runs until it is stopped.
type daemon struct {
	name string
	log  string // path of its output
	cmd  *exec.Cmd
	done <-chan struct{} // closed once it has been reaped
}

// launch starts a program, which dies with this process. Its output is
// appended to a file in dir.
func launch(dir, path string, args ...string) (*daemon, error) {
	d := &daemon{name: filepath.Base(path)}
	d.log = filepath.Join(dir, d.name+".log")
	out, err := os.OpenFile(d.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	d.cmd = exec.Command(path, args...) // #nosec G204 -- the binaries of the one who runs the tests
	d.cmd.Dir, d.cmd.Stdout, d.cmd.Stderr = dir, out, out
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	defer out.Close() // the program has its own
	if d.done, err = child.Tie(d.cmd, nil); err != nil {
		return nil, fmt.Errorf("%s: %w", d.name, err)
	}
	return d, nil
}

// stop sends sig and waits for the end, which is forced after a while.
func (d *daemon) stop(sig syscall.Signal) {
	if d == nil {
		return
	}
	_ = d.cmd.Process.Signal(sig)
	select {
	case <-d.done:
	case <-time.After(stopWithin):
		_ = d.cmd.Process.Kill()
		<-d.done
	}
}

// await polls ready until it returns nil. It gives up when the daemon ends.
func (d *daemon) await(ready func() error) error {
	deadline := time.Now().Add(readyWithin)
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-d.done:
			return fmt.Errorf("%s ended before it was ready:\n%s", d.name, d.tail())
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is not ready after %v: %w\n%s", d.name, readyWithin, err, d.tail())
		}
	}
}

// tail returns the end of the daemon's output.
func (d *daemon) tail() string {
	const most = 4 << 10
	out, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	return string(out[max(0, len(out)-most):])
}

// freePort finds a TCP port that nobody listens on at the moment.
func freePort() (string, error) {
	addrs, err := node.FreeAddresses("127.0.0.1", 1)
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(addrs[0])
	return port, err
}
