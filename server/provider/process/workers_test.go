package process

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"simplane/server/provider"
)

// gated provisions a STDIO function whose calls "do:gate" wait until open is
// called, and then answer with their process id.
func gated(t *testing.T, p *Provider, concurrency int) (open func()) {
	t.Helper()
	gate := filepath.Join(t.TempDir(), "gate")
	d := stdio(t)
	d.Env["GATE"] = gate
	d.EndpointConcurrency = concurrency
	provision(t, p, d)
	return func() { writePID(gate, 1) }
}

// aside delivers an invocation without waiting for it.
func aside(p *Provider, input string) <-chan provider.Result {
	got := make(chan provider.Result, 1)
	p.Go("stdio", provider.Invocation{Input: []byte(input), Deadline: time.Now().Add(hang)}, func(r provider.Result) { got <- r })
	return got
}

func TestStdioReplicaRunsItsConcurrencyAtOnce(t *testing.T) {
	p := start(t, Options{})
	open := gated(t, p, 4)
	var held []<-chan provider.Result
	for range 5 {
		held = append(held, aside(p, `"do:gate"`))
	}
	eventually(t, "four run and one waits", func() bool {
		s, _ := p.Status("stdio")
		return s.InFlight == 4 && s.Waiting == 1
	})
	if s, _ := p.Status("stdio"); s.Desired != 1 || s.Ready != 1 || s.Starting != 0 {
		t.Errorf("%+v, want one replica, whatever it consists of", s)
	}
	open()
	pids := map[string]int{}
	for _, h := range held {
		r := <-h
		if !r.OK() {
			t.Fatalf("%+v", r)
		}
		pids[string(r.Output)]++
	}
	if len(pids) != 4 {
		t.Errorf("five calls by process: %v, want four processes", pids)
	}
	for range 50 { // they stay, and serve
		if r := invoke(t, p, "stdio", `"do:pid"`); !r.OK() || pids[string(r.Output)] == 0 {
			t.Fatalf("%+v came from none of %v", r, pids)
		}
	}
	if err := p.SetReplicas(context.Background(), "stdio", 0); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all processes go with the replica", func() bool { return p.Function("stdio").Count() == 0 })
	wantOutput(t, invoke(t, p, "stdio", `1`), `1`)
	if n := p.Function("stdio").Count(); n != 1 {
		t.Errorf("%d processes for the first call after that", n)
	}
}

func TestStdioCallsThatDoNotOverlapShareAProcess(t *testing.T) {
	p := start(t, Options{})
	gated(t, p, 8)
	first := invoke(t, p, "stdio", `"do:pid"`)
	for range 100 {
		wantOutput(t, invoke(t, p, "stdio", `"do:pid"`), string(first.Output))
	}
}

func TestStdioWorkersCrashAlone(t *testing.T) {
	p := start(t, Options{BackoffBase: time.Millisecond})
	open := gated(t, p, 3)
	one, two := aside(p, `"do:gate"`), aside(p, `"do:gate"`)
	eventually(t, "two are running", func() bool { s, _ := p.Status("stdio"); return s.InFlight == 2 })
	wantCode(t, invoke(t, p, "stdio", `"do:exit"`), provider.CodeCrashed, "code 7")
	wantOutput(t, invoke(t, p, "stdio", `3`), `3`) // its successor's
	open()
	for _, h := range []<-chan provider.Result{one, two} {
		if r := <-h; !r.OK() {
			t.Errorf("a call on another process: %+v", r)
		}
	}
}

func TestStdioWorkersAreBounded(t *testing.T) {
	for _, c := range []struct {
		name                                  string
		replicas, concurrency, allowed, calls int
		processes                             int
	}{
		{"by the concurrency of each replica", 2, 2, 256, 10, 4},
		{"by the processes a function may have", 1, 8, 3, 10, 3},
		{"no fewer than replicas", 3, 1, 3, 10, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := start(t, Options{MaxReplicas: c.allowed})
			open := gated(t, p, c.concurrency)
			if err := p.SetReplicas(context.Background(), "stdio", c.replicas); err != nil {
				t.Fatal(err)
			}
			var held []<-chan provider.Result
			for range c.calls {
				held = append(held, aside(p, `"do:gate"`))
			}
			eventually(t, "all are busy", func() bool { s, _ := p.Status("stdio"); return s.InFlight == c.processes })
			if n := p.Function("stdio").Count(); n != c.processes {
				t.Errorf("%d processes, want %d", n, c.processes)
			}
			open()
			for _, h := range held {
				if r := <-h; !r.OK() {
					t.Errorf("%+v", r)
				}
			}
		})
	}
	if n := (provider.Deployment{RuntimeMode: provider.STDIO, EndpointConcurrency: 1000}).Workers(); n != provider.MaxProcesses {
		t.Errorf("concurrency 1000 allows %d processes", n)
	}
}
