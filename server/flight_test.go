package server

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"simplane/core"
	"simplane/core/recording"
)

func TestFlightRecorderIsOnByDefault(t *testing.T) {
	f := start(t, func(c *Config) { c.Version, c.Commit = "1.2.3", "abc" })
	f.register("a", "LOCAL")
	f.register("b", "LOCAL")
	before := f.get("/v1/admin/flight-recorder").expect(200)
	for range 20 {
		f.post("/v1/functions/a:invoke", `{"input":1}`).expect(200)
	}
	var s struct {
		Enabled                        bool
		Steps, Functions, Bases        int
		FromMillis, ToMillis           int64
		CapacitySteps, RecordedSteps   int
		DroppedSteps, Bytes, BaseBytes int64
	}
	unmarshal(t, f.get("/v1/admin/flight-recorder").expect(200), &s)
	if !s.Enabled || s.CapacitySteps != 131072 || s.Bytes != 8<<20 || s.Steps < 40 || s.Steps != s.RecordedSteps || s.DroppedSteps != 0 ||
		s.Functions < 1 || s.Functions > 2 || s.Bases < 2 || s.FromMillis == 0 || s.ToMillis < s.FromMillis || s.ToMillis > time.Now().UnixMilli()+1000 {
		t.Errorf("before %s, then %+v", before.body, s)
	}

	a := f.post("/v1/admin/flight-recorder:dump", "").expect(200)
	if name := a.header.Get("Content-Disposition"); !strings.Contains(name, `filename="simplane-dump-2`) || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", a.header)
	}
	rec, err := recording.Read(bytes.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	h := rec.Header
	full := f.s.only.core.Config()
	if h.Version != "1.2.3" || h.Commit != "abc" || h.Why != "request" || !h.Names || h.Whole || h.Config != full.ForReplay() {
		t.Errorf("header %+v", h)
	}
	names := map[string]bool{}
	for _, b := range rec.Bases {
		names[b.Spec.Name] = true
	}
	if len(rec.Steps) < 40 || !names["a"] || !names["b"] {
		t.Errorf("%d steps, functions %v", len(rec.Steps), names)
	}
	if log := f.log.String(); !strings.Contains(log, "path=/v1/admin/flight-recorder:dump status=200") || !strings.Contains(log, "file=simplane-dump-") {
		t.Errorf("the dump is not in the audit log: %s", log)
	}
	page := string(f.get("/actuator/prometheus").expect(200).body)
	for _, want := range []string{"simplane_flight_recorder_dumps_total 1", "simplane_flight_recorder_dropped_steps_total 0", "simplane_flight_recorder_steps_total "} {
		if !strings.Contains(page, want) {
			t.Errorf("the metrics do not say %q", want)
		}
	}
	if strings.Contains(page, "simplane_recording_") {
		t.Error("there are metrics of files that nobody asked for")
	}
}

func unmarshal(t *testing.T, a *answer, into any) {
	t.Helper()
	if err := json.Unmarshal(a.body, into); err != nil {
		t.Fatalf("%s: %v", a.body, err)
	}
}

// TestDumpsWaitForEachOther: each of those who ask at once gets one.
func TestDumpsWaitForEachOther(t *testing.T) {
	f := start(t)
	f.register("a", "LOCAL")
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			a, err := f.try(f.api, "POST", "/v1/admin/flight-recorder:dump", "")
			if err != nil || a.status != 200 {
				t.Errorf("%v %+v", err, a)
			}
		})
	}
	all.Wait()
}

func TestFlightRecorderOff(t *testing.T) {
	f := start(t, func(c *Config) { c.FlightRecorderBytes = 0 })
	f.post("/v1/admin/flight-recorder:dump", "").refused(409, "FLIGHT_RECORDER_OFF")
	if got := f.get("/v1/admin/flight-recorder").expect(200).raw("enabled"); got != "false" {
		t.Errorf("enabled: %s", got)
	}
	if strings.Contains(string(f.get("/actuator/prometheus").expect(200).body), "simplane_flight") {
		t.Error("there are metrics of a recorder that is off")
	}
	f.s.DumpFlightRecorder("SIGUSR2")
	if !strings.Contains(f.log.String(), "the flight recorder is off") {
		t.Error("the log does not say that there is nothing to dump")
	}
}

func TestRecordingIntoFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "recordings")
	f := launch(t, func(c *Config) { c.Record, c.FlightRecorderBytes = dir, 0 })
	f.register("a", "LOCAL")
	for range 20 {
		f.post("/v1/functions/a:invoke", `{"input":1}`).expect(200)
	}
	f.post("/v1/admin/flight-recorder:dump", "").refused(409, "FLIGHT_RECORDER_OFF")
	page := string(f.get("/actuator/prometheus").expect(200).body)
	if !strings.Contains(page, "simplane_recording_stopped 0") {
		t.Error("the metrics do not say that recording goes on")
	}
	var s struct{ Recording struct{ Active bool } }
	if unmarshal(t, f.get("/v1/admin/flight-recorder").expect(200), &s); !s.Recording.Active {
		t.Error("it does not say that it records")
	}
	if err := f.shutdown(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.rec"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v %v", files, err)
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	rec, err := recording.Read(bytes.NewReader(raw))
	if err != nil || !rec.Header.Whole || rec.Truncated || len(rec.Steps) < 40 {
		t.Errorf("%v, %d steps, truncated %v, header %+v", err, len(rec.Steps), rec.Truncated, rec.Header)
	}
}

func TestADirectoryThatCannotBeRecordedInto(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.Addr, cfg.MgmtAddr, cfg.Record = "127.0.0.1:0", "127.0.0.1:0", file
	if _, err := New(cfg, slog.New(slog.NewTextHandler(io.Discard, nil))); err == nil || !strings.Contains(err.Error(), "record: ") || !strings.Contains(err.Error(), file) {
		t.Errorf("New: %v", err)
	}
}

// TestAPanicOfATimerIsDumped: what core's timers call is guarded.
func TestAPanicOfATimerIsDumped(t *testing.T) {
	dir := t.TempDir()
	f := start(t, func(c *Config) { c.Record = dir })
	f.register("a", "LOCAL")
	stopped := make(chan any)
	guarded := coreClock{f.s.clock, func(fn func()) func() {
		return func() {
			defer func() { stopped <- recover() }()
			f.s.guarded(fn)()
		}
	}}
	var timer core.Timer = guarded.AfterFunc(1, func() { panic("out of order") })
	if p := <-stopped; p != "out of order" {
		t.Errorf("the panic became %v", p)
	}
	timer.Stop()
	if dumps, err := filepath.Glob(filepath.Join(dir, "simplane-dump-*.rec")); err != nil || len(dumps) != 1 || !strings.Contains(f.log.String(), dumps[0]) {
		t.Errorf("dumps %v, %v; log %s", dumps, err, f.log)
	}
}
