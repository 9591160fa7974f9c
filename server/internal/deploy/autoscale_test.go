package deploy

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"simplane/core"
	"simplane/server/funcspec"
	"simplane/server/internal/machine"
	"simplane/server/provider"
)

// hangGuard ends a test that waits for something that never comes.
const hangGuard = 30 * time.Second

// slowProvider takes its time for SetReplicas.
type slowProvider struct {
	provider.Provider // nil: nothing else is called

	mu      sync.Mutex
	calls   []int
	overlap bool
	busy    bool
	gate    chan struct{}
	watch   func(provider.Status)
	ready   int
}

func (p *slowProvider) SetReplicas(_ context.Context, _ string, n int) error {
	p.mu.Lock()
	p.overlap = p.overlap || p.busy
	p.busy = true
	p.calls = append(p.calls, n)
	p.mu.Unlock()
	<-p.gate
	p.mu.Lock()
	p.busy = false
	p.mu.Unlock()
	return nil
}

func (p *slowProvider) Watch(fn func(provider.Status)) func() { p.watch = fn; return func() {} }

func (p *slowProvider) Status(string) (provider.Status, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return provider.Status{Ready: p.ready}, true
}

func (p *slowProvider) made() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]int(nil), p.calls...)
}

func TestScalerSendsOnlyTheLatestToASlowProvider(t *testing.T) {
	p := &slowProvider{gate: make(chan struct{})}
	var c *core.Core
	s := NewScaler(p, func(string) *core.Core { return c }, slog.New(slog.DiscardHandler))
	var err error
	c, err = core.New(core.Config{Scaler: s}, machine.NewClock(), machine.RandomIDs{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	name, image := "f", "img"
	spec, err := funcspec.Resolve(funcspec.Input{Name: &name, Image: &image})
	if err != nil {
		t.Fatal(err)
	}
	fn, err := c.Register(spec)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()

	wait := func(what string, cond func() bool) {
		t.Helper()
		for deadline := time.Now().Add(hangGuard); !cond(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("waited in vain: %s; calls %v", what, p.made())
			}
		}
	}
	s.SetReplicas(fn, 1)
	wait("the first call", func() bool { return len(p.made()) == 1 })
	for n := 2; n <= 100; n++ {
		s.SetReplicas(fn, n)
	}
	p.gate <- struct{}{}
	p.gate <- struct{}{}
	wait("the last value", func() bool { c := p.made(); return c[len(c)-1] == 100 })
	if got := fmt.Sprint(p.made()); got != "[1 100]" {
		t.Errorf("calls %s, want only the latest after the first", got)
	}

	// A call for a function that is gone is not made.
	if _, err := c.Delete("f"); err != nil {
		t.Fatal(err)
	}
	s.SetReplicas(fn, 7)
	wait("the queue is empty", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.order)+len(s.wanted)+len(s.calls) == 0
	})
	cancel()
	<-done
	if got := len(p.made()); got != 2 || p.overlap {
		t.Errorf("%d calls, overlapping: %v", got, p.overlap)
	}
}

// quickProvider notes what it is asked for.
type quickProvider struct{ slowProvider }

func (p *quickProvider) SetReplicas(_ context.Context, _ string, n int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, n)
	return nil
}

func TestScalerHoldsBackAndSendsTheLatest(t *testing.T) {
	p := &quickProvider{}
	var c *core.Core
	s := NewScaler(p, func(string) *core.Core { return c }, slog.New(slog.DiscardHandler))
	var err error
	if c, err = core.New(core.Config{Scaler: s}, machine.NewClock(), machine.RandomIDs{}, nil, nil); err != nil {
		t.Fatal(err)
	}
	name, image := "f", "img"
	spec, err := funcspec.Resolve(funcspec.Input{Name: &name, Image: &image})
	if err != nil {
		t.Fatal(err)
	}
	fn, err := c.Register(spec)
	if err != nil {
		t.Fatal(err)
	}
	s.hold()
	for _, n := range []int{1, 3} {
		s.SetReplicas(fn, n)
		if s.step(context.Background()) || len(p.made()) != 0 {
			t.Fatalf("calls %v while they are held back", p.made())
		}
	}
	s.release()
	if !s.step(context.Background()) || fmt.Sprint(p.made()) != "[3]" {
		t.Errorf("calls %v, want the latest only", p.made())
	}
}
