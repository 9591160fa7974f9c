package server

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"time"
)

// paceGC trades memory that is to spare for less garbage collection. Retained
// executions make the live heap large and long-lived, and each collection
// marks all of it again: with the runtime's usual doubling that is a tenth of
// the processor under load. As long as live heap is far below a quarter of the
// memory limit, collections may come later; near it the usual pace returns.
// A GOGC or GOMEMLIMIT set by the operator is left alone.
func paceGC(ctx context.Context, memory int64) {
	if memory <= 0 || os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	current := 0
	adapt := func() {
		if p := gcPercent(liveHeap(), memory/4); p != current {
			current = p
			debug.SetGCPercent(p)
		}
	}
	adapt()
	every(ctx, 5*time.Second, adapt)
}

// gcPercent lets the heap grow to budget before a collection, within 100 % and
// 400 % of what is live, in steps so that it does not change all the time.
func gcPercent(live, budget int64) int {
	const step, low, high = 50, 100, 400
	if live <= 0 {
		return high
	}
	percent := math.Floor(float64(budget-live)/float64(live)*100/step) * step
	return int(min(max(percent, low), high))
}

// liveHeap is the heap that the last collection found in use, in bytes.
func liveHeap() int64 { return int64(runtimeMetric("/gc/heap/live:bytes")) }

// runtimeMetric reads one of the runtime's; 0 when it has none of this name.
func runtimeMetric(name string) uint64 {
	sample := []runtimemetrics.Sample{{Name: name}}
	runtimemetrics.Read(sample)
	if sample[0].Value.Kind() != runtimemetrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
