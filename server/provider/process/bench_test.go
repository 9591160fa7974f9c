package process

import (
	"context"
	"slices"
	"testing"
	"time"

	"simplane/server/provider"
)

// The medians are what an invocation takes through the provider, function
// included; the functions do next to nothing.

func BenchmarkWarm(b *testing.B) {
	for _, mode := range []provider.RuntimeMode{provider.STDIO, provider.HTTP} {
		b.Run(string(mode), func(b *testing.B) {
			p := start(b, Options{})
			d := self(b, map[provider.RuntimeMode]string{provider.STDIO: "stdio", provider.HTTP: "http"}[mode])
			d.RuntimeMode = mode
			provision(b, p, d)
			measure(b, p, d.Name, func() {})
		})
	}
}

// BenchmarkColdStart scales to zero before each invocation.
func BenchmarkColdStart(b *testing.B) {
	for _, c := range []struct {
		name string
		mode provider.RuntimeMode
		sh   string
	}{
		{"go-STDIO", provider.STDIO, ""},
		{"go-HTTP", provider.HTTP, ""},
		{"sh-STDIO", provider.STDIO, `while read line; do echo '{"output":1}'; done`},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := start(b, Options{})
			d := self(b, map[provider.RuntimeMode]string{provider.STDIO: "stdio", provider.HTTP: "http"}[c.mode])
			d.RuntimeMode = c.mode
			if c.sh != "" {
				d.Commands, d.RuntimeCommand = nil, c.sh
			}
			provision(b, p, d)
			measure(b, p, d.Name, func() {
				if err := p.SetReplicas(context.Background(), d.Name, 0); err != nil {
					b.Fatal(err)
				}
				eventually(b, "nothing runs", func() bool { return p.Function(d.Name).Count() == 0 })
			})
		})
	}
}

func BenchmarkFile(b *testing.B) {
	p := start(b, Options{})
	provision(b, p, provider.Deployment{Name: "file", RuntimeMode: provider.FILE, Replicas: 1,
		RuntimeCommand: `echo 1 > $OUTPUT_FILE`})
	measure(b, p, "file", func() {})
}

func measure(b *testing.B, p *Provider, name string, before func()) {
	inv := provider.Invocation{ExecutionID: "0190-bench", Input: []byte(`{"n":1}`)}
	took := make([]time.Duration, 0, 1<<16)
	p.Invoke(context.Background(), name, inv)
	for b.Loop() {
		before()
		began := time.Now()
		if r := p.Invoke(context.Background(), name, inv); !r.OK() {
			b.Fatal(r.ErrorCode, r.ErrorMessage)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, "median-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1e3, "p99-µs")
}
