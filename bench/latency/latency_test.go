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

func ramp(n int) *hdr.Histogram {
	h := NewHistogram()
	for i := 1; i <= n; i++ {
		Record(h, int64(i)*int64(time.Microsecond))
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
	if again := Summarize(back, false); again.P99Ms != s.P99Ms || again.Count != s.Count {
		t.Errorf("decoded histogram differs: %+v", again)
	}
}

func TestRecordClamps(t *testing.T) {
	h := NewHistogram()
	Record(h, -5)
	Record(h, math.MaxInt64)
	if h.TotalCount() != 2 {
		t.Fatalf("count %d, want both values kept", h.TotalCount())
	}
	if got := float64(h.Max()); math.Abs(got/Highest-1) > 0.001 {
		t.Errorf("max %v, want the upper bound", got)
	}
}

// The export is parsed back line by line, as a plotter would.
func TestHgrmParsesBack(t *testing.T) {
	h := ramp(50_000)
	var buf bytes.Buffer
	if err := WriteHgrm(&buf, h); err != nil {
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
	if got := drained.TotalCount(); got != 8000 {
		t.Errorf("drained %d, want 8000", got)
	}
	if got := s.Merged().TotalCount(); got != 0 {
		t.Errorf("%d left after drain", got)
	}
}
