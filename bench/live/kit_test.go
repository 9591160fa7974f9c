package live

import (
	"context"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"simplane/server/harness/node"
	"simplane/sim"
	"simplane/sim/scenario"
)

var (
	buildOnce sync.Once
	buildDir  string
	binary    string
	buildErr  error
)

func TestMain(m *testing.M) {
	code := m.Run()
	if buildDir != "" {
		_ = os.RemoveAll(buildDir)
	}
	os.Exit(code)
}

// simplane is the program itself, built once.
func simplane(t *testing.T) string {
	t.Helper()
	buildOnce.Do(func() {
		if buildDir, buildErr = os.MkdirTemp("", "live-test"); buildErr == nil {
			binary, buildErr = node.Build(context.Background(), buildDir)
		}
	})
	if buildErr != nil {
		t.Fatal(buildErr)
	}
	return binary
}

func parse(t *testing.T, text string) *scenario.Scenario {
	t.Helper()
	sc, err := scenario.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

// carried is a scenario that has been carried out, with its simulation.
type carried struct {
	*run
	same *sim.Result
	pid  int // of the server; 0 for a foreign one
}

func carry(t *testing.T, text string, opt Options) carried {
	t.Helper()
	sc := parse(t, text)
	opt.Executable, opt.Runs, opt.Progress = simplane(t), MinRuns, func(string) {}
	if err := check(sc, opt.Server != nil); err != nil {
		t.Fatal(err)
	}
	same, err := simulate(sc)
	if err != nil {
		t.Fatal(err)
	}
	r := &run{sc: sc, opt: opt, calls: plan(sc), patience: 2 * time.Minute}
	if err := r.carryOut(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := carried{run: r, same: same}
	if r.server.own != nil {
		c.pid = r.server.own.Pid()
	}
	return c
}

// gone says that there is no process of a number, not even one that nobody has
// waited for.
func gone(pid int) bool { return syscall.Kill(pid, 0) == syscall.ESRCH }

// counts are a function's on both sides.
func (c carried) counts(t *testing.T, name string) (simulated, real map[string]int64, m *measured) {
	t.Helper()
	m = c.measured[name]
	for i := range c.sc.Functions {
		if c.sc.Functions[i].Name == name {
			return ofSimulation(c.same, i, c.sc.Duration).counts, m.counts, m
		}
	}
	t.Fatal("no function", name)
	return nil, nil, nil
}

// balance demands that every call is accounted for.
func balance(t *testing.T, side string, c map[string]int64) {
	t.Helper()
	sum := c["accepted"] + c["idempotent_hits"]
	for name, n := range c {
		if strings.HasPrefix(name, "rejected.") {
			sum += n
		}
	}
	if sum != c["offered"] {
		t.Errorf("%s: %d offered, %d accounted for: %v", side, c["offered"], sum, c)
	}
	if ended := c["success"] + c["error"] + c["timeout"]; ended != c["accepted"] {
		t.Errorf("%s: %d accepted, %d ended: %v", side, c["accepted"], ended, c)
	}
}
