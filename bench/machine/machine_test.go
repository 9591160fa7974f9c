package machine

import (
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCPUModel(t *testing.T) {
	if got := cpuModel(write(t, "processor\t: 0\nmodel name\t: Example 3000: fast\n")); got != "Example 3000: fast" {
		t.Errorf("got %q", got)
	}
	if got := cpuModel(filepath.Join(t.TempDir(), "missing")); got != "unknown" {
		t.Errorf("missing file gave %q", got)
	}
}

func TestReadCPUTimes(t *testing.T) {
	got, ok := readCPUTimes(write(t, "cpu  10 1 5 100 4 0 2 3 0 0\ncpu0 1 1 1 1\n"))
	if want := (cpuTimes{total: 125, tasks: 16, idle: 104, steal: 3}); !ok || got != want {
		t.Errorf("got %+v %v, want %+v", got, ok, want)
	}
	if _, ok := readCPUTimes(write(t, "nonsense")); ok {
		t.Error("nonsense was read")
	}
}

func TestUsageSeesWork(t *testing.T) {
	from := Now()
	x := 1.0
	for start := processCPU(); processCPU()-start < 50*time.Millisecond; {
		x = math.Sqrt(x + 1)
	}
	u := Since(from)
	if u.ProcessCPU <= 0 || u.ProcessSeconds < 0.05 {
		t.Errorf("50 ms of CPU time left no trace: %+v (%v)", u, x)
	}
}

var sink []byte

func TestUsageSeesGarbageCollection(t *testing.T) {
	from := Now()
	for range 20 {
		sink = make([]byte, 4<<20)
		runtime.GC()
	}
	if u := Since(from); u.GCCPU <= 0 || u.GCCPU > 1 {
		t.Errorf("20 collections are a share of %v", u.GCCPU)
	}
}

func TestQuantileDiff(t *testing.T) {
	buckets := []float64{0, 1, 2, 3, math.Inf(1)}
	from := &metrics.Float64Histogram{Counts: []uint64{100, 0, 0, 0}, Buckets: buckets}
	to := &metrics.Float64Histogram{Counts: []uint64{100, 98, 1, 1}, Buckets: buckets}
	if got := quantileDiff(from, to, 0.5); got != 2 {
		t.Errorf("median of the added values = %v, want 2", got)
	}
	if got := quantileDiff(from, to, 1); got != 3 {
		t.Errorf("the open bucket gives %v, want its lower bound 3", got)
	}
	if got := quantileDiff(to, to, 0.99); got != 0 {
		t.Errorf("nothing added gives %v", got)
	}
}
