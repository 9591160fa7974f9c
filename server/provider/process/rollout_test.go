package process

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"simplane/server/provider"
)

// versioned is a function whose instances answer "do:version" with a version.
func versioned(t testing.TB, mode provider.RuntimeMode, version string) provider.Deployment {
	d := self(t, strings.ToLower(string(mode)))
	d.RuntimeMode = mode
	d.Env["VERSION"] = version
	return d
}

// version is the version of the instance that answers, and its process id.
func version(t testing.TB, p *Provider, name string) (string, int) {
	t.Helper()
	r := invoke(t, p, name, `"do:version"`)
	if !r.OK() {
		t.Fatalf("%s: %s %s", name, r.ErrorCode, r.ErrorMessage)
	}
	var got struct {
		Version string
		PID     int
	}
	if err := json.Unmarshal(r.Output, &got); err != nil {
		t.Fatal(err)
	}
	return got.Version, got.PID
}

func rolloutOf(p *Provider, name string) provider.Rollout {
	s, _ := p.Status(name)
	return s.Rollout
}

// rolledOut waits until a rollout has ended well and all instances answer with
// version.
func rolledOut(t testing.TB, p *Provider, name, want string) {
	t.Helper()
	eventually(t, "version "+want+" has taken over", func() bool { return rolloutOf(p, name) == provider.Rollout{} })
	// The last old instance may be on its way out of balancing.
	eventually(t, "only version "+want+" answers", func() bool {
		for range 20 {
			if got, _ := version(t, p, name); got != want {
				return false
			}
		}
		return true
	})
}

var longLived = []provider.RuntimeMode{provider.HTTP, provider.STDIO}

// quick keeps tests of changes short; no test depends on the values.
var quick = Options{TrialTime: 50 * time.Millisecond, BackoffBase: time.Millisecond, BackoffMax: 10 * time.Millisecond}

func TestNoInvocationNoticesAChange(t *testing.T) {
	for _, mode := range longLived {
		t.Run(string(mode), func(t *testing.T) {
			p := start(t, quick)
			d := versioned(t, mode, "0")
			d.Replicas, d.EndpointConcurrency = 2, 3
			provision(t, p, d)
			version(t, p, d.Name)

			var calls atomic.Int64
			var callers sync.WaitGroup
			stop := make(chan struct{})
			for range 12 {
				callers.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						if r := invoke(t, p, d.Name, `1`); !r.OK() {
							t.Errorf("%s: %s", r.ErrorCode, r.ErrorMessage)
							return
						}
						calls.Add(1)
					}
				})
			}
			for i := 1; i <= 8 && !t.Failed(); i++ {
				before := calls.Load()
				next := versioned(t, mode, fmt.Sprint(i))
				next.Replicas, next.EndpointConcurrency = d.Replicas, d.EndpointConcurrency
				if i%2 == 0 { // another command, too
					next.RuntimeCommand, next.Commands = "exec '"+next.Commands[0]+"'", nil
				}
				provision(t, p, next)
				rolledOut(t, p, d.Name, fmt.Sprint(i))
				eventually(t, "calls go on", func() bool { return calls.Load() > before || t.Failed() })
			}
			close(stop)
			callers.Wait()
			f := p.Function(d.Name)
			eventually(t, "the old instances are gone", func() bool {
				s := f.Status()
				return f.Count() <= 2*d.Workers() && s.Ready == 2 && s.Waiting == 0
			})
		})
	}
}

func TestBrokenChangeKeepsTheOldInstances(t *testing.T) {
	for _, mode := range longLived {
		t.Run(string(mode), func(t *testing.T) {
			opt := quick
			opt.TrialTime = hang // what exits has time for it, however busy the machine
			p := start(t, opt)
			d := versioned(t, mode, "good")
			provision(t, p, d)
			_, pid := version(t, p, d.Name)

			for _, broken := range []string{"echo the config is wrong >&2; exit 3", "/no/such/program"} {
				bad := d
				bad.Commands, bad.RuntimeCommand = nil, broken
				provision(t, p, bad)
				eventually(t, "the change is given up", func() bool {
					if v, now := version(t, p, d.Name); v != "good" || now != pid {
						t.Fatalf("version %q of process %d answers", v, now)
					}
					return rolloutOf(p, d.Name).State == provider.RolloutFailed
				})
				s, _ := p.Status(d.Name)
				for _, part := range []string{provider.CodeStartFailed, "code "} {
					if !strings.Contains(s.Rollout.Message, part) {
						t.Errorf("message %q has no %q", s.Rollout.Message, part)
					}
				}
				if s.Ready != 1 || s.Starting != 0 || s.LastError != "" {
					t.Errorf("%+v", s)
				}
				eventually(t, "what was tried is gone", func() bool { return p.Function(d.Name).Count() == 1 })
			}

			// An old instance that dies is replaced by one of its own kind.
			invoke(t, p, d.Name, `"do:exit"`)
			eventually(t, "it has a successor", func() bool { s, _ := p.Status(d.Name); return s.Restarts == 1 && s.Ready == 1 })
			if v, now := version(t, p, d.Name); v != "good" || now == pid {
				t.Errorf("after a crash: version %q, process %d", v, now)
			}
			p.opt.TrialTime = quick.TrialTime // nothing is on trial now
			provision(t, p, versioned(t, mode, "better"))
			rolledOut(t, p, d.Name, "better")
		})
	}
}

func TestChangeThatIsNeverReadyTimesOut(t *testing.T) {
	opt := quick
	opt.StartTimeout = 300 * time.Millisecond
	p := start(t, opt)
	d := versioned(t, provider.HTTP, "good")
	provision(t, p, d)
	version(t, p, "http")
	bad := versioned(t, provider.HTTP, "slow")
	bad.Env["SLOW_START"] = "1h"
	provision(t, p, bad)
	eventually(t, "the change is given up", func() bool { return rolloutOf(p, "http").State == provider.RolloutFailed })
	if v, _ := version(t, p, "http"); v != "good" {
		t.Errorf("version %q answers", v)
	}
}

// never is a change that gets neither ready nor broken while a test lasts.
func never(t testing.TB) provider.Deployment {
	d := versioned(t, provider.HTTP, "never")
	d.Env["SLOW_START"] = "1h"
	return d
}

func TestSecondChangeReplacesTheFirst(t *testing.T) {
	opt := quick
	opt.StartTimeout = time.Hour
	p := start(t, opt)
	d := versioned(t, provider.HTTP, "1")
	provision(t, p, d)
	_, pid := version(t, p, "http")
	f := p.Function("http")
	under := func() {
		t.Helper()
		provision(t, p, never(t))
		eventually(t, "the change is under way", func() bool { return f.Count() == 2 })
		if r := rolloutOf(p, "http"); r.State != provider.RolloutProgressing || r.Message != "" {
			t.Errorf("%+v", r)
		}
		if s, _ := p.Status("http"); s.Ready != 1 || s.Starting != 0 || len(p.Endpoints("http")) != 1 {
			t.Errorf("%+v counts what takes no calls", s)
		}
	}
	under()
	provision(t, p, never(t)) // once more is no other change
	if n := f.Count(); n != 2 {
		t.Errorf("%d instances after the same change", n)
	}
	provision(t, p, versioned(t, provider.HTTP, "2"))
	rolledOut(t, p, "http", "2")
	eventually(t, "the others are gone", func() bool { return f.Count() == 1 && !alive(pid) })

	_, pid = version(t, p, "http")
	under()
	provision(t, p, versioned(t, provider.HTTP, "2")) // taken back
	rolledOut(t, p, "http", "2")
	if _, now := version(t, p, "http"); now != pid {
		t.Error("taking a change back restarted the function")
	}
	eventually(t, "the other is gone", func() bool { return f.Count() == 1 })
}

func TestDeletingDuringAChangeStopsBoth(t *testing.T) {
	opt := quick
	opt.StartTimeout = time.Hour
	files, goroutines := openFiles(t), runtime.NumGoroutine()
	p := New(opt)
	for range 3 {
		provision(t, p, versioned(t, provider.HTTP, "1"))
		_, pid := version(t, p, "http")
		provision(t, p, never(t))
		f := p.Function("http")
		eventually(t, "the change is under way", func() bool { return f.Count() == 2 })
		if err := p.Deprovision(context.Background(), "http"); err != nil {
			t.Fatal(err)
		}
		if n := f.Count(); n != 0 || alive(pid) {
			t.Errorf("%d instances are left", n)
		}
	}
	// Closing during one, and during the pause before a next try.
	provision(t, p, versioned(t, provider.HTTP, "1"))
	provision(t, p, never(t))
	provision(t, p, versioned(t, provider.STDIO, "1"))
	version(t, p, "stdio")
	bad := versioned(t, provider.STDIO, "2")
	bad.Commands = []string{"/no/such/program"}
	provision(t, p, bad)
	if err := p.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all files are closed", func() bool { return openFiles(t) <= files })
	eventually(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= goroutines })
}

func TestWaitingInvocationsAreCarriedOver(t *testing.T) {
	for _, mode := range longLived {
		t.Run(string(mode), func(t *testing.T) {
			opt := quick
			opt.DrainTimeout = hang
			p := start(t, opt)
			gate := filepath.Join(t.TempDir(), "gate")
			d := versioned(t, mode, "1")
			d.Env["GATE"], d.EndpointConcurrency = gate, 1
			provision(t, p, d)
			version(t, p, d.Name)
			deliver := func(input string) <-chan provider.Result {
				got := make(chan provider.Result, 1)
				p.Go(d.Name, provider.Invocation{Input: []byte(input), Deadline: time.Now().Add(hang)}, func(r provider.Result) { got <- r })
				return got
			}
			held := deliver(`"do:gate"`)
			var waiting []<-chan provider.Result
			for range 5 {
				waiting = append(waiting, deliver(`"do:version"`))
			}
			eventually(t, "they wait", func() bool { s, _ := p.Status(d.Name); return s.InFlight == 1 && s.Waiting == 5 })
			next := versioned(t, mode, "2")
			next.EndpointConcurrency = 1
			provision(t, p, next)
			for _, w := range waiting {
				if r := <-w; !r.OK() || !strings.Contains(string(r.Output), `"version":"2"`) {
					t.Errorf("%s %s %s", r.ErrorCode, r.ErrorMessage, r.Output)
				}
			}
			writePID(gate, 1)
			if r := <-held; !r.OK() {
				t.Errorf("the running one: %s %s", r.ErrorCode, r.ErrorMessage)
			}
		})
	}
}

// A function that does not start is mended by a change: who waits for it is
// served.
func TestChangeMendsAFunctionThatDoesNotStart(t *testing.T) {
	for _, mode := range longLived {
		t.Run(string(mode), func(t *testing.T) {
			opt := quick
			opt.BackoffBase, opt.BackoffMax = time.Hour, time.Hour
			p := start(t, opt)
			d := versioned(t, mode, "good")
			bad := d
			bad.Commands, bad.RuntimeCommand = nil, "exit 3"
			provision(t, p, bad)
			eventually(t, "it fails", func() bool { s, _ := p.Status(d.Name); return s.LastError != "" })
			provision(t, p, d)
			if v, _ := version(t, p, d.Name); v != "good" {
				t.Errorf("version %q", v)
			}
			rolledOut(t, p, d.Name, "good")
		})
	}
}

func TestChangeOfWhatConcernsNoInstanceRestartsNothing(t *testing.T) {
	for _, mode := range longLived {
		t.Run(string(mode), func(t *testing.T) {
			opt, _ := measuring()
			p := start(t, opt)
			gate := filepath.Join(t.TempDir(), "gate")
			d := versioned(t, mode, "1")
			d.Env["GATE"], d.EndpointConcurrency = gate, 1
			provision(t, p, d)
			_, pid := version(t, p, d.Name)
			var held []<-chan provider.Result
			deliver := func() {
				got := make(chan provider.Result, 1)
				p.Go(d.Name, provider.Invocation{Input: []byte(`"do:gate"`), Deadline: time.Now().Add(hang)}, func(r provider.Result) { got <- r })
				held = append(held, got)
			}
			for range 3 {
				deliver()
			}
			inFlight := func(n int) {
				t.Helper()
				eventually(t, fmt.Sprint(n, " run at a time"), func() bool { s, _ := p.Status(d.Name); return s.InFlight == n })
			}
			inFlight(1)
			d.EndpointConcurrency = 3 // also for those that wait already
			provision(t, p, d)
			inFlight(3)
			d.EndpointConcurrency = 2
			d.TimeoutMillis, d.MaxReplicas = 1234, 7
			d = scaledBy(d, "cpu")
			provision(t, p, d)
			if r := rolloutOf(p, d.Name); r != (provider.Rollout{}) {
				t.Errorf("%+v", r)
			}
			deliver()
			writePID(gate, 1)
			for _, h := range held {
				if r := <-h; !r.OK() {
					t.Errorf("%s %s", r.ErrorCode, r.ErrorMessage)
				}
			}
			if !alive(pid) {
				t.Error("the process was restarted")
			}
			if _, now := version(t, p, d.Name); mode == provider.HTTP && now != pid {
				t.Errorf("process %d answers, it was %d", now, pid)
			}
			if s, _ := p.Status(d.Name); s.Restarts != 0 {
				t.Errorf("%d restarts", s.Restarts)
			}
		})
	}
}

func TestNewNumberOfReplicas(t *testing.T) {
	p := start(t, Options{})
	d := versioned(t, provider.STDIO, "1")
	d.Replicas, d.MaxReplicas = 2, 10
	ready := func(n int) {
		t.Helper()
		eventually(t, fmt.Sprint(n, " are ready"), func() bool { s, _ := p.Status("stdio"); return s.Ready == n && s.Desired == n })
	}
	provision(t, p, d)
	ready(2)
	if err := p.SetReplicas(context.Background(), "stdio", 5); err != nil {
		t.Fatal(err)
	}
	d.TimeoutMillis = 1
	provision(t, p, d)
	ready(5) // set by hand
	d.MaxReplicas = 4
	provision(t, p, d)
	ready(4)
	d.Replicas = 1
	provision(t, p, d)
	ready(1)
}

func TestChangeOfWhatHasNoInstances(t *testing.T) {
	p := start(t, Options{})
	d := versioned(t, provider.HTTP, "1")
	d.Replicas = 0
	provision(t, p, d)
	d = versioned(t, provider.HTTP, "2")
	d.Replicas = 0
	provision(t, p, d)
	if s, _ := p.Status("http"); s.Rollout != (provider.Rollout{}) || s.Starting != 0 {
		t.Errorf("%+v", s)
	}
	if v, _ := version(t, p, "http"); v != "2" {
		t.Errorf("version %q", v)
	}
}

func TestFileFunctionChangesForItsNextInvocation(t *testing.T) {
	p := start(t, Options{})
	gate := filepath.Join(t.TempDir(), "gate")
	d := provider.Deployment{Name: "stdio", RuntimeMode: provider.FILE, Replicas: 1, Env: map[string]string{"GATE": gate},
		RuntimeCommand: `touch $GATE.reached; while ! test -e $GATE; do sleep 0.01; done; echo 1 > $OUTPUT_FILE`}
	provision(t, p, d)
	held := aside(p, `1`)
	eventually(t, "it runs", func() bool { _, err := os.Stat(gate + ".reached"); return err == nil })
	d.RuntimeCommand = `echo 2 > $OUTPUT_FILE`
	provision(t, p, d)
	wantOutput(t, invoke(t, p, "stdio", `1`), `2`)
	writePID(gate, 1)
	wantOutput(t, <-held, `1`)
}

func TestRuntimeModeChanges(t *testing.T) {
	p := start(t, quick)
	d := versioned(t, provider.HTTP, "1")
	d.Name = "f"
	provision(t, p, d)
	version(t, p, "f")
	d = versioned(t, provider.STDIO, "2")
	d.Name, d.EndpointConcurrency = "f", 4
	provision(t, p, d)
	rolledOut(t, p, "f", "2")
	d = versioned(t, provider.HTTP, "3")
	d.Name = "f"
	provision(t, p, d)
	rolledOut(t, p, "f", "3")
}
