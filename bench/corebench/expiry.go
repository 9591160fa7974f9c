package corebench

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"simplane/bench/latency"
	"simplane/core"
)

const countedFrom = 10_000

// Expiry is the cost of expiring a full store, and its effect on look-ups.
type Expiry struct {
	Size int `json:"size"`
	// BytesPerRecord is the heap a stored execution takes, with input and
	// output of some forty bytes each; 0 below countedFrom records, where
	// the fixed parts would drown it.
	BytesPerRecord float64 `json:"bytesPerRecord"`
	NanosPerRecord float64 `json:"nanosPerRecord"` // of Sweep
	Sweeps         int     `json:"sweeps"`         // calls it took
	// Quiet and Sweeping are latencies of look-ups by another goroutine
	// before and while the store is swept.
	Quiet    latency.Summary `json:"quiet"`
	Sweeping latency.Summary `json:"sweeping"`
}

// expire fills a store, advances the clock past the TTLs and sweeps it.
func expire(size int) (Expiry, error) {
	// Engines of earlier cases hold their records until their own expiry.
	time.Sleep(2 * retention)
	ids := make([]core.ID, size)
	before := heap()
	clock := &handClock{}
	c, err := engine(cycleConfig(), clock, instant{}, 1, 1000, 1000)
	if err != nil {
		return Expiry{}, err
	}
	if err := fill(c, ids); err != nil {
		return Expiry{}, err
	}
	e := Expiry{Size: size}
	if size >= countedFrom {
		e.BytesPerRecord = float64(heap()-before) / float64(size)
	}
	look := func(n uint64) { c.Execution(ids[n%uint64(size)]) }
	e.Quiet = probe(look, func() { time.Sleep(50 * time.Millisecond) })

	clock.at.Store(int64(time.Hour))
	var took time.Duration
	e.Sweeping = probe(look, func() {
		// Sweeps may work in batches; the bound guards against one that
		// never gets there.
		for c.Gauges().StoredExecutions > 0 && e.Sweeps < size+1000 {
			start := time.Now()
			c.Sweep()
			took += time.Since(start)
			e.Sweeps++
		}
	})
	if left := c.Gauges().StoredExecutions; left > 0 {
		return e, fmt.Errorf("expiry: %d executions are left after %d sweeps", left, e.Sweeps)
	}
	e.NanosPerRecord = float64(took.Nanoseconds()) / float64(size)
	return e, nil
}

// probe calls op from a goroutine of its own while work runs.
func probe(op func(n uint64), work func()) latency.Summary {
	var stop atomic.Bool
	var done sync.WaitGroup
	h := latency.NewHistogram()
	started := make(chan struct{})
	done.Go(func() {
		close(started)
		for n := uint64(0); !stop.Load(); n++ {
			t := time.Now()
			op(n)
			h.Record(int64(time.Since(t)))
		}
	})
	<-started
	work()
	stop.Store(true)
	done.Wait()
	return latency.Summarize(h, false)
}

// heap is what is in use after collecting twice: the first collection only
// moves pooled objects to where the second one takes them.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
