package latency

import hdr "github.com/HdrHistogram/hdrhistogram-go"

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
	P95Ms  float64 `json:"p95Ms"`
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
func Summarize(h *Histogram, full bool) Summary {
	at := func(p float64) float64 { return Percentile(h, p) }
	s := Summary{
		Count: h.Count(), MinMs: ms(h.Min()), MeanMs: ms(h.Mean()),
		P50Ms: at(50), P90Ms: at(90), P95Ms: at(95), P99Ms: at(99), P999Ms: at(99.9), P9999: at(99.99),
		MaxMs: ms(h.Max()),
	}
	if full && s.Count > 0 {
		all := h.full()
		for _, b := range all.CumulativeDistributionWithTicks(5) {
			s.Curve = append(s.Curve, Point{Percentile: b.Quantile, Ms: ms(min(b.ValueAt*int64(h.Unit), h.Max()))})
		}
		if enc, err := all.Encode(hdr.V2CompressedEncodingCookieBase); err == nil {
			s.HDR = string(enc)
		}
	}
	return s
}

// Percentile returns the value at p (0..100) in milliseconds.
func Percentile(h *Histogram, p float64) float64 { return ms(h.Percentile(p)) }

func ms(ns int64) float64 { return float64(ns) / 1e6 }
