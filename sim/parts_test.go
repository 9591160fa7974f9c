package sim

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"simplane/core"
	"simplane/sim/scenario"
)

// TestLnExp compares with the standard library, to a few units in the last
// place, and pins bits that every machine must get.
func TestLnExp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.Float64Range(1e-300, 1e300).Draw(t, "x")
		if got, want := ln(x), math.Log(x); math.Abs(got-want) > 4e-16*math.Max(1, math.Abs(want)) {
			t.Fatalf("ln(%v) = %v, math.Log says %v", x, got, want)
		}
		y := rapid.Float64Range(-600, 600).Draw(t, "y")
		if got, want := exp(y), math.Exp(y); math.Abs(got-want) > 1e-15*want {
			t.Fatalf("exp(%v) = %v, math.Exp says %v", y, got, want)
		}
	})
	rapid.Check(t, func(t *rapid.T) { // as math.Frexp splits it
		x := rapid.OneOf(rapid.Float64Range(5e-324, 1e-300), rapid.Float64Range(1e-3, 10), rapid.Float64Range(1, 1e308)).Draw(t, "x")
		m, e := math.Frexp(x)
		if m < math.Sqrt2/2 {
			m, e = m*2, e-1
		}
		if gotM, gotE := split(x); gotM != m || gotE != float64(e) {
			t.Fatalf("split(%v) = %v, %v, want %v, %v", x, gotM, gotE, m, e)
		}
	})
	for x, bits := range map[float64][2]uint64{
		0.1: {math.Float64bits(ln(0.1)), 0xc0026bb1bbb55515},
		2:   {math.Float64bits(ln(2)), 0x3fe62e42fefa39ef},
		10:  {math.Float64bits(exp(10)), 0x40d5829dcf950560},
	} {
		if bits[0] != bits[1] {
			t.Errorf("at %v: bits %#x, want %#x", x, bits[0], bits[1])
		}
	}
}

// TestHeapOrder pops random events in order of (time, tie-break).
func TestHeapOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h eventHeap
		var model []event
		for i, at := range rapid.SliceOf(rapid.Int64Range(0, 20)).Draw(t, "times") {
			e := event{at: at, order: rapid.Uint64().Draw(t, "order"), index: int32(i)}
			h.push(e)
			model = append(model, e)
			if len(model) > 0 && rapid.IntRange(0, 3).Draw(t, "pop") == 0 {
				model = popModel(t, &h, model)
			}
		}
		for len(model) > 0 {
			model = popModel(t, &h, model)
		}
	})
}

func popModel(t *rapid.T, h *eventHeap, model []event) []event {
	least := 0
	for i := range model {
		if model[i].before(&model[least]) {
			least = i
		}
	}
	if got := h.pop(); got.at != model[least].at || got.order != model[least].order {
		t.Fatalf("popped %+v, want %+v", got, model[least])
	}
	return slices.Delete(model, least, least+1)
}

// TestTimers: a stopped timer does not fire, a reset one only at its new time.
func TestTimers(t *testing.T) {
	c := &clock{}
	var fired []string
	note := func(s string) func() { return func() { fired = append(fired, s) } }
	a := c.AfterFunc(10, note("a"))
	b := c.AfterFunc(20, note("b"))
	later := c.AfterFunc(30, note("c"))
	c.AfterFunc(-5, note("now"))
	if !a.Stop() || a.Stop() {
		t.Error("Stop must report once that there was a pending call")
	}
	if !later.Reset(5) {
		t.Error("Reset of a pending timer must say so")
	}
	for len(c.q) > 0 {
		e := c.q.pop()
		if timer := c.due(e.index); timer != nil {
			c.now = e.at
			timer.f()
		}
	}
	if got := strings.Join(fired, " "); got != "now c b" || c.live != 0 {
		t.Errorf("fired %q, %d live", got, c.live)
	}
	if b.Reset(1) {
		t.Error("Reset of a timer that has fired must say so")
	}
}

// TestSamplers checks the moments and percentiles of each distribution, within
// 5 standard errors.
func TestSamplers(t *testing.T) {
	const n = 200_000
	draw := func(l scenario.Latency) []float64 {
		s, r := newSampler(&l), newStream(7, l.Distribution)
		out := make([]float64, n)
		for i := range out {
			out[i] = float64(s.draw(&r))
		}
		slices.Sort(out)
		return out
	}
	share := func(v []float64, limit float64) float64 { // of values at or below
		i, _ := slices.BinarySearch(v, limit+0.5)
		return float64(i) / n
	}
	within := func(name string, got, p float64) {
		if tolerance := 5 * math.Sqrt(p*(1-p)/n); math.Abs(got-p) > tolerance {
			t.Errorf("%s: share %v, want %v ± %v", name, got, p, tolerance)
		}
	}
	ms := float64(time.Millisecond)
	within("uniform", share(draw(scenario.Latency{Distribution: "uniform", Min: 10 * time.Millisecond, Max: 20 * time.Millisecond}), 12*ms), 0.2)
	e := draw(scenario.Latency{Distribution: "exponential", Mean: 10 * time.Millisecond})
	within("exponential at its mean", share(e, 10*ms), 1-1/math.E)
	within("exponential at 3 means", share(e, 30*ms), 1-math.Exp(-3))
	l := draw(scenario.Latency{Distribution: "lognormal", P50: 40 * time.Millisecond, P99: 400 * time.Millisecond})
	within("lognormal p50", share(l, 40*ms), 0.5)
	within("lognormal p99", share(l, 400*ms), 0.99)
	p := draw(scenario.Latency{Distribution: "empirical", Percentiles: []scenario.Percentile{{Rank: 0, Value: time.Millisecond}, {Rank: 50, Value: 3 * time.Millisecond}, {Rank: 100, Value: 11 * time.Millisecond}}})
	within("empirical p25", share(p, 2*ms), 0.25)
	within("empirical p75", share(p, 7*ms), 0.75)
	if p[0] < ms || p[n-1] > 11*ms {
		t.Errorf("empirical values from %v to %v", p[0], p[n-1])
	}
}

// TestArrivals checks numbers and times of each process.
func TestArrivals(t *testing.T) {
	times := func(a scenario.Arrivals, duration time.Duration) []int64 {
		s := newArrivals(&a, duration, newStream(3, "arrivals"))
		var out []int64
		for {
			at, ok := s.next()
			if !ok {
				return out
			}
			if len(out) > 0 && at < out[len(out)-1] {
				t.Fatalf("%s: %d after %d", a.Process, at, out[len(out)-1])
			}
			if at < int64(a.From) || at >= int64(duration) {
				t.Fatalf("%s: arrival at %d, outside its time", a.Process, at)
			}
			out = append(out, at)
		}
	}
	c := times(scenario.Arrivals{Process: "constant", Rate: 3, From: time.Second, To: 3 * time.Second}, time.Minute)
	if want := []int64{1e9, 1333333333, 1666666667, 2e9, 2333333333, 2666666667}; !slices.Equal(c, want) {
		t.Errorf("constant: %v, want %v", c, want)
	}
	if b := times(scenario.Arrivals{Process: "burst", At: time.Second, Count: 4}, time.Minute); !slices.Equal(b, []int64{1e9, 1e9, 1e9, 1e9}) {
		t.Errorf("burst: %v", b)
	}
	p := times(scenario.Arrivals{Process: "poisson", Rate: 1000}, 100*time.Second)
	if off := math.Abs(float64(len(p)) - 100_000); off > 5*math.Sqrt(100_000) {
		t.Errorf("poisson: %d arrivals, expected 100000", len(p))
	}
	u := times(scenario.Arrivals{Process: "trace", Counts: []int{1000, 0, 50_000}, Within: "uniform"}, 3*time.Minute)
	if n, _ := slices.BinarySearch(u, int64(time.Minute)); n != 1000 || len(u) != 51_000 || u[1000] < 2*int64(time.Minute) {
		t.Errorf("trace: %d in the first minute, %d altogether", n, len(u))
	}
	// Uniform inside a minute: a quarter of the calls in each 15 s.
	for quarter := range 4 {
		from, _ := slices.BinarySearch(u, int64(2*time.Minute+time.Duration(quarter)*15*time.Second))
		to, _ := slices.BinarySearch(u, int64(2*time.Minute+time.Duration(quarter+1)*15*time.Second))
		if off := math.Abs(float64(to-from) - 12_500); off > 5*math.Sqrt(50_000*0.25*0.75) {
			t.Errorf("trace: %d of 50000 in quarter %d of the minute", to-from, quarter)
		}
	}
	if cut := times(scenario.Arrivals{Process: "trace", Counts: []int{100, 100}, Within: "poisson"}, 90*time.Second); len(cut) < 100 || len(cut) > 200 {
		t.Errorf("trace cut at the duration: %d arrivals", len(cut))
	}
}

// TestIDs: ids are version-4 UUIDs and never repeat, also when a slot is used
// again, and lead to their slot.
func TestIDs(t *testing.T) {
	r := &records{spare: -1, idSeed: 9}
	seen := map[core.ID]bool{}
	for i := range 50_000 {
		id := r.NewID()
		if seen[id] || id[6]>>4 != 4 || id[8]>>6 != 2 {
			t.Fatalf("id %v: seen before %v", id, seen[id])
		}
		seen[id] = true
		rec, slot := r.adopt(id)
		rec.state = stQueued
		if found, at := r.find(id); found != rec || at != slot {
			t.Fatalf("id %v does not lead to its slot", id)
		}
		if i%3 > 0 {
			r.release(slot)
			if found, _ := r.find(id); found != nil {
				t.Fatalf("id %v found after release", id)
			}
		}
	}
	if most := (50_000/3+1)*4/3 + 4; len(r.all) > most { // a quarter is kept free
		t.Errorf("%d slots for %d ids at a time", len(r.all), 50_000/3+1)
	}
}

// TestAgeList compares with a plain slice under random joins, removals and cuts.
func TestAgeList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newAgeList()
		model := [][]int32{nil} // segments
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			i := int32(rapid.IntRange(0, 15).Draw(t, "member"))
			switch rapid.IntRange(0, 4).Draw(t, "do") {
			case 0:
				l.cut()
				model = append(model, nil)
			case 1, 2:
				l.remove(i)
				for s := range model {
					if at := slices.Index(model[s], i); at >= 0 {
						model[s] = slices.Delete(model[s], at, at+1)
					}
				}
			default:
				if !l.has(i) {
					l.push(i)
					model[len(model)-1] = append(model[len(model)-1], i)
				}
			}
			var heads, want []int32
			for _, s := range l.segments {
				if s.head >= 0 {
					heads = append(heads, s.head)
				}
			}
			for _, s := range model {
				if len(s) > 0 {
					want = append(want, s[0])
				}
			}
			if !slices.Equal(heads, want) {
				t.Fatalf("heads %v, want %v", heads, want)
			}
		}
	})
}

// TestCompareFindsTheFirstDifference in logs that part somewhere.
func TestCompareFindsTheFirstDifference(t *testing.T) {
	write := func(changed int64, n int64) func(from, to int64) (*Result, error) {
		return func(from, to int64) (*Result, error) {
			l := newLogbook()
			l.from, l.to = from, to
			for i := int64(1); i <= n; i++ {
				b := append(l.begin(i*1000), "line"...)
				if i == changed {
					b = append(b, " changed"...)
				}
				l.end(b)
			}
			return &Result{Events: l.lines, Marks: l.marks, Digest: l.digest(), Kept: l.kept}, nil
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		n := 1 + r.Int64N(30_000)
		at := 1 + r.Int64N(n)
		same, other := write(0, n), write(at, n)
		a, _ := same(0, 0)
		b, _ := other(0, 0)
		d, err := Compare(a, b, same, other)
		if err != nil || d == nil || d.Line != at {
			t.Fatalf("of %d lines, number %d differs: found %+v, %v", n, at, d, err)
		}
		if d, err := Compare(a, a, same, same); d != nil || err != nil {
			t.Fatalf("equal logs: %v %v", d, err)
		}
	}
}

// TestGoldenExplains: a changed scenario is reported with what changed in the
// counts and about where.
func TestGoldenExplains(t *testing.T) {
	sc := parse(t, `
name: golden
duration: 60s
functions: [{name: f, maxRetries: 1, behavior: {latency: 10ms, failureRate: 0.1}}]
load: [{function: f, arrivals: {process: constant, rate: 50}}]
`)
	g := NewGolden(mustRun(t, sc, Options{}))
	path := t.TempDir() + "/golden.txt"
	if err := WriteGolden(path, map[string]Golden{g.Scenario: g}); err != nil {
		t.Fatal(err)
	}
	all, err := ReadGolden(path)
	if err != nil {
		t.Fatal(err)
	}
	g = all["golden"]
	sc.Faults = []scenario.Fault{{At: 30 * time.Second, Kind: "outage", Function: "f", For: time.Second}}
	rerun := func(from, to int64) (*Result, error) { return Run(sc, Options{KeepFrom: from, KeepTo: to}) }
	r := mustRun(t, sc, Options{})
	diff, err := g.Explain(r, rerun)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"error was ", "retries was ", "first difference lies at or before 3", "it is among events"} {
		if !strings.Contains(diff, want) {
			t.Errorf("no %q in:\n%s", want, diff)
		}
	}
	sc.Faults = nil
	if diff, err := g.Explain(mustRun(t, sc, Options{}), rerun); diff != "" || err != nil {
		t.Errorf("unchanged, yet: %s %v", diff, err)
	}
}
