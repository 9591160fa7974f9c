package telemetry

import (
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"simplane/core"
)

// series is one function's series of a family, with the value of now.
type series struct {
	family     *family
	function   string
	reason     string                 // "" where the family has no such label
	created    *timestamppb.Timestamp // nil for gauges
	value      float64                // unless it is a histogram
	histograms histograms
	native     bool // with native buckets, which only the protobuf format has
}

// Desc implements prometheus.Metric.
func (s series) Desc() *prometheus.Desc { return s.family.desc }

// Write implements prometheus.Metric. What out has from an earlier series of
// the same type is used again.
func (s series) Write(out *dto.Metric) error {
	out.Label = label(out.Label, 0, &functionLabel, s.function)
	if s.reason != "" {
		out.Label = label(out.Label, 1, &reasonLabel, s.reason)
	} else {
		out.Label = out.Label[:1]
	}
	switch s.family.kind {
	case dto.MetricType_COUNTER:
		if out.Counter == nil {
			out.Counter = &dto.Counter{Value: new(float64)}
		}
		*out.Counter.Value, out.Counter.CreatedTimestamp = s.value, s.created
	case dto.MetricType_GAUGE:
		if out.Gauge == nil {
			out.Gauge = &dto.Gauge{Value: new(float64)}
		}
		*out.Gauge.Value = s.value
	default:
		return s.writeHistogram(out)
	}
	return nil
}

var functionLabel, reasonLabel = "function", "reason"

func label(pairs []*dto.LabelPair, i int, name *string, value string) []*dto.LabelPair {
	if len(pairs) == i {
		pairs = append(pairs, &dto.LabelPair{Name: name, Value: new(string)})
	}
	*pairs[i].Value = value
	return pairs
}

func (s series) writeHistogram(out *dto.Metric) error {
	t := s.histograms.tally(s.native)
	h := out.Histogram
	if s.native {
		// The official client knows how native buckets are written.
		var m dto.Metric
		c, err := prometheus.NewConstNativeHistogram(s.family.desc, t.count, t.sum, t.native, nil, t.zero, nativeSchema, prometheus.DefNativeHistogramZeroThreshold, time.Time{}, s.function)
		if err == nil {
			err = c.Write(&m)
		}
		if err != nil {
			return err
		}
		m.Histogram.Bucket = h.GetBucket()
		h = m.Histogram
	} else if h == nil {
		h = &dto.Histogram{SampleCount: new(uint64), SampleSum: new(float64)}
	}
	*h.SampleCount, *h.SampleSum, h.CreatedTimestamp = t.count, t.sum, s.created
	if h.Bucket == nil {
		h.Bucket = newBuckets()
	}
	cumulative := uint64(0)
	for i, b := range h.Bucket { // the one without a bound is implied
		cumulative += t.classic[i]
		*b.CumulativeCount = cumulative
	}
	out.Histogram = h
	return nil
}

// newBuckets makes the classic buckets of one histogram; they share the bounds.
func newBuckets() []*dto.Bucket {
	made := make([]dto.Bucket, len(classicBounds))
	counts := make([]uint64, len(classicBounds))
	buckets := make([]*dto.Bucket, len(classicBounds))
	for i := range buckets {
		b := &made[i]
		b.CumulativeCount, b.UpperBound = &counts[i], &classicBounds[i]
		buckets[i] = b
	}
	return buckets
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range families {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector: the metrics of all functions. A
// scrape goes through the families itself, to have one in memory at a time.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	functions := m.functions()
	for _, f := range families {
		f.each(functions, func(s series) {
			s.native = true
			ch <- s
		})
	}
}

// counted is a function with what is counted for it.
type counted struct {
	*core.Function
	metrics *functionMetrics
}

// functions are the registered functions, sorted by name.
func (m *Metrics) functions() []counted {
	if m.cores == nil {
		return nil
	}
	cores := m.cores()
	var out []counted
	for _, c := range cores {
		all := c.Functions()
		out = slices.Grow(out, len(all))
		for _, fn := range all {
			if f, ok := fn.Handle().(*functionMetrics); ok {
				out = append(out, counted{fn, f})
			}
		}
	}
	if len(cores) > 1 {
		slices.SortFunc(out, func(a, b counted) int { return strings.Compare(a.Name(), b.Name()) })
	}
	return out
}
