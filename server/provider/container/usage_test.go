package container_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"simplane/server/harness/containers"
	"simplane/server/provider"
	"simplane/server/provider/container"
)

// figures are the last ones of a function's metrics.
type figures struct {
	mu   sync.Mutex
	last map[string]float64
}

func (f *figures) report(_ string, m provider.Metric, value float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last[m.Type] = value
}

func (f *figures) of(metric string) (v float64, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, known = f.last[metric]
	return v, known
}

// What containers use is what functions are scaled by, in percent of what they request.
func TestWhatContainersUseIsTold(t *testing.T) {
	k := start(t, container.Options{SampleInterval: 200 * time.Millisecond})
	got := &figures{last: map[string]float64{}}
	k.ReportTo(got.report)
	d := deployment(containers.Image(t, k.c, functionPackage))
	d.CPU, d.Memory, d.ScalingStrategy = "1", "200Mi", provider.ScaleInternal
	d.Metrics = []provider.Metric{{Type: "cpu", Target: "50"}, {Type: "memory", Target: "50"}}
	k.provision(d)
	if r := k.invoke("f", "see"); !r.OK() {
		t.Fatalf("%+v", r)
	}
	eventually(t, "an idle one uses little", func() bool {
		cpu, first := got.of("cpu")
		memory, second := got.of("memory")
		return first && second && cpu < 5 && memory < 20
	})
	if r := k.invoke("f", "keep 100"); !r.OK() {
		t.Fatalf("%+v", r)
	}
	eventually(t, "it holds half of its memory", func() bool { v, _ := got.of("memory"); return v > 48 && v < 75 })
	raw, _ := json.Marshal("burn 1m")
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.Invoke(ctx, "f", provider.Invocation{ExecutionID: "burns", Input: raw, Deadline: time.Now().Add(hang)})
	}()
	eventually(t, "it uses the processor", func() bool { v, _ := got.of("cpu"); return v > 20 }) // of a core, on a busy machine
	cancel()
	if err := k.Deprovision(context.Background(), "f"); err != nil {
		t.Error(err)
	}
	<-done
}
