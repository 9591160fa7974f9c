package telemetry

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"pgregory.net/rapid"

	"simplane/core"
)

// page is the text of a new page.
func (p *plane) page() string {
	p.t.Helper()
	made, err := p.metrics.pages.current(formText)
	if err != nil {
		p.t.Fatal(err)
	}
	plain, err := gzip.NewReader(bytes.NewReader(made.gzip))
	if err != nil {
		p.t.Fatal(err)
	}
	text, err := io.ReadAll(plain)
	if err != nil || len(text) != made.plain {
		p.t.Fatalf("%d bytes of %d: %v", len(text), made.plain, err)
	}
	return string(text)
}

// samples are the values of all functions' series, which must be there once.
func (p *plane) samples() map[string]float64 {
	p.t.Helper()
	var text bytes.Buffer
	for _, f := range families {
		if err := f.writeText(&text, p.metrics.functions()); err != nil {
			p.t.Fatal(err)
		}
	}
	all := map[string]float64{}
	for line := range strings.Lines(text.String()) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		v, err := strconv.ParseFloat(value, 64)
		if _, twice := all[name]; twice || err != nil {
			p.t.Fatalf("%s is there twice, or is no number: %v", line, err)
		}
		all[name] = v
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	if _, err := parser.TextToMetricFamilies(&text); err != nil {
		p.t.Fatal(err)
	}
	return all
}

// The series are those of the registered functions and of what happened to
// them, whatever happened before: compared with a model after each of many
// random steps, and looked at by the official client's strict registry.
func TestMetricsFollowAModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := newPlane(t)
		pedantic := prometheus.NewPedanticRegistry()
		pedantic.MustRegister(p.metrics)
		type known struct {
			fn   *core.Function
			want map[string]float64 // by name and labels after the function's
		}
		live, deleted := map[string]known{}, []known{}
		add := func(k known, series ...string) {
			for _, s := range []string{"function_retry_total", "function_cold_start_total", "function_warm_start_total", "function_duplicate_result_total", "sync_queue_admitted_total"} {
				k.want[s] += 0 // shown from the first call
			}
			for _, s := range series {
				k.want[s]++
			}
		}
		call := func(k known, code, reason string, status core.Status, cold bool) {
			observe := func(ev core.Event) {
				ev.Function, ev.Sync = k.fn, true
				p.metrics.Observe(ev)
			}
			if code != "" && code != core.CodeQueueWait {
				observe(core.Event{Kind: core.EventRejected, Code: code})
				add(k, "function_rejected_total,reason="+code)
				if reason != "" {
					add(k, "sync_queue_rejected_total,reason="+reason)
				}
				return
			}
			observe(core.Event{Kind: core.EventAccepted})
			add(k, "function_enqueue_total", "sync_queue_admitted_total")
			if code != "" {
				observe(core.Event{Kind: core.EventEnded, Status: core.Error, Code: code, E2E: time.Second})
				add(k, "function_error_total", "function_e2e_latency_ms_count", "sync_queue_rejected_total,reason="+reason)
				return
			}
			observe(core.Event{Kind: core.EventDispatched, QueueWait: 0})
			observe(core.Event{Kind: core.EventEnded, Status: status, Service: time.Millisecond, E2E: time.Millisecond, Cold: cold, Init: -1})
			add(k, "function_dispatch_total", "function_queue_wait_ms_count", "sync_queue_wait_ms_count", "function_latency_ms_count", "function_e2e_latency_ms_count")
			add(k, map[core.Status]string{core.Success: "function_success_total", core.Error: "function_error_total", core.Timeout: "function_timeout_total"}[status],
				map[bool]string{false: "function_warm_start_total", true: "function_cold_start_total"}[cold])
		}
		for range rapid.IntRange(1, 20).Draw(rt, "steps") {
			name := rapid.SampledFrom([]string{"a", "b.c", "d-e"}).Draw(rt, "name")
			k, registered := live[name]
			switch rapid.IntRange(0, 4).Draw(rt, "step") {
			case 0:
				if registered {
					if _, err := p.Delete(name); err != nil {
						rt.Fatal(err)
					}
					delete(live, name)
					deleted = append(deleted, k)
					break
				}
				live[name] = known{p.register(name), map[string]float64{
					"function_enqueue_total": 0, "function_dispatch_total": 0, "function_success_total": 0, "function_error_total": 0,
					"function_timeout_total": 0, "function_late_result_total": 0,
					"function_queue_depth": 0, "function_in_flight": 0, "sync_queue_depth": 0, "function_effective_concurrency": 4,
				}}
			case 1: // what still ends after the deletion
				if len(deleted) > 0 {
					call(deleted[len(deleted)-1], "", "", core.Success, false)
				}
			case 2:
				if registered {
					why := rapid.SampledFrom([][2]string{{core.CodeQueueFull, ""}, {core.CodeDepth, "depth"}, {core.CodeQueueWait, "queue_wait"}}).Draw(rt, "why")
					call(k, why[0], why[1], 0, false)
				}
			default:
				if registered {
					call(k, "", "", rapid.SampledFrom([]core.Status{core.Success, core.Error, core.Timeout}).Draw(rt, "status"), rapid.Bool().Draw(rt, "cold"))
				}
			}
			want := map[string]float64{}
			for name, k := range live {
				for s, v := range k.want {
					metric, reason, has := strings.Cut(s, ",reason=")
					labels := fmt.Sprintf("{function=%q}", name)
					if has {
						labels = fmt.Sprintf("{function=%q,reason=%q}", name, reason)
					}
					want[metric+labels] = v
				}
			}
			have := p.samples()
			maps.DeleteFunc(have, func(s string, _ float64) bool { return strings.Contains(s, "_bucket{") || strings.Contains(s, "_sum{") })
			if !maps.Equal(have, want) {
				rt.Fatalf("series\n%v\nwant\n%v", have, want)
			}
			if _, err := pedantic.Gather(); err != nil {
				rt.Fatal(err)
			}
		}
	})
}

// Counters of a function that stays never fall, no series is there twice, and
// none is left, while others are called, deleted and registered again.
func TestScrapesAgainstTrafficAndDeletion(t *testing.T) {
	p := newPlane(t)
	stays := p.register("stays")
	stop := make(chan struct{})
	var busy sync.WaitGroup
	loop := func(f func(i int)) {
		busy.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					f(i)
				}
			}
		})
	}
	for range 2 {
		loop(func(i int) { p.call(stays, time.Duration(i)*time.Microsecond) })
	}
	loop(func(i int) {
		name := fmt.Sprint("comes", i%3)
		fn := p.register(name)
		p.call(fn, time.Millisecond)
		if _, err := p.Delete(name); err != nil {
			t.Error(err)
		}
		p.metrics.Observe(core.Event{Kind: core.EventLateResult, Function: fn})
		p.metrics.Observe(core.Event{Kind: core.EventRejected, Function: fn, Code: core.CodeNotFound})
	})
	last := map[string]float64{}
	for range 30 {
		now := p.samples()
		for name, v := range now {
			if strings.Contains(name, `"stays"`) && v < last[name] {
				t.Errorf("%s fell from %v to %v", name, last[name], v)
			}
		}
		last = now
	}
	close(stop)
	busy.Wait()
	for name := range p.samples() {
		if !strings.Contains(name, `"stays"`) {
			t.Errorf("%s is left", name)
		}
	}
}

// Counting allocates nothing, once a function has been called.
func TestObservingAllocatesNothing(t *testing.T) {
	p := newPlane(t)
	fn := p.register("f")
	once := func() {
		p.call(fn, 300*time.Microsecond)
		p.metrics.Observe(core.Event{Kind: core.EventRejected, Function: fn, Sync: true, Code: core.CodeDepth})
		p.metrics.Observe(core.Event{Kind: core.EventAccepted, Function: fn})
		p.metrics.Observe(core.Event{Kind: core.EventEnded, Function: fn, Status: core.Timeout, E2E: time.Second})
	}
	once()
	if n := testing.AllocsPerRun(100, once); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What a function needs at most before its first call, and what its series
// need on the page.
func TestAQuietFunctionIsSmall(t *testing.T) {
	const functions, bytesOnPage = 1000, 600
	p := newPlane(t)
	empty := len(p.page())
	for i := range functions {
		p.register(fmt.Sprint("function-", i))
	}
	if each := (len(p.page()) - empty) / functions; each > bytesOnPage {
		t.Errorf("%d bytes on the page for a function that was never called, %d are allowed", each, bytesOnPage)
	}
}
