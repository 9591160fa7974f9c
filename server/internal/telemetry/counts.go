package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"simplane/core"
)

// Counts are one function's figures since it was registered.
type Counts struct {
	Enqueued, Dispatched, Success, Error, Timeout, Retries, ColdStarts, Rejected int64
}

// CountsOf reads a function's counters back.
func CountsOf(fn *core.Function) (c Counts) {
	f, ok := fn.Handle().(*functionMetrics)
	if !ok {
		return c
	}
	return Counts{
		Enqueued: count(f.enqueue), Dispatched: count(f.dispatch),
		Success: count(f.success), Error: count(f.failure), Timeout: count(f.timeout),
		Retries: count(f.retry), ColdStarts: count(f.cold), Rejected: f.refused.Load(),
	}
}

// count reads a counter back.
func count(c prometheus.Counter) int64 {
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		return 0
	}
	return int64(m.GetCounter().GetValue())
}
