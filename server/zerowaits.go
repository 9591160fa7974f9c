package server

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// zeroCounting is a histogram by function whose observations are mostly
// exactly zero, as the wait is of an execution that found a slot free. Those
// are counted by one atomic addition, a fifth of what an observation costs, and
// put into their buckets when the histogram is read.
type zeroCounting struct {
	*prometheus.HistogramVec
	zeros sync.Map // function -> func() uint64
}

// of returns the function's observer of values above zero; zeros tells how
// many were zero.
func (h *zeroCounting) of(function string, zeros func() uint64) prometheus.Observer {
	h.zeros.Store(function, zeros)
	return h.WithLabelValues(function)
}

func (h *zeroCounting) forget(function string) {
	h.zeros.Delete(function)
	h.DeleteLabelValues(function)
}

// Collect implements prometheus.Collector.
func (h *zeroCounting) Collect(ch chan<- prometheus.Metric) {
	inner := make(chan prometheus.Metric)
	go func() {
		h.HistogramVec.Collect(inner)
		close(inner)
	}()
	for m := range inner {
		ch <- withZeros{m, h}
	}
}

type withZeros struct {
	prometheus.Metric
	from *zeroCounting
}

// Write implements prometheus.Metric.
func (m withZeros) Write(out *dto.Metric) error {
	if err := m.Metric.Write(out); err != nil {
		return err
	}
	count, ok := m.from.zeros.Load(out.GetLabel()[0].GetValue()) // its only label
	if !ok {
		return nil
	}
	n := count.(func() uint64)()
	h := out.Histogram
	*h.SampleCount += n
	*h.ZeroCount += n
	for _, b := range h.Bucket {
		*b.CumulativeCount += n
	}
	return nil
}

// waits counts the dispatches that had not waited.
type waits struct{ sync, async atomic.Uint64 }

func (w *waits) ofSync() uint64 { return w.sync.Load() }
func (w *waits) ofAll() uint64  { return w.sync.Load() + w.async.Load() }
