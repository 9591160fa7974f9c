package corebench

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"simplane/bench/latency"
	"simplane/bench/machine"
)

// sampleEvery is how many calls share one latency sample: reading the clock
// twice would otherwise outweigh the short ones.
const sampleEvery = 16

// run is one timed stretch of one case.
type run struct {
	ops, bad      int64
	elapsed       time.Duration
	allocs, bytes uint64
	usage         machine.Usage
	samples       *latency.Histogram
}

// measure calls op from the given number of goroutines for about d.
func measure(op operation, goroutines int, d time.Duration) run {
	var stop atomic.Bool
	var ready, done sync.WaitGroup
	begin := make(chan struct{})
	ops, bad := make([]int64, goroutines), make([]int64, goroutines)
	samples := make([]*latency.Histogram, goroutines)
	for w := range goroutines {
		samples[w] = latency.NewHistogram()
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-begin
			var n, failed int64
			for !stop.Load() {
				t := time.Now()
				ok := op(w)
				samples[w].Record(int64(time.Since(t)))
				if !ok {
					failed++
				}
				for range sampleEvery - 1 {
					if !op(w) {
						failed++
					}
				}
				n += sampleEvery
			}
			ops[w], bad[w] = n, failed
		})
	}
	ready.Wait()
	runtime.GC() // the last case's garbage is not this one's
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	mark, start := machine.Now(), time.Now()
	close(begin)
	time.Sleep(d)
	stop.Store(true)
	done.Wait()
	r := run{elapsed: time.Since(start), usage: machine.Since(mark), samples: latency.NewHistogram()}
	runtime.ReadMemStats(&after)
	r.allocs, r.bytes = after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc
	for w := range goroutines {
		r.ops += ops[w]
		r.bad += bad[w]
		r.samples.Merge(samples[w])
	}
	return r
}
