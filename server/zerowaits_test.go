package server

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// A histogram whose zeros are counted apart must read as one that observed
// them all.
func TestZeroWaitsAreInTheHistogram(t *testing.T) {
	opts := prometheus.HistogramOpts{Name: "h", Buckets: []float64{0.5, 5, 50}, NativeHistogramBucketFactor: 1.1}
	plain := prometheus.NewHistogramVec(opts, []string{"function"})
	zeros := uint64(7)
	counting := &zeroCounting{HistogramVec: prometheus.NewHistogramVec(opts, []string{"function"})}
	observer := counting.of("f", func() uint64 { return zeros })
	for range zeros {
		plain.WithLabelValues("f").Observe(0)
	}
	for _, v := range []float64{0.2, 3, 3, 700} {
		plain.WithLabelValues("f").Observe(v)
		observer.Observe(v)
	}
	want, got := gathered(t, plain), gathered(t, counting)
	want.CreatedTimestamp, got.CreatedTimestamp = nil, nil
	if want.String() != got.String() {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if got.GetSampleCount() != 11 || got.GetZeroCount() != 7 || got.Bucket[0].GetCumulativeCount() != 8 {
		t.Errorf("%v", got)
	}

	counting.forget("f")
	registry := prometheus.NewRegistry()
	registry.MustRegister(counting)
	if families, err := registry.Gather(); err != nil || len(families) != 0 {
		t.Errorf("a forgotten function is still shown: %v %v", families, err)
	}
}

func gathered(t *testing.T, c prometheus.Collector) *dto.Histogram {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil || len(families) != 1 || len(families[0].Metric) != 1 {
		t.Fatalf("%v %v", families, err)
	}
	return families[0].Metric[0].Histogram
}
