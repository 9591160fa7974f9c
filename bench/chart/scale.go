package chart

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Scale maps values to an axis.
type Scale int

const (
	Linear Scale = iota
	Log
	// Percentile spreads 0..100 by the number of nines, as HDR plots do.
	Percentile
	// Seconds is linear, with labels such as 90s as 1m30s.
	Seconds
)

// position maps v into an unbounded coordinate that is linear on the axis.
func (s Scale) position(v float64) float64 {
	switch s {
	case Log:
		return math.Log10(math.Max(v, 1e-9))
	case Percentile:
		return math.Log10(100 / math.Max(100-v, 1e-4))
	default:
		return v
	}
}

type tick struct {
	value float64
	label string
}

// ticks picks round values within lo..hi (both in values, not positions).
func (s Scale) ticks(lo, hi float64) []tick {
	var out []tick
	add := func(v float64, label string) {
		if p, l, h := s.position(v), s.position(lo), s.position(hi); p >= l-1e-9 && p <= h+1e-9 {
			out = append(out, tick{v, label})
		}
	}
	switch s {
	case Percentile:
		for _, v := range []float64{0, 50, 90, 99, 99.9, 99.99, 99.999, 99.9999} {
			add(v, fmt.Sprintf("%v%%", v))
		}
	case Log:
		for e := math.Floor(math.Log10(lo)); e <= math.Ceil(math.Log10(hi)); e++ {
			for _, m := range []float64{1, 2, 5} {
				add(m*math.Pow(10, e), number(m*math.Pow(10, e)))
			}
		}
		// A wide range gets whole powers of ten only.
		if len(out) > 8 {
			kept := out[:0]
			for _, t := range out {
				if l := math.Log10(t.value); math.Abs(l-math.Round(l)) < 1e-6 {
					kept = append(kept, t)
				}
			}
			out = kept
		}
	case Seconds:
		step := niceSeconds((hi - lo) / 5)
		for v := math.Ceil(lo/step) * step; v <= hi+step/1e6; v += step {
			add(v, span(v))
		}
	default:
		step := niceStep((hi - lo) / 5)
		for v := math.Ceil(lo/step) * step; v <= hi+step/1e6; v += step {
			add(v, number(v))
		}
	}
	return out
}

func niceStep(raw float64) float64 {
	if !(raw > 0) {
		return 1
	}
	base := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 5, 10} {
		if raw <= m*base {
			return m * base
		}
	}
	return 10 * base
}

// niceSeconds is niceStep for times that people read in minutes and hours.
func niceSeconds(raw float64) float64 {
	const minute, hour, day = 60, 3600, 24 * 3600
	switch {
	case raw <= 10:
		return niceStep(raw)
	case raw > day:
		return day * niceStep(raw/day)
	}
	for _, step := range []float64{15, 30, minute, 2 * minute, 5 * minute, 10 * minute, 15 * minute, 30 * minute, hour, 2 * hour, 6 * hour, 12 * hour} {
		if raw <= step {
			return step
		}
	}
	return day
}

// span writes seconds without the zero parts of a Duration: 1h, not 1h0m0s.
func span(seconds float64) string {
	s := time.Duration(math.Round(seconds * 1e9)).String()
	s = strings.TrimSuffix(s, "0s")
	if !strings.HasSuffix(s, "m") {
		return time.Duration(math.Round(seconds * 1e9)).String()
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// number writes v briefly: 1.5k, 20, 0.05.
func number(v float64) string {
	abs := math.Abs(v)
	for _, u := range []struct {
		size float64
		sign string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if abs >= u.size*0.9999999 {
			return trim(v/u.size) + u.sign
		}
	}
	return trim(v)
}

func trim(v float64) string {
	if v == 0 {
		return "0" // not "-0", which rounding up makes
	}
	digits := 0
	if abs := math.Abs(v); abs > 0 && abs < 100 {
		digits = max(0, 2-int(math.Floor(math.Log10(abs))))
	}
	s := fmt.Sprintf("%.*f", min(digits, 9), v)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}
