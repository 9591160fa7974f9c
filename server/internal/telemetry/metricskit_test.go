package telemetry

import (
	"fmt"
	"io"
	"testing"
	"time"

	"simplane/core"
	"simplane/server/funcspec"
	"simplane/server/internal/machine"
)

// plane is a core that the metrics watch. Its functions are called by events
// only.
type plane struct {
	t testing.TB
	*core.Core
	metrics *Metrics
}

type nowhere struct{}

func (nowhere) Dispatch(core.Task) {}

func newPlane(t testing.TB) *plane {
	t.Helper()
	m := NewMetrics()
	cfg := core.DefaultConfig()
	cfg.MaxFunctions = 1 << 20
	c, err := core.New(cfg, machine.NewClock(), machine.RandomIDs{}, nowhere{}, m)
	if err != nil {
		t.Fatal(err)
	}
	m.WatchCores(func() []*core.Core { return []*core.Core{c} })
	return &plane{t, c, m}
}

func (p *plane) register(name string) *core.Function {
	p.t.Helper()
	spec, err := funcspec.Resolve(funcspec.Input{Name: &name, Image: new("i"), ExecutionMode: new(funcspec.ModeLocal)})
	if err != nil {
		p.t.Fatal(err)
	}
	fn, err := p.Register(spec)
	if err != nil {
		p.t.Fatal(err)
	}
	return fn
}

// call reports the events of one successful sync invocation.
func (p *plane) call(fn *core.Function, took time.Duration) {
	p.metrics.Observe(core.Event{Kind: core.EventAccepted, Function: fn, Sync: true})
	p.metrics.Observe(core.Event{Kind: core.EventDispatched, Function: fn, Sync: true, QueueWait: took / 8})
	p.metrics.Observe(core.Event{Kind: core.EventEnded, Function: fn, Sync: true, Status: core.Success, Service: took, E2E: took + took/8})
}

// How long a page takes with 10,000 functions, none or all of them called.
func BenchmarkPage(b *testing.B) {
	for _, called := range []bool{false, true} {
		p := newPlane(b)
		for i := range 10_000 {
			if fn := p.register(fmt.Sprint("f", i)); called {
				p.call(fn, time.Duration(i+1)*time.Microsecond)
			}
		}
		for form, name := range []string{"text", "protobuf"} {
			b.Run(fmt.Sprintf("called=%v/%s", called, name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := p.metrics.encode(io.Discard, form); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		b.Run(fmt.Sprintf("called=%v/compressed", called), func(b *testing.B) {
			for b.Loop() {
				page, err := p.metrics.pages.current(formText)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(len(page.gzip)), "gzip-B")
				b.ReportMetric(float64(page.plain), "B")
			}
		})
	}
}

// The cost of counting one sync invocation, of one function and of one after
// the other out of 10,000.
func BenchmarkObserve(b *testing.B) {
	for _, n := range []int{1, 10_000} {
		p := newPlane(b)
		functions := make([]*core.Function, n)
		for i := range functions {
			functions[i] = p.register(fmt.Sprint("f", i))
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				p.call(functions[i*7919%n], 20*time.Microsecond)
				i++
			}
		})
	}
}
