// Package latency records durations in HDR histograms and summarises them.
package latency

import (
	"io"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Range and precision of every histogram: 1 ns to Highest with three
// significant digits (0.1 %), about 230 kB each.
const (
	// Highest is the largest duration kept apart, 120 s in nanoseconds.
	// Longer ones are counted as Highest.
	Highest = 120e9
	digits  = 3
)

// NewHistogram returns an empty histogram of nanoseconds.
func NewHistogram() *hdr.Histogram { return hdr.New(1, Highest, digits) }

// Record adds one duration in nanoseconds, clamped to 0..Highest.
func Record(h *hdr.Histogram, ns int64) {
	// After clamping, RecordValue has no error left to return.
	_ = h.RecordValue(max(0, min(ns, Highest)))
}

// Point is one step of a percentile curve.
type Point struct {
	Percentile float64 `json:"percentile"` // 0..100
	Ms         float64 `json:"ms"`
}

// Summary holds a histogram's usual figures, in milliseconds.
type Summary struct {
	Count  int64   `json:"count"`
	MinMs  float64 `json:"minMs"`
	MeanMs float64 `json:"meanMs"`
	P50Ms  float64 `json:"p50Ms"`
	P90Ms  float64 `json:"p90Ms"`
	P99Ms  float64 `json:"p99Ms"`
	P999Ms float64 `json:"p99.9Ms"`
	P9999  float64 `json:"p99.99Ms"`
	MaxMs  float64 `json:"maxMs"`
	Curve  []Point `json:"curve,omitempty"`
	// HDR is the whole histogram in the HdrHistogram V2 compressed
	// encoding, base64: results can be merged later without loss.
	HDR string `json:"hdr,omitempty"`
}

// Summarize reads the usual percentiles. With full set it also fills Curve
// and HDR.
func Summarize(h *hdr.Histogram, full bool) Summary {
	at := func(p float64) float64 { return ms(h.ValueAtPercentile(p)) }
	s := Summary{
		Count: h.TotalCount(), MinMs: ms(h.Min()), MeanMs: h.Mean() / 1e6,
		P50Ms: at(50), P90Ms: at(90), P99Ms: at(99), P999Ms: at(99.9), P9999: at(99.99),
		MaxMs: ms(h.Max()),
	}
	if full && s.Count > 0 {
		for _, b := range h.CumulativeDistributionWithTicks(5) {
			s.Curve = append(s.Curve, Point{Percentile: b.Quantile, Ms: ms(b.ValueAt)})
		}
		if enc, err := h.Encode(hdr.V2CompressedEncodingCookieBase); err == nil {
			s.HDR = string(enc)
		}
	}
	return s
}

// Percentile returns the value at p (0..100) in milliseconds.
func Percentile(h *hdr.Histogram, p float64) float64 { return ms(h.ValueAtPercentile(p)) }

// WriteHgrm writes the percentile distribution in milliseconds in the text
// form that HdrHistogram's plotters read.
func WriteHgrm(w io.Writer, h *hdr.Histogram) error {
	_, err := h.PercentilesPrint(w, 5, 1e6)
	return err
}

func ms(ns int64) float64 { return float64(ns) / 1e6 }
