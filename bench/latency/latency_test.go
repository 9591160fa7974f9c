package latency

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

func ramp(n int) *Histogram {
	h := NewHistogram()
	for i := 1; i <= n; i++ {
		h.Record(int64(i) * int64(time.Microsecond))
	}
	return h
}

func TestSummarizeUniformRamp(t *testing.T) {
	s := Summarize(ramp(100_000), true)
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"min", s.MinMs, 0.001}, {"mean", s.MeanMs, 50}, {"p50", s.P50Ms, 50}, {"p90", s.P90Ms, 90},
		{"p99", s.P99Ms, 99}, {"p99.9", s.P999Ms, 99.9}, {"p99.99", s.P9999, 99.99}, {"max", s.MaxMs, 100},
	} {
		if math.Abs(c.got/c.want-1) > 0.002 {
			t.Errorf("%s = %v ms, want %v within the histogram's 0.1%%", c.name, c.got, c.want)
		}
	}
	back, err := hdr.Decode([]byte(s.HDR))
	if err != nil {
		t.Fatal(err)
	}
	if back.TotalCount() != s.Count || ms(back.ValueAtPercentile(99)) != s.P99Ms {
		t.Errorf("decoded histogram has %d values, p99 %d ns", back.TotalCount(), back.ValueAtPercentile(99))
	}
}

func TestRecordClamps(t *testing.T) {
	h := NewHistogram()
	h.Record(-5)
	h.Record(10 * Highest)
	if h.Count() != 2 || h.Min() != 0 || h.Max() != 10*Highest || h.Mean() != 5*Highest {
		t.Fatalf("%d values, %d to %d, mean %d", h.Count(), h.Min(), h.Max(), h.Mean())
	}
	if got := float64(h.Percentile(100)); math.Abs(got/Highest-1) > 0.001 {
		t.Errorf("p100 %v, want the upper bound", got)
	}
}

// The export is parsed back line by line, as a plotter would.
func TestHgrmParsesBack(t *testing.T) {
	h := ramp(50_000)
	var buf bytes.Buffer
	if err := h.WriteHgrm(&buf); err != nil {
		t.Fatal(err)
	}
	var rows, lastCount int64
	var total int64
	sc := bufio.NewScanner(&buf)
	for sc.Scan() {
		line := strings.TrimSpace(sc.Text())
		switch {
		case line == "" || strings.HasPrefix(line, "Value"):
		case strings.HasPrefix(line, "#[Max"):
			var maxMs float64
			if _, err := fmt.Sscanf(line, "#[Max     = %f, Total count    = %d]", &maxMs, &total); err != nil {
				t.Fatalf("footer %q: %v", line, err)
			}
		case strings.HasPrefix(line, "#"):
		default:
			var value, p float64
			var count int64
			var inv string
			if _, err := fmt.Sscan(line, &value, &p, &count, &inv); err != nil {
				t.Fatalf("row %q: %v", line, err)
			}
			if count < lastCount {
				t.Fatalf("counts go back at %q", line)
			}
			if want := Percentile(h, p*100); math.Abs(value-want) > want*0.002+0.001 {
				t.Errorf("row %q: histogram has %v ms there", line, want)
			}
			lastCount = count
			rows++
		}
	}
	if rows < 20 || lastCount != 50_000 || total != 50_000 {
		t.Errorf("rows %d, last count %d, total %d", rows, lastCount, total)
	}
}

func TestShardedLosesNothing(t *testing.T) {
	s := NewSharded(3)
	drained := NewHistogram()
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 1000 {
				s.Record(w, int64(i))
				if w == 0 && i%100 == 0 {
					s.Drain(drained)
				}
			}
		})
	}
	wg.Wait()
	s.Drain(drained)
	if got := drained.Count(); got != 8000 {
		t.Errorf("drained %d, want 8000", got)
	}
	if got := s.Merged().Count(); got != 0 {
		t.Errorf("%d left after drain", got)
	}
}

// Extremes and mean are exact whatever the precision; percentiles are not, and
// the range around one says by how much.
func TestPrecision(t *testing.T) {
	h := &Histogram{Precision: Precision{Unit: time.Microsecond, Highest: 24 * time.Hour, Digits: 2}}
	if h.Percentile(50) != 0 || h.Min() != 0 || h.Mean() != 0 {
		t.Error("an empty histogram has values")
	}
	values := []int64{1_234_567_891, 700, 5_000_000_000}
	other := &Histogram{Precision: h.Precision}
	for i, v := range values {
		[]*Histogram{h, other}[i%2].Record(v)
	}
	h.Merge(other)
	h.Merge(&Histogram{Precision: h.Precision})
	if h.Count() != 3 || h.Min() != 700 || h.Max() != 5_000_000_000 || h.Mean() != (values[0]+values[1]+values[2])/3 {
		t.Errorf("%d values, %d to %d, mean %d", h.Count(), h.Min(), h.Max(), h.Mean())
	}
	if low, high := h.PercentileRange(50); low > values[0] || high < values[0] || float64(high-low) > 0.01*float64(values[0]) || h.Percentile(50) != high-999 {
		t.Errorf("p50 %d is in %d to %d, want %d in there", h.Percentile(50), low, high, values[0])
	}
	if low, high := h.PercentileRange(0); low != 0 || high != 999 {
		t.Errorf("p0 is in %d to %d", low, high)
	}
	var counted int64
	for _, n := range h.Bars() {
		counted += n
	}
	if counted != 3 {
		t.Errorf("%d values in the bars", counted)
	}
	h.Reset()
	if h.Count() != 0 || h.Percentile(99) != 0 || h.Max() != 0 {
		t.Error("not empty after Reset")
	}
}
