package server

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"simplane/core"
	"simplane/server/funcspec"
)

// series scrapes one sample of the text exposition; -1 when it is not there.
func (f *fixture) series(name string) float64 {
	f.t.Helper()
	for line := range strings.Lines(string(f.get("/actuator/prometheus").expect(200).body)) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				f.t.Fatalf("sample %q: %v", line, err)
			}
			return v
		}
	}
	return -1
}

// The names are an interface: dashboards and scalers ask for them.
func TestPrometheusEndpointHasTheDocumentedMetrics(t *testing.T) {
	cold := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Cold-Start", "true")
		w.Header().Set("X-Init-Duration-Ms", "120")
		fmt.Fprint(w, `{}`)
	}))
	defer cold.Close()
	f := start(t)
	f.register("fn", "POOL", fmt.Sprintf(`"endpointUrl":%q`, cold.URL))
	f.invoke("fn", `1`).expect(200)

	for _, a := range []*answer{f.get("/actuator/prometheus"), f.onMgmt("GET", "/actuator/prometheus", "")} {
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(strings.NewReader(string(a.expect(200).body)))
		if err != nil {
			t.Fatalf("not the text exposition: %v", err)
		}
		for kind, names := range map[string]string{
			"COUNTER": "function_enqueue_total function_dispatch_total function_success_total function_error_total function_timeout_total " +
				"function_retry_total function_cold_start_total function_warm_start_total sync_queue_admitted_total",
			"GAUGE":     "function_queue_depth function_in_flight sync_queue_depth go_goroutines process_resident_memory_bytes",
			"HISTOGRAM": "function_latency_ms function_queue_wait_ms function_e2e_latency_ms function_init_duration_ms sync_queue_wait_ms",
		} {
			for name := range strings.FieldsSeq(names) {
				family := families[name]
				switch {
				case family == nil:
					t.Errorf("%s is missing", name)
				case family.GetType().String() != kind:
					t.Errorf("%s is a %s, want a %s", name, family.GetType(), kind)
				case family.GetHelp() == "":
					t.Errorf("%s has no help text", name)
				case strings.HasPrefix(name, "function_") || strings.HasPrefix(name, "sync_"):
					if l := family.GetMetric()[0].GetLabel(); len(l) != 1 || l[0].GetName() != "function" || l[0].GetValue() != "fn" {
						t.Errorf("%s has labels %v", name, l)
					}
				}
			}
		}
	}
}

func TestMetricsCountWhatHappened(t *testing.T) {
	cold := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Cold-Start", "true")
		if r.Header.Get("X-Trace-Id") != "untimed" {
			w.Header().Set("X-Init-Duration-Ms", "120")
		}
		fmt.Fprint(w, `{}`)
	}))
	defer cold.Close()
	f := start(t)
	g := f.hold("slow")
	f.s.HandleLocal("bad", func(core.Task) ([]byte, error) { return nil, fmt.Errorf("no") })
	f.register("slow", "LOCAL", `"concurrency":1,"queueSize":2`)
	f.register("bad", "LOCAL", `"maxRetries":2`)
	f.register("cold", "POOL", fmt.Sprintf(`"endpointUrl":%q`, cold.URL))

	f.enqueue("slow", `1`).expect(202)
	f.enqueue("slow", `2`).expect(202)
	waiting := make(chan *answer, 1)
	go func() {
		a, _ := f.try(f.api, "POST", "/v1/functions/slow:invoke", `{"input":3}`)
		waiting <- a
	}()
	f.eventually("the queue is full", func() bool { return f.series(`function_queue_depth{function="slow"}`) == 2 })
	f.enqueue("slow", `4`).refused(429, "QUEUE_FULL")
	expect := func(samples map[string]float64) {
		t.Helper()
		for name, want := range samples {
			if got := f.series(name); got != want {
				t.Errorf("%s = %v, want %v", name, got, want)
			}
		}
	}
	expect(map[string]float64{
		`function_in_flight{function="slow"}`:     1,
		`sync_queue_depth{function="slow"}`:       1,
		`function_enqueue_total{function="slow"}`: 3, `function_dispatch_total{function="slow"}`: 1,
		`function_rejected_total{function="slow",reason="QUEUE_FULL"}`: 1,
		`function_success_total{function="slow"}`:                      0, // present before the first success
	})
	g.open()
	receive(t, "the sync caller", waiting)
	f.invoke("bad", `1`).expect(200)
	f.invoke("cold", `1`).expect(200)
	f.invoke("cold", `1`, "X-Trace-Id", "untimed").expect(200)
	expect(map[string]float64{
		`function_in_flight{function="slow"}`: 0, `function_queue_depth{function="slow"}`: 0, `sync_queue_depth{function="slow"}`: 0,
		`function_success_total{function="slow"}`: 3, `function_warm_start_total{function="slow"}`: 3, `function_cold_start_total{function="slow"}`: 0,
		`sync_queue_admitted_total{function="slow"}`: 1, `sync_queue_wait_ms_count{function="slow"}`: 1,
		`function_latency_ms_count{function="slow"}`: 3, `function_e2e_latency_ms_count{function="slow"}`: 3, `function_queue_wait_ms_count{function="slow"}`: 3,

		`function_dispatch_total{function="bad"}`: 3, `function_retry_total{function="bad"}`: 2, `function_error_total{function="bad"}`: 1,
		`function_success_total{function="bad"}`: 0,

		`function_cold_start_total{function="cold"}`: 2, `function_warm_start_total{function="cold"}`: 0,
		`function_init_duration_ms_count{function="cold"}`: 1, `function_init_duration_ms_sum{function="cold"}`: 120,
	})
}

func TestMetricsOfADeletedFunctionGo(t *testing.T) {
	f := start(t)
	g := f.hold("fn")
	f.register("fn", "LOCAL", `"concurrency":1,"queueSize":1`)
	f.enqueue("fn", `1`).expect(202)
	f.enqueue("fn", `2`).expect(202)
	f.enqueue("fn", `3`).refused(429, "QUEUE_FULL")
	task := g.arrival(t)
	f.do("DELETE", "/v1/functions/fn", "").expect(204)
	gone := func() bool { return !strings.Contains(string(f.get("/actuator/prometheus").body), `function="fn"`) }
	if !gone() {
		t.Error("series of the deleted function are still there")
	}
	// What still runs must not bring them back.
	g.open()
	f.ended(task.ID.String())
	if !gone() {
		t.Error("series of the deleted function came back")
	}

	f.register("fn", "LOCAL")
	f.invoke("fn", `1`).expect(200)
	if n := f.series(`function_success_total{function="fn"}`); n != 1 {
		t.Errorf("the new function of that name has counted %v successes, want 1", n)
	}
}

// Deleting a function and registering its successor may reach the observer in
// the other order: the successor's series stay.
func TestMetricsOfASuccessorSurvive(t *testing.T) {
	f := build(t)
	m := f.s.metrics
	spec, err := funcspec.Resolve(funcspec.Input{Name: new("fn"), Image: new("i"), ExecutionMode: new(funcspec.ModeLocal)})
	if err != nil {
		t.Fatal(err)
	}
	old, _ := f.s.only.core.Register(spec)
	if _, err := f.s.only.core.Delete("fn"); err != nil {
		t.Fatal(err)
	}
	successor, _ := f.s.only.core.Register(spec)
	m.Observe(core.Event{Kind: core.EventFunctionDeleted, Function: old})
	m.Observe(core.Event{Kind: core.EventRejected, Function: old, Code: core.CodeNotFound})
	m.Observe(core.Event{Kind: core.EventAccepted, Function: successor})
	f.serve()
	defer func() { _ = f.shutdown() }()
	if n := f.series(`function_enqueue_total{function="fn"}`); n != 1 {
		t.Errorf("function_enqueue_total is %v, want 1", n)
	}
	if n := f.series(`function_rejected_total{function="fn",reason="NOT_FOUND"}`); n != -1 {
		t.Errorf("a refusal of the deleted function counts for its successor: %v", n)
	}
}
