package live

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"simplane/sim"
	"simplane/sim/draws"
	"simplane/sim/scenario"
)

// TestPredictedHoldsOneMore: of 39 values and one more, the one more is the least
// or the greatest of 40 in 5 % of all cases.
func TestPredictedHoldsOneMore(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{MinRuns, DefaultRuns} {
		const rounds = 20_000
		out := 0
		for range rounds {
			v := make([]float64, n)
			for i := range v {
				v[i] = math.Exp(r.NormFloat64())
			}
			if i := predicted(v); !i.holds(math.Exp(r.NormFloat64()), 0) {
				out++
			}
		}
		ends := max(int(float64(n+1)*(1-confidence)/2), 1)
		want := 2 * float64(ends) / float64(n+1)
		if share := float64(out) / rounds; math.Abs(share-want) > 5*math.Sqrt(want/rounds) || want > 0.0501 {
			t.Errorf("%d values: %v are outside, want %v, at most 0.05", n, share, want)
		}
	}
}

func TestBinomial(t *testing.T) {
	if i := binomial(0, 100); i.Low != 0 || math.Abs(i.High-0.037) > 0.001 { // Wilson's, by a table
		t.Errorf("none of 100: %v", i)
	}
	if i := binomial(50, 100); math.Abs(i.Low-0.404) > 0.001 || math.Abs(i.High-0.596) > 0.001 {
		t.Errorf("half of 100: %v", i)
	}
	if i := binomial(0, 0); i != (Interval{}) {
		t.Errorf("of nothing: %v", i)
	}
}

// TestBootstrapCovers the true percentile in about 95 % of the series, also when
// neighbours are alike.
func TestBootstrapCovers(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for name, keep := range map[string]float64{"apart": 0, "alike": 0.8} {
		const rounds = 100
		held := 0
		for range rounds {
			series := make([]int64, 1000)
			x := r.NormFloat64()
			for i := range series {
				x = keep*x + math.Sqrt(1-keep*keep)*r.NormFloat64() // stays a standard normal
				series[i] = int64(math.Round(1e6 * (x + 10)))
			}
			if bootstrap(series, []float64{50})[0].holds(10e6, 0) {
				held++
			}
		}
		if held < 84 { // 5 standard errors below 95, and blocks are finite
			t.Errorf("%s: the median was in %d of %d intervals", name, held, rounds)
		}
	}
	if got := bootstrap([]int64{7, 7, 7, 7}, []float64{50, 99}); got[0] != (Interval{7, 7}) || got[1] != (Interval{7, 7}) {
		t.Errorf("a constant: %v", got)
	}
	if got := bootstrap(nil, []float64{50}); len(got) != 1 {
		t.Errorf("of nothing: %v", got)
	}
}

// TestPlanIsTheSimulators: the calls that are made are those that are simulated, at
// the same times, and the n-th service time is the same.
func TestPlanIsTheSimulators(t *testing.T) {
	sc := parse(t, `
name: plain
seed: 11
duration: 5s
functions: [{name: f, concurrency: 1, queueSize: 1000, behavior: {latency: {distribution: lognormal, p50: 20ms, p99: 100ms}}}, {name: g, copies: 2, behavior: {latency: 1ms}}]
load:
  - {function: f, arrivals: {process: poisson, rate: 20}}
  - {function: g, mode: invoke, arrivals: {process: poisson, rate: 10}}
  - {function: f, mode: invoke, arrivals: {process: burst, at: 1s, count: 5}}
`)
	var log bytes.Buffer
	if _, err := sim.Run(sc, sim.Options{Events: &log}); err != nil {
		t.Fatal(err)
	}
	arrivals := map[string][]float64{}
	starts := map[int64]float64{}
	var served []time.Duration
	var order []int64
	took := map[int64]time.Duration{}
	for line := range strings.Lines(log.String()) {
		var e struct {
			T         float64
			Event     string
			Function  string
			Execution int64
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		switch e.Event {
		case "accept":
			arrivals[e.Function] = append(arrivals[e.Function], e.T)
		case "start":
			if e.Function == "f" {
				starts[e.Execution] = e.T
				order = append(order, e.Execution)
			}
		case "end":
			if e.Function == "f" {
				took[e.Execution] = time.Duration(math.Round((e.T - starts[e.Execution]) * 1e9))
			}
		}
	}
	for _, n := range order {
		served = append(served, took[n])
	}
	planned := map[string][]float64{}
	for _, c := range plan(sc) {
		planned[c.function] = append(planned[c.function], c.at.Seconds())
	}
	for _, name := range []string{"f", "g-1", "g-2"} {
		if len(planned[name]) == 0 || len(planned[name]) != len(arrivals[name]) {
			t.Fatalf("%s: %d calls planned, %d simulated", name, len(planned[name]), len(arrivals[name]))
		}
		for i, at := range planned[name] {
			if math.Abs(at-arrivals[name][i]) > 1e-9 {
				t.Fatalf("%s: call %d is planned at %v and simulated at %v", name, i, at, arrivals[name][i])
			}
		}
	}
	service := draws.NewService(sc.Seed, "f", &sc.Functions[0].Behavior)
	for i, got := range served {
		if want := time.Duration(service.Draw(0, 1, nil).Takes); (got - want).Abs() > 2 {
			t.Fatalf("dispatch %d took %v in the simulation, drawn is %v", i, got, want)
		}
	}
}

// TestRecordedCalls come at their times with inputs of their sizes, and a recorded
// attempt takes the cost of a call, too.
func TestRecordedCalls(t *testing.T) {
	sc := parse(t, "name: x\nduration: 1s\nfunctions: [{name: f}]\nload: [{function: f, arrivals: {process: constant, rate: 1}}]\n")
	sc.Load[0].Arrivals = scenario.Arrivals{Process: "exact", Calls: []scenario.Call{{At: 1}, {At: 5, Input: 1000}, {At: 9, Input: 1}}}
	var sizes []int
	calls := plan(sc)
	for i := range calls {
		body := calls[i].body()
		if !json.Valid(body) {
			t.Errorf("not JSON: %s", body)
		}
		sizes = append(sizes, len(body))
	}
	if want := []int{len(draws.Input(0)), 1000, 2}; !slices.Equal(sizes, want) {
		t.Errorf("inputs of %v bytes, want %v", sizes, want)
	}
	how := scenario.Behavior{Overhead: 3, Attempts: []scenario.Attempt{{Took: 40}}}
	service := draws.NewService(1, "f", &how)
	if d := service.Draw(0, 1, nil); d.Drawn != 40 || d.Takes != 43 {
		t.Errorf("%+v", d)
	}
	sc.Load[0].Arrivals.Calls[1].Input = 5 << 20
	if err := check(sc, false); err == nil || !strings.Contains(err.Error(), "an input of 5242880 bytes") {
		t.Errorf("too large: %v", err)
	}
}

// TestRareSeed: a figure is not wrong that the simulation of the same seed has, too.
func TestRareSeed(t *testing.T) {
	run := func(good int64) observed { return observed{counts: map[string]int64{"success": good}} }
	plain := []observed{run(50)}
	for i := range int64(MinRuns) {
		plain = append(plain, run(100+i))
	}
	value := func(o *observed) float64 { return float64(o.counts["success"]) }
	for real, want := range map[int64]string{50: Agrees, 60: Agrees, 49: Parts, 139: Parts} {
		got := row("x", "", &measured{observed: run(real)}, plain, nil, nil, value)
		if got.Verdict != want || got.Same != 50 || got.Simulated != (Interval{100, 138}) {
			t.Errorf("%d: %+v, want %s", real, got, want)
		}
	}
}

// TestVerdicts: a real figure inside, one that the cost of a call explains, and one
// that nothing does.
func TestVerdicts(t *testing.T) {
	run := func(good int64) observed { return observed{counts: map[string]int64{"success": good}} }
	runs := func(from int64) (all []observed) {
		for i := range int64(MinRuns) {
			all = append(all, run(from+i))
		}
		return all
	}
	value := func(o *observed) float64 { return float64(o.counts["success"]) }
	for _, c := range []struct {
		real int64
		unit string
		dear []observed
		want string
	}{
		{110, "", nil, Agrees}, {99, "", nil, Parts}, {139, "", nil, Parts}, {99, "ms", nil, Agrees}, {98, "ms", nil, Parts},
		{90, "", append(runs(80), run(118)), Costs}, {110, "", append(runs(80), run(118)), Agrees}, {70, "", append(runs(80), run(118)), Parts},
	} {
		m := &measured{observed: run(c.real)}
		if got := row("x", c.unit, m, append([]observed{run(100)}, runs(100)...), c.dear, nil, value); got.Verdict != c.want {
			t.Errorf("%d %s of 100 to 138: %s, want %s", c.real, c.unit, got.Verdict, c.want)
		}
	}
}
