package core

import (
	"fmt"
	"testing"
	"time"
)

// internal returns a change of a spec to strategy INTERNAL within low and
// high; more adjusts the scaling config.
func internal(low, high int, more ...func(*ScalingConfigInput)) func(*SpecInput) {
	return func(in *SpecInput) {
		sc := &ScalingConfigInput{Strategy: ptr("INTERNAL"), MinReplicas: &low, MaxReplicas: &high}
		for _, f := range more {
			f(sc)
		}
		in.ScalingConfig = sc
	}
}

func metric(kind string, target float64) func(*ScalingConfigInput) {
	return func(sc *ScalingConfigInput) {
		m := ScalingMetric{Type: kind, Target: target}
		if kind == "prometheus" {
			m.Name = "lag"
		}
		sc.Metrics = append(sc.Metrics, m)
	}
}

func perPod(mode string, target int) func(*ScalingConfigInput) {
	return func(sc *ScalingConfigInput) {
		sc.ConcurrencyControl = &ConcurrencyControlInput{Mode: &mode, TargetInFlightPerPod: &target}
	}
}

// calls records what a Scaler was asked for and does nothing.
type calls struct{ asked []int }

func (c *calls) SetReplicas(_ *Function, n int) { c.asked = append(c.asked, n) }

func (c *calls) last() int {
	if len(c.asked) == 0 {
		return -1
	}
	return c.asked[len(c.asked)-1]
}

func TestWantedReplicas(t *testing.T) {
	type figures struct {
		queued, inFlight, ready, desired int
		cpu, lag                         float64 // < 0: not told
	}
	untold := func(f figures) figures { f.cpu, f.lag = -1, -1; return f }
	metrics := func(m ...func(*ScalingConfigInput)) []func(*ScalingConfigInput) { return m }
	for _, c := range []struct {
		name    string
		metrics []func(*ScalingConfigInput)
		at      figures
		want    int
	}{
		{"queue depth is a total", metrics(metric("queue_depth", 5)), untold(figures{queued: 11, ready: 1}), 3},
		{"exactly on target", metrics(metric("queue_depth", 5)), untold(figures{queued: 10, ready: 7}), 2},
		{"in flight is a total", metrics(metric("in_flight", 2)), untold(figures{inFlight: 7, ready: 3}), 4},
		{"the greatest counts", metrics(metric("in_flight", 2), metric("queue_depth", 1)), untold(figures{queued: 6, inFlight: 4}), 6},
		{"at most the maximum", metrics(metric("queue_depth", 1)), untold(figures{queued: 500}), 20},
		{"work wants one", metrics(metric("queue_depth", 5)), untold(figures{inFlight: 1}), 1},
		{"no work wants none", metrics(metric("queue_depth", 5)), untold(figures{ready: 4, desired: 4}), 0},
		{"cpu is a ratio of the ready", metrics(metric("cpu", 50)), figures{inFlight: 1, ready: 4, cpu: 80, lag: -1}, 7},
		{"cpu on target stays", metrics(metric("cpu", 0.7)), figures{inFlight: 1, ready: 10, cpu: 0.49, lag: -1}, 7},
		{"cpu while most instances start", metrics(metric("cpu", 50)), figures{inFlight: 1, ready: 1, desired: 8, cpu: 100, lag: -1}, 2},
		{"cpu of no instance holds", metrics(metric("cpu", 50)), figures{inFlight: 1, ready: 0, desired: 3, cpu: 80, lag: -1}, 3},
		{"an untold figure holds", metrics(metric("cpu", 50), metric("in_flight", 1)), untold(figures{inFlight: 1, ready: 4, desired: 4}), 4},
		{"others raise beside an untold one", metrics(metric("cpu", 50), metric("in_flight", 1)), untold(figures{inFlight: 6, ready: 4, desired: 4}), 6},
		{"prometheus asks without work", metrics(metric("prometheus", 10)), figures{ready: 2, lag: 45, cpu: -1}, 9},
		{"no metrics: all work at the target", metrics(perPod("STATIC_PER_POD", 3)), untold(figures{queued: 10, inFlight: 3}), 5},
		{"no metrics, FIXED: no more than slots fill", nil, untold(figures{queued: 50, inFlight: 4}), 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t, func(cfg *Config) { cfg.Scaler = &calls{} })
			fn := b.register("f", internal(0, 20, c.metrics...))
			now := b.clock.Now().Mono
			a := fn.auto.Load()
			a.policy.desired = c.at.desired
			if c.at.cpu >= 0 {
				a.report("cpu", "", c.at.cpu, c.at.ready, now)
			}
			if c.at.lag >= 0 {
				a.report("prometheus", "lag", c.at.lag, c.at.ready, now)
			}
			got, _ := a.want(fn, load{queued: c.at.queued, inFlight: c.at.inFlight, slots: 4, ready: c.at.ready, now: now})
			wantEqual(t, "replicas", got, c.want)
		})
	}
}

func TestReplicasForRoundsUpExactly(t *testing.T) {
	// Against integers, so that no float decides what is right.
	for total := 0; total <= 3000; total++ {
		for _, tenths := range []int{1, 2, 3, 7, 10, 25, 33, 70} {
			want := min((total*10+tenths-1)/tenths, MaxReplicasBound)
			got := replicasFor(float64(total) / (float64(tenths) / 10))
			if got != want {
				t.Fatalf("%d at %d tenths: %d replicas, want %d", total, tenths, got, want)
			}
		}
	}
	wantEqual(t, "too many", replicasFor(1e300), MaxReplicasBound)
}

func TestReportedFigureGoesStale(t *testing.T) {
	b := newBed(t, func(cfg *Config) { cfg.Scaler = &calls{} })
	fn := b.register("f", internal(0, 20, metric("cpu", 50)))
	fn.auto.Load().report("cpu", "", 200, 2, 0)
	fn.auto.Load().policy.desired = 3
	at := load{inFlight: 1, slots: 4, ready: 2, now: int64(reportMaxAge)}
	got, _ := fn.auto.Load().want(fn, at)
	wantEqual(t, "at its maximum age", got, 8)
	at.now++
	got, _ = fn.auto.Load().want(fn, at)
	wantEqual(t, "older: hold", got, 3)
}

// TestReportedFigureIsOfItsInstances: a figure does not ask for more because
// instances have come, or for less because they went, since it was told.
func TestReportedFigureIsOfItsInstances(t *testing.T) {
	b := newBed(t, func(cfg *Config) { cfg.Scaler = &calls{} })
	fn := b.register("f", internal(1, 20, metric("cpu", 60)))
	check := func(name string, ready, want int) {
		t.Helper()
		got, _ := fn.auto.Load().want(fn, load{inFlight: 1, slots: 4, ready: ready})
		wantEqual(t, name, got, want)
	}
	fn.auto.Load().report("cpu", "", 80, 3, 0)
	check("at once", 3, 4)
	check("when the fourth is ready", 4, 4)
	check("when one has died", 2, 4)
	fn.auto.Load().report("cpu", "", 80, 0, 0)
	check("told before the first was ready", 3, 4)
	check("then of those", 6, 4)
	fn.auto.Load().report("cpu", "", 80, 6, 0)
	check("told again", 6, 8)
}

func TestReportMetricChecks(t *testing.T) {
	b := newBed(t, func(cfg *Config) { cfg.Scaler = &calls{} })
	b.register("f", internal(0, 20, metric("cpu", 50), metric("prometheus", 10), metric("rps", 1)))
	b.register("plain")
	zero := 0.0
	for _, c := range []struct {
		fn, metric, name string
		value            float64
		ok               bool
	}{
		{"f", "cpu", "", 1, true},
		{"f", "prometheus", "lag", 0, true},
		{"f", "prometheus", "other", 1, false},
		{"f", "memory", "", 1, false},
		{"f", "rps", "", 1, false}, // core's own
		{"f", "cpu", "", -1, false},
		{"f", "cpu", "", 1 / zero, false},
		{"f", "cpu", "", zero / zero, false},
		{"plain", "cpu", "", 1, false},
		{"nobody", "cpu", "", 1, false},
	} {
		err := b.ReportMetric(c.fn, c.metric, c.name, c.value)
		if (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func ExampleCore_ReportMetric() {
	clock := newTestClock()
	scaler := &calls{}
	c, _ := New(Config{Scaler: scaler}, clock, &seqIDs{}, echo{}, nil)
	in := SpecInput{Name: ptr("resize")}
	internal(1, 10, metric("prometheus", 50))(&in) // named "lag"
	spec, _ := ResolveSpec(in)
	_, _ = c.Register(spec)
	c.ReplicasReady("resize", 1)
	_ = c.ReportMetric("resize", "prometheus", "lag", 170)
	clock.advance(5 * time.Second)
	fmt.Println(scaler.last())
	// Output: 4
}
