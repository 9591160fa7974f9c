package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"simplane/sim"
	"simplane/sim/scenario"
	"simplane/sim/swarm"
)

// TestSwarmThatIsStopped by SIGTERM says what it did.
func TestSwarmThatIsStopped(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "sim", "swarm", "--seeds", "100000000", "--duration", "2s", "--out", t.TempDir())
	cmd.Env = append(os.Environ(), roleVariable+"=simplane")
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	time.Sleep(time.Second) // it may have tried none yet: it says so then
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(2 * time.Minute):
		_ = cmd.Process.Kill()
		t.Fatal("it goes on after SIGTERM")
	}
	if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(out.String(), "seeds from 1, ") || !strings.Contains(errOut.String(), "stopped by a signal after ") {
		t.Errorf("exit %d\n%s%s", cmd.ProcessState.ExitCode(), out.String(), errOut.String())
	}
}

// runForEver is a run that breaks an invariant, of the first scenario that it is asked for. Any
// other goes on until it is stopped.
func runForEver(sc *scenario.Scenario, opts sim.Options) (*sim.Result, error) {
	if ranForEver.Swap(true) {
		fmt.Println("a run goes on")
		for !opts.Stopped(1) {
			time.Sleep(time.Millisecond)
		}
		return nil, sim.ErrStopped
	}
	return &sim.Result{Events: 7, Violation: &sim.Violation{Invariant: "nothing is odd", Detail: "it is\nvery odd", At: time.Second, Tail: []string{"an end"}}}, nil
}

var ranForEver atomic.Bool

// TestSwarmThatIsStoppedWhileItShrinks: the failure is told before that begins, a signal ends
// the run that goes on, and the scenario is written as small as it is.
func TestSwarmThatIsStoppedWhileItShrinks(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		dir := t.TempDir()
		cmd := exec.Command(self, "sim", "swarm", "--seeds", "1", "--start-seed", "5", "--duration", "2s", "--out", dir)
		cmd.Env = append(os.Environ(), roleVariable+"=broken swarm")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		late := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
		r := bufio.NewReader(out)
		if line, _ := r.ReadString('\n'); line != "seed 5 fails at 1s: nothing is odd: it is; making its scenario smaller\n" {
			t.Errorf("%v: the first line is %q", sig, line)
		}
		if line, _ := r.ReadString('\n'); line != "a run goes on\n" {
			t.Errorf("%v: the second line is %q", sig, line)
		}
		_ = cmd.Process.Signal(sig)
		rest, _ := io.ReadAll(r)
		_ = cmd.Wait()
		if !late.Stop() {
			t.Fatalf("it goes on after %v", sig)
		}
		for _, want := range []string{"seed 5: invariant broken at 1s: nothing is odd: it is\nvery odd\nwritten: ", "; stopped after 1 runs to make it smaller\nthe event log ends:\n  an end\n", "1 seeds from 5, 7 events", ": 1 failed\n"} {
			if !strings.Contains(string(rest), want) {
				t.Errorf("%v: no %q in\n%s", sig, want, rest)
			}
		}
		if code := cmd.ProcessState.ExitCode(); code != 1 {
			t.Errorf("%v: exit %d", sig, code)
		}
		file := filepath.Join(dir, "swarm-5.yaml")
		if sc, err := scenario.ReadFile(file); err != nil || sc.Name != "swarm-5" {
			t.Errorf("%v: %v", sig, err)
		}
		if text, err := os.ReadFile(file); !bytes.HasPrefix(text, []byte("# Found by the swarm with seed 5 and made smaller.\n# Breaks: nothing is odd: it is\n")) {
			t.Errorf("%v: %s", err, text)
		}
	}
}

// TestSwarmThatDoesNotShrink writes the seed's scenario as it is.
func TestSwarmThatDoesNotShrink(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command(self, "sim", "swarm", "--seeds", "1", "--duration", "2s", "--out", dir, "--shrink=false")
	cmd.Env = append(os.Environ(), roleVariable+"=broken swarm")
	out, err := cmd.Output()
	if cmd.ProcessState.ExitCode() != 1 || !strings.HasPrefix(string(out), "seed 1 fails at 1s: nothing is odd: it is\nseed 1: invariant broken") {
		t.Errorf("%v: %s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "swarm-1.yaml"))
	_, text, _ = bytes.Cut(text, []byte("# Breaks: nothing is odd: it is\n"))
	if want := scenario.Marshal(swarm.Generate(1, 2*time.Second), ""); err != nil || !bytes.Equal(text, want) {
		t.Errorf("%v: %s", err, text)
	}
}
