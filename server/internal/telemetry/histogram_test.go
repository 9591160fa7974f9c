package telemetry

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"pgregory.net/rapid"
)

// The official client's histogram, without its bound on buckets, counts the
// same, in classic and in native buckets.
func TestHistogramCountsAsTheOfficialOne(t *testing.T) {
	some := rapid.Custom(func(t *rapid.T) time.Duration {
		if rapid.Bool().Draw(t, "at a bound") {
			bound := rapid.SampledFrom(classicBounds[:]).Draw(t, "bound") * float64(time.Millisecond)
			return time.Duration(bound) + time.Duration(rapid.IntRange(-1, 1).Draw(t, "off"))
		}
		return time.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, "ns")) >> rapid.IntRange(0, 62).Draw(t, "shorter by")
	})
	rapid.Check(t, func(t *rapid.T) {
		official := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "x", Help: "x", Buckets: classicBounds[:], NativeHistogramBucketFactor: 1.1})
		var async, sync histogram
		for i, d := range rapid.SliceOf(some).Draw(t, "durations") {
			official.Observe(millis(d))
			if i%3 == 0 {
				async.observe(d)
			} else {
				sync.observe(d)
			}
		}
		var want, got dto.Metric
		if err := official.Write(&want); err != nil {
			t.Fatal(err)
		}
		f := histogramOf("x", "x", nil)
		if err := (series{family: f, histograms: histograms{&sync, &async}, native: true}).Write(&got); err != nil {
			t.Fatal(err)
		}
		w, g := want.Histogram, got.Histogram
		if math.Abs(w.GetSampleSum()-g.GetSampleSum()) > 1e-9*w.GetSampleSum() {
			t.Errorf("sum %v, want %v", g.GetSampleSum(), w.GetSampleSum())
		}
		w.SampleSum, w.CreatedTimestamp, g.SampleSum = nil, nil, nil
		if w.String() != g.String() {
			t.Errorf("have %s\nwant %s", g, w)
		}
	})
}

// Whoever reads while others observe sees counts that only rise, and buckets
// that agree with the count.
func TestHistogramNeverFalls(t *testing.T) {
	var h histogram
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for i := range 2 {
		writers.Go(func() {
			for d := time.Duration(i); ; d = (d*7 + 1) % time.Minute {
				select {
				case <-stop:
					return
				default:
					h.observe(d)
				}
			}
		})
	}
	var last tally
	for range 300 {
		now := histograms{&h}.tally(true)
		total, native := uint64(0), now.zero
		for i, n := range now.classic {
			total += n
			if n < last.classic[i] {
				t.Fatalf("bucket %d fell from %d to %d", i, last.classic[i], n)
			}
		}
		for bucket, n := range now.native {
			native += uint64(n)
			if n < last.native[bucket] {
				t.Fatalf("native bucket %d fell from %d to %d", bucket, last.native[bucket], n)
			}
		}
		if total != now.count || native != now.count || now.zero < last.zero || now.sum < last.sum {
			t.Fatalf("count %d, in classic buckets %d, in native ones %d; zeros %d after %d, sum %v after %v", now.count, total, native, now.zero, last.zero, now.sum, last.sum)
		}
		last = now
	}
	close(stop)
	writers.Wait()
}
