package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"simplane/core"
	"simplane/server/funcspec"
)

// BenchmarkEnqueue has 256 callers enqueue 460 bytes each and wait until that is
// kept: in memory and on disk, without HTTP. cpu-ns/op is what the whole process
// takes, and so the figure to compare on a machine with other work. Each is
// 200,000 enqueues at least to be worth something: -benchtime 200000x.
func BenchmarkEnqueue(b *testing.B) {
	for _, where := range []string{"memory", "disk"} {
		b.Run(where, func(b *testing.B) {
			cfg := DefaultConfig()
			cfg.Addr, cfg.MgmtAddr, cfg.Core.RateMaxPerSecond = "127.0.0.1:0", "127.0.0.1:0", 0
			cfg.Core.MaxExecutions, cfg.Core.SchedulerOff, cfg.ShutdownGrace = 100_000_000, true, 0
			if where == "disk" {
				cfg.DataDir = b.TempDir()
			}
			s, err := New(cfg, slog.New(slog.NewTextHandler(io.Discard, nil)))
			if err != nil {
				b.Fatal(err)
			}
			ctx, stop := context.WithCancel(context.Background())
			ready, served := make(chan struct{}), make(chan struct{})
			s.WhenReady(func() { close(ready) })
			go func() { _ = s.Serve(ctx); close(served) }() // the error is that work is left behind
			<-ready
			var names [4]string
			for i := range names {
				names[i] = fmt.Sprint("f", i)
				spec, err := funcspec.Resolve(funcspec.Input{Name: &names[i], Image: new("i"), ExecutionMode: new(funcspec.ModeLocal), QueueSize: new(1_000_000)})
				if err == nil {
					_, err = s.only.core.Register(spec)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			enqueueAll(b, s, names[:])
			stop()
			<-served
		})
	}
}

func enqueueAll(b *testing.B, s *Server, names []string) {
	input := []byte(`{"input":"` + strings.Repeat("x", 450) + `"}`)
	stored := s.durable.stored()
	var left atomic.Int64
	var all sync.WaitGroup
	left.Store(int64(b.N))
	b.ResetTimer()
	began := processTime()
	for w := range 256 {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				r, err := s.only.core.Submit(&core.Request{Function: names[w%len(names)], Input: input, Borrowed: true})
				if err == nil && stored != nil {
					err = stored(r.LSN)
				}
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(processTime()-began)/float64(b.N), "cpu-ns/op")
	b.StopTimer()
}

// processTime is the CPU that this process has taken.
func processTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
